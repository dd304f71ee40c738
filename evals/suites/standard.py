"""The suite `standard`: the published networks that papers report, on checkpoints that are fetched or handed over."""

from __future__ import annotations

from evals.features import Steps, ToReference, ToTruth
from evals.metrics import (
    clip_score,
    clip_temporal,
    flicker,
    lpips_reference,
    motion_magnitude,
    temporal_lpips,
    truth,
)
from evals.suite import Suite
from evals.suites.loading import Loader
from evals.suites.truth import fidelity

STANDARD = Suite(
    "standard",
    metrics=(
        clip_score.METRIC,
        clip_temporal.METRIC,
        lpips_reference.METRIC,
        temporal_lpips.METRIC,
        flicker.METRIC,
        motion_magnitude.METRIC,
        truth.PSNR,
        truth.SSIM,
        truth.LPIPS,
    ),
    backbones={
        "clip": Loader("clip-vit-b32"),
        "scene": Loader("clip-vit-b32"),
        "subject": Loader("dino-vit-b16"),
        "laion": Loader("laion"),
        "musiq": Loader("musiq"),
        "video": Loader("i3d"),
        "inception": Loader("inception"),
        "cuts": Loader("transnetv2"),
        "perceptual_steps": Loader("lpips-alex", Steps),
        "perceptual_to_reference": Loader("lpips-alex", ToReference),
        "perceptual_to_truth": Loader("lpips-alex", ToTruth),
        "fidelity": fidelity,
        "pixels": flicker.Pixels,
        "flow": motion_magnitude.Flow,
    },
)
