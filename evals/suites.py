"""Suites: which metrics, on which backbones. Adding a metric is one line here, one file, one test, one page of docs.

Backbones are loaded when an evaluation starts, and only those its metrics need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evals.features import Steps, ToReference, ToTruth
from evals.metric import Metric, Need
from evals.metrics import (
    accuracy,
    aesthetic,
    clip_score,
    clip_temporal,
    fault_remaining,
    flicker,
    fvd_pocket,
    lpips_reference,
    motion_magnitude,
    temporal_lpips,
    trajectory,
    truth,
)
from magicvideo.errors import unknown_name


@dataclass(frozen=True)
class Suite:
    """Metrics in the order they are shown, and a loader for each role that they name."""

    name: str
    metrics: tuple[Metric, ...]
    backbones: Mapping[str, Callable[[], Any]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in self.metrics)

    @property
    def truthful(self) -> tuple[str, ...]:
        """The metrics that need the truth."""
        return tuple(m.name for m in self.metrics if any(need.of in ("truth", "both") for need in m.needs))

    @property
    def needs(self) -> tuple[Need, ...]:
        """All that the metrics need, each once."""
        return tuple(dict.fromkeys(need for metric in self.metrics for need in metric.needs))

    def only(self, names: Sequence[str] | None) -> Suite:
        """The suite with these metrics alone, in its own order; all for None. Unknown names are an `InputError`."""
        if names is None:
            return self
        for name in names:
            if name not in self.names:
                raise unknown_name("metric", name, self.names, where=f"suite {self.name!r}")
        return replace(self, metrics=tuple(m for m in self.metrics if m.name in names))

    def load(self) -> dict[str, Any]:
        """The backbones that the metrics need, by role."""
        return {role: self.backbones[role]() for role in dict.fromkeys(need.role for need in self.needs)}

    def protocols(self) -> dict[str, str]:
        """Metric name -> the part of its protocol id that does not depend on the clips. Loads the backbones."""
        ids = {role: str(backbone.id) for role, backbone in self.load().items()}
        return {metric.name: metric.protocol(ids) for metric in self.metrics}


def _pocket(name: str) -> Callable[[], Any]:
    def load() -> Any:
        from evals import backbones

        return backbones.load(name)

    return load


def _perceptual_steps() -> Steps:
    return Steps(_pocket("pocket-perceptual")())


def _perceptual_to_reference() -> ToReference:
    return ToReference(_pocket("pocket-perceptual")())


def _perceptual_to_truth() -> ToTruth:
    return ToTruth(_pocket("pocket-perceptual")())


def _fidelity() -> Any:
    from evals.backbones.truth import Fidelity

    return Fidelity()


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
        accuracy.SHAPE,
        accuracy.COLOUR,
        accuracy.BACKGROUND,
        accuracy.MOTION,
        accuracy.ATTRIBUTES,
    ),
    backbones={
        "clip": _pocket("pocket-clip"),
        "reader": _pocket("pocket-reader"),
        "video": _pocket("pocket-video"),
        "perceptual_steps": _perceptual_steps,
        "perceptual_to_reference": _perceptual_to_reference,
        "pixels": flicker.Pixels,
        "flow": motion_magnitude.Flow,
    },
)

TRUTH = Suite(
    "truth",
    metrics=(
        *POCKET.metrics,
        truth.PSNR,
        truth.SSIM,
        truth.LPIPS,
        truth.PSNR_BETWEEN,
        truth.SSIM_BETWEEN,
        truth.LPIPS_BETWEEN,
        trajectory.ERROR,
        trajectory.RATIO,
        fault_remaining.METRIC,
    ),
    backbones={
        **POCKET.backbones,
        "fidelity": _fidelity,
        "perceptual_to_truth": _perceptual_to_truth,
        "paths": trajectory.Paths,
        "fault": fault_remaining.Projection,
    },
)
"""The pocket suite, and what needs the true clip beside the one that is scored."""

SUITES = {suite.name: suite for suite in (POCKET, TRUTH)}


def find(suite: str | Suite) -> Suite:
    """A suite by name, or itself. Raises `InputError` for an unknown name."""
    if isinstance(suite, Suite):
        return suite
    if suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    return SUITES[suite]
