"""Aesthetic by LAION: predicted ratings of 1 to 10 by a head on CLIP ViT-L/14's normalised features.

Two heads, two metrics: the linear one (`sa_0_4_vit_l_14_linear`) and the multi-layer one of the V2 predictor
(`sac+logos+ava1-l14-linearMSE`). Their values differ, and neither may pass for the other.
"""

from __future__ import annotations

from collections.abc import Callable

from evals.metric import Metric, Need, Seen

FRAMES = Need("laion")


def _mean(head: str) -> Callable[[Seen], float]:
    return lambda seen: float(seen[FRAMES][head].astype("float64").mean())


def _metric(head: str, title: str, of: str) -> Metric:
    return Metric(
        name=f"aesthetic_laion_{head}",
        title=title,
        unit="points of 1-10",
        higher_is_better=True,
        reads="predicted rating of people who like photographs and digital art; compare only within this head",
        definition=f"mean over all frames of {of}",
        needs=(FRAMES,),
        value=_mean(head),
    )


LINEAR = _metric("linear", "Aesthetic (LAION, linear)", "the linear head sa_0_4_vit_l_14")
MLP = _metric("mlp", "Aesthetic (LAION V2, MLP)", "the V2 head sac+logos+ava1-l14-linearMSE")
