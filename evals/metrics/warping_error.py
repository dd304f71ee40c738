"""Warping error: what is left of the change between neighbours once their motion is taken out (Lai et al. 2018)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen
from evals.states import Unscored

STEPS = Need("flow")
LEAST = 0.05
"""Share of a picture that must be found again in the next one; below it a step says nothing."""


def value(seen: Seen) -> float | Unscored:
    """Mean over the steps that can be judged of the squared error [T-1] on [0,1]."""
    arrays = seen[STEPS]
    judged = arrays["visible"] >= LEAST
    if not judged.any():
        return Unscored(f"at no step is {LEAST:.0%} of the picture found again in the next frame")
    return float(arrays["warping"][judged].astype("float64").mean())


METRIC = Metric(
    name="warping_error",
    title="Warping error",
    unit="squared error",
    higher_is_better=False,
    reads="squared change that motion does not explain, where pixels are found again; 0 for a still picture",
    definition=f"MSE on [0,1] of f_t and f_t+1 warped by flow over pixels that pass the forward-backward check, mean "
    f"over neighbours with {LEAST} visible; frames scaled to 16384 px",
    needs=(STEPS,),
    value=value,
    min_frames=2,
    scale=(0, 1),
)
