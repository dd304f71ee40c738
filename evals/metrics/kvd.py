"""KVD: the kernel distance (unbiased MMD^2) of a set's I3D features to a reference set's (Unterthiner 2018; Binkowski
2018), and its form for other kernels and features. Needs the reference's rows, so a folder of clips.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evals.distances import KVD, Kernel, KernelSums
from evals.jackknife import jackknife, prompt_groups
from evals.metric import Metric, Total, Whole
from evals.metrics.fvd import LEAST, VIDEO, embedding, stacked
from evals.states import Rows, Unscored
from evals.stats import Interval

NO_ROWS = "needs the clips of a reference set (moments do not do): give real clips with --reference"


def kernel_total(kernel: Kernel, scale: float, biased: bool) -> Callable[[Rows, Whole], Total]:
    """`scale` times MMD^2, with the spread between prompts (jackknife)."""

    def total(rows: Rows, whole: Whole) -> Total:
        x, prompts, clips = stacked(rows)
        if whole.reference is None:
            return Total(Unscored(NO_ROWS), f"n={clips}|reference=none")
        protocol = f"n={clips}|reference={whole.reference_digest}:{len(whole.reference)}"
        for held, what in ((clips, "a set of"), (len(whole.reference), "a reference set of")):
            if held < LEAST:
                return Total(Unscored(f"{what} {held} clip(s); a kernel distance needs at least {LEAST}"), protocol)
        names = np.unique(prompts, return_inverse=True)[1]
        if len(np.unique(names)) < 2 and not biased:
            return Total(Unscored("one prompt; pairs are taken between prompts"), protocol)
        groups = prompt_groups(prompts)
        sums = KernelSums.of(x, whole.reference, kernel, ids=names, groups=groups, biased=biased)
        found = jackknife(lambda left_out: scale * sums.mmd(np.unique(groups[left_out])), groups)
        low, high = (None, None) if found.reach is None else (found.value - found.reach, found.value + found.reach)
        return Total(Interval(found.value, low, high, clips, len(set(prompts))), protocol)

    return total


def kernel_metric(
    name: str, title: str, unit: str, reads: str, definition: str, kernel: Kernel, times: float = 1, **others: Any
) -> Metric:
    """A kernel distance on the features of the suite's role `video`."""
    biased = bool(others.pop("biased", False))
    return Metric(
        name=name,
        title=title,
        unit=unit,
        higher_is_better=False,
        reads=reads,
        definition=definition,
        needs=(VIDEO,),
        value=embedding,
        total=kernel_total(kernel, times, biased),
        **others,
    )


READS = "how far the set's videos are from the reference's as a whole; near 0 is alike; small sets may be compared"
METRIC = kernel_metric(
    "kvd",
    "KVD (I3D)",
    "squared MMD",
    READS,
    "unbiased MMD^2 between prompts, kernel (x.y/d+1)^3 on I3D logits",
    KVD,
    min_frames=10,
)
