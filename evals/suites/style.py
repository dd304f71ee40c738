"""The suite `style`: what videos look like, neither good nor bad. A study's ranking can hold it equal. No networks."""

from __future__ import annotations

from evals.metrics import duration, motion_magnitude, saturation, sharpness
from evals.suite import Suite

STYLE = Suite(
    "style",
    metrics=(
        motion_magnitude.METRIC,
        sharpness.METRIC,
        saturation.METRIC,
        duration.METRIC,
    ),
    backbones={
        "flow": motion_magnitude.Flow,
        "detail": sharpness.Detail,
        "saturation": saturation.Saturation,
        "length": duration.Length,
    },
)
