"""The suite `pocket`: networks trained on the pocket world, whose weights ship. Means something on that world alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evals.features import Steps, ToReference
from evals.metrics import (
    accuracy,
    aesthetic,
    clip_score,
    clip_temporal,
    flicker,
    fvd_pocket,
    fvd_pocket_infinity,
    kvd_pocket,
    lpips_reference,
    motion_magnitude,
    temporal_lpips,
)
from evals.suite import Suite


def shipped(name: str) -> Callable[[], Any]:
    """Loads the shipped network of that name."""

    def load() -> Any:
        from evals import backbones

        return backbones.load(name)

    return load


def _perceptual_steps() -> Steps:
    return Steps(shipped("pocket-perceptual")())


def _perceptual_to_reference() -> ToReference:
    return ToReference(shipped("pocket-perceptual")())


POCKET = Suite(
    "pocket",
    metrics=(
        clip_score.METRIC,
        clip_temporal.METRIC,
        lpips_reference.METRIC,
        temporal_lpips.METRIC,
        aesthetic.METRIC,
        flicker.METRIC,
        motion_magnitude.METRIC,
        fvd_pocket.METRIC,
        fvd_pocket_infinity.METRIC,
        kvd_pocket.METRIC,
        accuracy.SHAPE,
        accuracy.COLOUR,
        accuracy.BACKGROUND,
        accuracy.MOTION,
        accuracy.ATTRIBUTES,
    ),
    backbones={
        "clip": shipped("pocket-clip"),
        "reader": shipped("pocket-reader"),
        "video": shipped("pocket-video"),
        "perceptual_steps": _perceptual_steps,
        "perceptual_to_reference": _perceptual_to_reference,
        "pixels": flicker.Pixels,
        "flow": motion_magnitude.Flow,
    },
)
