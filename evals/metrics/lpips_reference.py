"""Reference fidelity: mean over frames of LPIPS(f_t, reference's first frame) (Zhang et al. 2018)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

PAIR = Need("perceptual_to_reference", of="pair")


def value(seen: Seen) -> float:
    """Mean of the distances [T]; >= 0."""
    return float(seen[PAIR]["distance"].astype("float64").mean())


METRIC = Metric(
    name="lpips_reference",
    title="LPIPS to the reference",
    unit="distance",
    higher_is_better=False,
    reads="how far the frames are from the reference picture; motion alone raises it",
    definition="mean over all frames; reference resized to the frames by bicubic",
    needs=(PAIR,),
    value=value,
    scale=(0, None),
)
