"""CLIP score of a video: mean over frames of cos(E_image, E_text) (Hessel et al. 2021, per frame, raw cosine)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

FRAMES, PROMPT = Need("clip"), Need("clip", of="prompt")


def value(seen: Seen) -> float:
    """Mean of [T,D] @ [D], both L2-normalised; in [-1,1]."""
    return float((seen[FRAMES]["image"].astype("float64") @ seen[PROMPT]["text"].astype("float64")).mean())


METRIC = Metric(
    name="clip_score",
    title="CLIP score",
    unit="cosine",
    higher_is_better=True,
    reads="how well each frame fits the prompt; compare only within one CLIP model",
    definition="mean over all frames of cos(image,text)",
    needs=(FRAMES, PROMPT),
    value=value,
    needs_prompt=True,
    scale=(-1, 1),
)
