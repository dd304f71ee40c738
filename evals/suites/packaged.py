"""The suite `packaged`: real pretrained networks that come inside registry packages (extra `packaged`), so that it runs
where no hub can be reached. Small networks under their own names: no value of it stands beside a published one."""

from __future__ import annotations

from typing import Any

from evals.backbones.ffmpeg import FfmpegQuality
from evals.features import Steps, StepsOfTruth, ToReference, ToTruth
from evals.metrics import (
    consistency,
    cuts,
    dynamic_degree,
    flicker,
    frechet_transnet,
    lpips_reference,
    motion_magnitude,
    motion_smoothness,
    niqe,
    temporal_lpips,
    tlp,
    truth,
    vmaf,
    warping_error,
    xpsnr,
)
from evals.suite import Suite
from evals.suites.loading import Loader
from evals.suites.pocket import flow
from evals.suites.truth import fidelity


def naturalness() -> Any:
    """Loads NIQE's model of undistorted photographs."""
    from evals.backbones.niqe import Niqe

    return Niqe()


PACKAGED = Suite(
    "packaged",
    metrics=(
        lpips_reference.METRIC,
        consistency.SUBJECT,
        consistency.BACKGROUND,
        temporal_lpips.METRIC,
        niqe.METRIC,
        flicker.METRIC,
        motion_smoothness.METRIC,
        warping_error.METRIC,
        cuts.METRIC,
        motion_magnitude.METRIC,
        dynamic_degree.METRIC,
        frechet_transnet.METRIC,
        truth.PSNR,
        truth.SSIM,
        truth.LPIPS,
        tlp.METRIC,
        vmaf.METRIC,
        xpsnr.METRIC,
    ),
    backbones={
        "subject": Loader("efficientnet-lite0"),
        "scene": Loader("efficientnet-lite0"),
        "video": Loader("transnetv2"),
        "cuts": Loader("transnetv2"),
        "naturalness": naturalness,
        "perceptual_steps": Loader("efficientnet-perceptual", Steps),
        "perceptual_steps_of_truth": Loader("efficientnet-perceptual", StepsOfTruth),
        "perceptual_to_reference": Loader("efficientnet-perceptual", ToReference),
        "perceptual_to_truth": Loader("efficientnet-perceptual", ToTruth),
        "fidelity": fidelity,
        "ffmpeg_quality": FfmpegQuality,
        "pixels": flicker.Pixels,
        "flow": flow,
    },
)
