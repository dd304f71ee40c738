"""The suite `style`: what videos look like, neither good nor bad. A study's ranking can hold it equal. No networks."""

from __future__ import annotations

from evals.metrics import duration, motion_magnitude, saturation, sharpness
from evals.suite import Suite
from evals.suites.pocket import flow

STYLE = Suite(
    "style",
    metrics=(
        motion_magnitude.METRIC,
        sharpness.METRIC,
        saturation.METRIC,
        duration.METRIC,
    ),
    backbones={
        "flow": flow,
        "detail": sharpness.Detail,
        "saturation": saturation.Saturation,
        "length": duration.Length,
    },
)
