"""The suite `standard`: the published networks that papers report, on checkpoints that are fetched or handed over."""

from __future__ import annotations

from evals.backbones.ffmpeg import FfmpegQuality
from evals.features import OfReference, Steps, StepsOfTruth, ToReference, ToTruth
from evals.metrics import (
    clip_reference,
    clip_score,
    clip_temporal,
    consistency,
    dynamic_degree,
    fid_frames,
    flicker,
    fvd,
    fvd_infinity,
    jedi_mmd,
    kvd,
    laion,
    lpips_reference,
    motion_magnitude,
    motion_smoothness,
    musiq,
    nima,
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

STANDARD = Suite(
    "standard",
    metrics=(
        clip_score.METRIC,
        clip_temporal.METRIC,
        clip_reference.METRIC,
        lpips_reference.METRIC,
        consistency.SUBJECT,
        consistency.BACKGROUND,
        temporal_lpips.METRIC,
        laion.LINEAR,
        laion.MLP,
        musiq.METRIC,
        nima.METRIC,
        flicker.METRIC,
        motion_smoothness.METRIC,
        warping_error.METRIC,
        motion_magnitude.METRIC,
        dynamic_degree.METRIC,
        fvd.METRIC,
        fvd_infinity.METRIC,
        kvd.METRIC,
        jedi_mmd.UNBIASED,
        fid_frames.METRIC,
        truth.PSNR,
        truth.SSIM,
        truth.LPIPS,
        tlp.METRIC,
        vmaf.METRIC,
        xpsnr.METRIC,
    ),
    backbones={
        "clip": Loader("clip-vit-b32"),
        "clip_of_reference": Loader("clip-vit-b32", OfReference),
        "scene": Loader("clip-vit-b32"),
        "subject": Loader("dino-vit-b16"),
        "laion": Loader("laion"),
        "musiq": Loader("musiq"),
        "nima": Loader("nima"),
        "video": Loader("i3d"),
        "inception": Loader("inception"),
        "perceptual_steps": Loader("lpips-alex", Steps),
        "perceptual_steps_of_truth": Loader("lpips-alex", StepsOfTruth),
        "perceptual_to_reference": Loader("lpips-alex", ToReference),
        "perceptual_to_truth": Loader("lpips-alex", ToTruth),
        "fidelity": fidelity,
        "ffmpeg_quality": FfmpegQuality,
        "pixels": flicker.Pixels,
        "flow": flow,
    },
)
