"""The suite `pocket`: networks trained on the pocket world, whose weights ship. Means something on that world alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evals.features import OfReference, Steps, ToReference
from evals.metrics import (
    accuracy,
    aesthetic,
    clip_reference,
    clip_score,
    clip_temporal,
    consistency,
    cuts,
    dynamic_degree,
    flicker,
    fvd_pocket,
    fvd_pocket_infinity,
    kvd_pocket,
    lpips_reference,
    motion_magnitude,
    motion_smoothness,
    temporal_lpips,
    warping_error,
)
from evals.suite import Suite


def shipped(name: str) -> Callable[[], Any]:
    """Loads the shipped network of that name."""

    def load() -> Any:
        from evals import backbones

        return backbones.load(name)

    return load


_clip = shipped("pocket-clip")


def _clip_of_reference() -> OfReference:
    return OfReference(_clip())


def flow() -> Any:
    """Loads optical flow and what is read from it."""
    from evals.backbones.flow import Flow

    return Flow()


def _cuts() -> Any:
    from evals.backbones.cuts import Cuts

    return Cuts()


def _perceptual_steps() -> Steps:
    return Steps(shipped("pocket-perceptual")())


def _perceptual_to_reference() -> ToReference:
    return ToReference(shipped("pocket-perceptual")())


POCKET = Suite(
    "pocket",
    metrics=(
        clip_score.METRIC,
        clip_temporal.METRIC,
        clip_reference.METRIC,
        lpips_reference.METRIC,
        consistency.SUBJECT,
        consistency.BACKGROUND,
        temporal_lpips.METRIC,
        aesthetic.METRIC,
        flicker.METRIC,
        motion_smoothness.METRIC,
        warping_error.METRIC,
        cuts.METRIC,
        motion_magnitude.METRIC,
        dynamic_degree.METRIC,
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
        "clip": _clip,
        "clip_of_reference": _clip_of_reference,
        "scene": _clip,
        "subject": shipped("pocket-subject"),
        "reader": shipped("pocket-reader"),
        "video": shipped("pocket-video"),
        "perceptual_steps": _perceptual_steps,
        "perceptual_to_reference": _perceptual_to_reference,
        "pixels": flicker.Pixels,
        "flow": flow,
        "cuts": _cuts,
    },
)
