"""FVD: the Frechet distance of a set's I3D features to a reference set's (Unterthiner 2018), and its form for any other
features. Frames, resizing and sampling are the backbone's and stand in its id; covariances are divided by N-1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evals.distances import Gaussian
from evals.jackknife import GROUPS, GROUPS_WIDE, WIDE, FrechetWithout, jackknife, prompt_groups
from evals.metric import Metric, Need, Seen, Total, Whole
from evals.states import Floats, Rows, Unscored
from evals.stats import Interval

VIDEO = Need("video")
LEAST = 10
"""Clips, of the set and of the reference; below that a covariance says nothing."""
SHARE = 0.05
"""The bias, or the interval's half width, that notes speak of: this share of the value."""
NO_REFERENCE = "needs a reference set: give real clips with --reference"


def embedding(seen: Seen) -> Floats:
    """The clip's embedding [D], float64."""
    return seen[VIDEO]["embedding"].astype(np.float64)


def stacked(rows: Rows) -> tuple[Floats, list[str], int]:
    """Features [N,D], their prompts [N], and the number of clips they come from."""
    prompts, values = rows.scored()
    parts = [np.atleast_2d(value) for value in values]
    if not parts:
        return np.zeros((0, 0)), [], 0
    repeated = [prompt for prompt, part in zip(prompts, parts, strict=True) for _ in part]
    return np.concatenate(parts), repeated, len(parts)


def reference(whole: Whole, role: str) -> tuple[Gaussian, str] | Unscored:
    """The reference set's Gaussian and its name with its size: the set that was given, or the one that ships with the
    backbone."""
    if whole.reference is not None:
        n, name = len(whole.reference), f"{whole.reference_digest}:{len(whole.reference)}"
        if n < LEAST:
            return Unscored(f"the reference set holds {n} clip(s); needs at least {LEAST}")
        return Gaussian.of_rows(whole.reference), name
    shipped: Any = whole.backbones[role]
    if not hasattr(shipped, "reference_mean"):
        return Unscored(NO_REFERENCE)
    return Gaussian.of(shipped.reference_mean, shipped.reference_cov), f"rendered:{shipped.reference_n}"


def groups_for(x: Floats, prompts: Sequence[str]) -> Any:
    """Group numbers of prompts: fewer groups where each distance takes long."""
    return prompt_groups(prompts, GROUPS if x.shape[1] <= WIDE else GROUPS_WIDE)


def frechet_total(role: str, few: int) -> Callable[[Rows, Whole], Total]:
    """The set's distance; its interval is the spread between prompts (jackknife), around a value that is too high at
    small N. The protocol says so below `few` rows."""

    def total(rows: Rows, whole: Whole) -> Total:
        x, prompts, clips = stacked(rows)
        to = reference(whole, role)
        protocol = f"n={len(x)}|reference={'none' if isinstance(to, Unscored) else to[1]}|cov=N-1"
        if clips < LEAST:
            return Total(Unscored(f"a set of {clips} clip(s); a Frechet distance needs at least {LEAST}"), protocol)
        if isinstance(to, Unscored):
            return Total(to, protocol)
        if len(x) < few:
            protocol += "|biased at small n"
        value = Gaussian.of_rows(x).distance(to[0])
        found = jackknife(FrechetWithout(x, to[0]), groups_for(x, prompts))
        low, high = (None, None) if found.reach is None else (max(0.0, value - found.reach), value + found.reach)
        note = _bias(value, value - found.corrected, len(x), to[0].root.shape[1])
        return Total(Interval(value, low, high, clips, len(set(prompts))), protocol, note)

    return total


def _bias(value: float, bias: float, n: int, dimensions: int) -> str:
    """What of the value is due to the number of rows, as far as it can be told."""
    if n < 2 * dimensions:
        return f"{n} rows for {dimensions} dimensions, so most of it may be bias: compare sets of equal size only"
    true = value - bias
    if bias <= 0 or true <= 0:
        return f"indistinguishable from no distance once the bias of {n} rows is taken off ({bias:.3g})"
    needed = int(np.ceil(bias * n / (SHARE * true)))
    return f"about {bias:.3g} of it is the bias of {n} rows; {needed} rows would bring that to {SHARE:.0%} of the value"


def frechet_metric(name: str, title: str, reads: str, definition: str, few: int, **others: Any) -> Metric:
    """A Frechet distance on the features of the suite's role `video`."""
    return Metric(
        name=name,
        title=title,
        unit="squared distance",
        higher_is_better=False,
        reads=reads,
        definition=definition,
        needs=(VIDEO,),
        value=embedding,
        scale=(0, None),
        total=frechet_total(VIDEO.role, few),
        **others,
    )


METRIC = frechet_metric(
    "fvd",
    "FVD (I3D)",
    "how far the set's videos are from the reference's as a whole; compare only at equal numbers of clips",
    "Frechet distance of I3D logits, float64",
    few=2048,
    min_frames=10,
)
