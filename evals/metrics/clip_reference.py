"""Reference fidelity in CLIP's space: mean over frames of cos(E(f_t), E(reference))."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

FRAMES, REFERENCE = Need("clip"), Need("clip_of_reference", of="pair")


def value(seen: Seen) -> float:
    """Mean of [T,D] @ [D], both L2-normalised; in [-1,1]."""
    return float((seen[FRAMES]["image"].astype("float64") @ seen[REFERENCE]["image"][0].astype("float64")).mean())


METRIC = Metric(
    name="clip_reference",
    title="CLIP similarity to the reference",
    unit="cosine",
    higher_is_better=True,
    reads="how alike the frames and the reference picture are in content; compare only within one CLIP model",
    definition="mean over all frames of cos(image,reference's first frame)",
    needs=(FRAMES, REFERENCE),
    value=value,
    scale=(-1, 1),
)
