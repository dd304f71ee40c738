"""tLP: how far each step's perceptual change is from the true one (TecoGAN). Needs the truth; see temporal LPIPS."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

STEPS, TRUE_STEPS = Need("perceptual_steps"), Need("perceptual_steps_of_truth", of="truth")


def value(seen: Seen) -> float:
    """Mean of | LPIPS(f_t, f_t+1) - LPIPS(g_t, g_t+1) | over the T-1 steps; >= 0."""
    mine, true = (seen[need]["distance"].astype("float64") for need in (STEPS, TRUE_STEPS))
    return float(abs(mine - true).mean())


METRIC = Metric(
    name="tlp",
    title="tLP, to the truth",
    unit="distance",
    higher_is_better=False,
    reads="how far the change from frame to frame is from the true clip's, to the eye; a frozen clip is far off",
    definition="mean over neighbours of the absolute difference of the clip's and the truth's distance; truth resized "
    "to the clip by bicubic",
    needs=(STEPS, TRUE_STEPS),
    value=value,
    min_frames=2,
    scale=(0, None),
)
