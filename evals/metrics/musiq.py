"""Imaging quality: MUSIQ's prediction of technical quality, over 100 (Ke et al. 2021; VBench's imaging quality)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

FRAMES = Need("musiq")


def value(seen: Seen) -> float:
    """Mean of the predictions [T] in 0..100, over 100."""
    return float(seen[FRAMES]["musiq"].astype("float64").mean() / 100)


METRIC = Metric(
    name="musiq",
    title="Imaging quality (MUSIQ)",
    unit="share",
    higher_is_better=True,
    reads="predicted freedom from noise, blur and bad exposure, learned from photographs",
    definition="mean over all frames of MUSIQ, over 100",
    needs=(FRAMES,),
    value=value,
)
