"""Paired values of one metric as a comparison, not yet judged: what runs, arms and stages are compared by."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from evals.stats.differences import paired
from evals.stats.verdicts import Comparison


def compared(
    metric: str, base: Sequence[float], candidate: Sequence[float], clusters: Sequence[Hashable]
) -> Comparison:
    """Candidate minus base over pairs [N], N >= 1, clustered as in `paired`; no verdict and no adjusted p yet."""
    d = paired(base, candidate, clusters)
    return Comparison(
        metric=metric,
        difference=d.value,
        low=d.low,
        high=d.high,
        p=d.p,
        standardised=d.standardised,
        n=d.n,
        clusters=d.clusters,
        base=sum(base) / len(base),
        value=sum(candidate) / len(candidate),
        detectable=d.detectable,
        error=d.error,
    )
