"""The suite `packaged`: real pretrained networks that come inside registry packages (extra `packaged`), so that it runs
where no hub can be reached. Small networks under their own names: no value of it stands beside a published one."""

from __future__ import annotations

from evals.features import Steps, ToReference, ToTruth
from evals.metrics import flicker, lpips_reference, motion_magnitude, temporal_lpips, truth
from evals.suite import Suite
from evals.suites.loading import Loader
from evals.suites.truth import fidelity

PACKAGED = Suite(
    "packaged",
    metrics=(
        lpips_reference.METRIC,
        temporal_lpips.METRIC,
        flicker.METRIC,
        motion_magnitude.METRIC,
        truth.PSNR,
        truth.SSIM,
        truth.LPIPS,
    ),
    backbones={
        "subject": Loader("efficientnet-lite0"),
        "scene": Loader("efficientnet-lite0"),
        "video": Loader("transnetv2"),
        "cuts": Loader("transnetv2"),
        "perceptual_steps": Loader("efficientnet-perceptual", Steps),
        "perceptual_to_reference": Loader("efficientnet-perceptual", ToReference),
        "perceptual_to_truth": Loader("efficientnet-perceptual", ToTruth),
        "fidelity": fidelity,
        "pixels": flicker.Pixels,
        "flow": motion_magnitude.Flow,
    },
)
