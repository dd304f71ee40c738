"""CLIP temporal consistency: mean over t of cos(E(f_t), E(f_t+1)) (EvalCrafter, with the features normalised)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

FRAMES = Need("clip")


def value(seen: Seen) -> float:
    """Mean of the T-1 cosines of neighbours; [T,D] L2-normalised; in [-1,1]."""
    image = seen[FRAMES]["image"].astype("float64")
    return float((image[:-1] * image[1:]).sum(axis=1).mean())


METRIC = Metric(
    name="clip_temporal",
    title="CLIP temporal consistency",
    unit="cosine",
    higher_is_better=True,
    reads="how alike neighbouring frames are in content; a frozen video has 1, so read it beside motion",
    definition="mean over neighbours of cos(image,image)",
    needs=(FRAMES,),
    value=value,
    min_frames=2,
    scale=(-1, 1),
)
