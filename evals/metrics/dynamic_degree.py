"""Dynamic degree: does the clip move, yes or no (VBench's rule, on the speeds that motion magnitude averages)."""

from __future__ import annotations

import numpy as np

from evals.metric import Metric, Need, Seen
from evals.states import Unscored

STEPS = Need("flow")
RATE = 8
"""Frames a second that VBench thins faster videos to."""
STEP = 6 / 256
"""Shorter sides that the fastest 5 % of pixels must move in a step of 1/8 s."""
SHARE = 4 / 16
"""Steps that must move, as a share of the thinned clip's frames."""


def value(seen: Seen) -> float | Unscored:
    """1 if enough steps move. Every `interval`-th frame counts, as in VBench; how far the picture moved over a step is
    the sum of its frames' speeds, so that flow need not be computed again."""
    arrays = seen[STEPS]
    speed, fps, side = arrays["speed"].astype(np.float64), float(arrays["fps"][0]), float(arrays["short_side"][0])
    interval = max(1, round(fps / RATE))
    steps = len(speed) // interval
    if not steps:
        return Unscored(f"{len(speed) + 1} frames at {fps:g} a second hold no step of 1/{RATE} s")
    moved = speed[: steps * interval].reshape(steps, interval).sum(axis=1) / fps
    frames = len(speed) // interval + 1
    enough = max(1, round(frames * SHARE))
    return float((moved > STEP * side * max(1.0, RATE / fps)).sum() >= enough)


METRIC = Metric(
    name="dynamic_degree",
    title="Dynamic degree",
    unit="share",
    higher_is_better=None,
    reads="share of clips that move: the fastest 5 % cross 2.3 % of the shorter side in 1/8 s, in a quarter of steps",
    definition="VBench's threshold 6/256 of the shorter side per step at 8 fps in round(frames/4) steps, on summed "
    "speeds",
    needs=(STEPS,),
    value=value,
    min_frames=2,
    scale=(0, 1),
    binary=True,
)
