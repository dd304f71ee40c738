"""FVD on the pocket video encoder: Frechet distance of the set's embeddings to reference clips' (Unterthiner 2018).

Not I3D's FVD: named so that nobody takes its values for those. The interval shows spread between prompts only; the
estimate itself is biased upwards at small N, so sets are compared at equal N (which the protocol id names).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from evals.frechet import frechet_rows
from evals.metric import Metric, Need, Seen, Total, Whole
from evals.states import Floats, Rows, Unscored
from evals.stats import Interval

VIDEO = Need("video")
LEAST = 10
DRAWS = 200
FEW = 256


def value(seen: Seen) -> Floats:
    """The clip's embedding [D], float64."""
    return seen[VIDEO]["embedding"].astype(np.float64)


def total(rows: Rows, whole: Whole) -> Total:
    """Distance of the set, and an interval: percentiles of 200 resamples of whole prompts, centred on the estimate.

    Resampling repeats clips, which raises the distance as a smaller set would; only the draws' spread is used.
    """
    prompts, values = rows.scored()
    mean, cov, n_reference, name = _reference(whole)
    protocol = f"n={len(values)}|reference={name}:{n_reference}|cov=N-1"
    if len(values) < LEAST:
        return Total(Unscored(f"a set of {len(values)} clip(s); a Frechet distance needs at least {LEAST}"), protocol)
    if n_reference < LEAST:
        return Total(Unscored(f"the reference set holds {n_reference} clip(s); needs at least {LEAST}"), protocol)
    x = np.stack(values)
    if len(values) < FEW:
        protocol += "|biased at small n"
    distance = frechet_rows(x, mean, cov)
    low, high = _spread(x, prompts, mean, cov, distance)
    return Total(Interval(distance, low, high, len(values), len(set(prompts))), protocol)


def _reference(whole: Whole) -> tuple[Floats, Floats, int, str]:
    """Mean [D], covariance [D,D], clips and name of the reference set: the given one, or the one that ships."""
    given = whole.reference
    if given is not None:
        cov = given.cov if given.n > 1 else np.zeros_like(given.m2)
        return given.mean, cov, given.n, str(whole.reference_digest)
    shipped: Any = whole.backbones["video"]
    return shipped.reference_mean, shipped.reference_cov, int(shipped.reference_n), "rendered"


def _spread(
    x: Floats, prompts: list[str], mean: Floats, cov: Floats, distance: float
) -> tuple[float | None, float | None]:
    members = defaultdict[str, list[int]](list)
    for i, prompt in enumerate(prompts):
        members[prompt].append(i)
    groups = [np.array(members[prompt]) for prompt in sorted(members)]
    if len(groups) < 2:
        return None, None
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(groups), size=(DRAWS, len(groups)))
    draws = [frechet_rows(x[np.concatenate([groups[g] for g in pick])], mean, cov) for pick in picks]
    low, high = np.quantile(draws, [0.025, 0.975]) - np.mean(draws) + distance
    return max(0.0, min(float(low), distance)), max(float(high), distance)


METRIC = Metric(
    name="fvd_pocket",
    title="FVD (pocket encoder)",
    unit="squared distance",
    higher_is_better=False,
    reads="how far the set's videos are from real ones as a whole; compare only at equal numbers of clips",
    definition="Frechet distance of embeddings, float64",
    needs=(VIDEO,),
    value=value,
    scale=(0, None),
    total=total,
)
