"""The suite `truth`: the pocket suite, and what needs the true clip beside the one that is scored."""

from __future__ import annotations

from typing import Any

from evals.backbones.ffmpeg import FfmpegQuality
from evals.features import StepsOfTruth, ToTruth
from evals.metrics import fault_remaining, tlp, trajectory, truth, vmaf, xpsnr
from evals.suite import Suite
from evals.suites.pocket import POCKET, shipped


def _perceptual_to_truth() -> ToTruth:
    return ToTruth(shipped("pocket-perceptual")())


def _perceptual_steps_of_truth() -> StepsOfTruth:
    return StepsOfTruth(shipped("pocket-perceptual")())


def fidelity() -> Any:
    """Loads the comparison with the truth, pixel by pixel."""
    from evals.backbones.truth import Fidelity

    return Fidelity()


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
        vmaf.METRIC,
        xpsnr.METRIC,
        tlp.METRIC,
        trajectory.ERROR,
        trajectory.RATIO,
        fault_remaining.METRIC,
    ),
    backbones={
        **POCKET.backbones,
        "fidelity": fidelity,
        "ffmpeg_quality": FfmpegQuality,
        "perceptual_to_truth": _perceptual_to_truth,
        "perceptual_steps_of_truth": _perceptual_steps_of_truth,
        "paths": trajectory.Paths,
        "fault": fault_remaining.Projection,
    },
)
