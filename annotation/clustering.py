"""Errors of shares of votes that hang together: votes of one person, and votes on one prompt, are not independent.

Two-way clustered variance (Cameron, Gelbach & Miller 2011): V = V_annotator + V_prompt - V_intersection, each corrected
by G/(G-1). V may come out below its own parts when there are few clusters, so the largest of V, V_annotator and
V_prompt is taken (MacKinnon, Nielsen & Webb 2021). Quantiles are Student's t with min(G) - 1 degrees of freedom; for
the tie rate, in which people and prompts hardly lean, with Satterthwaite's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from annotation.table import Ints, Outcomes

Floats = NDArray[np.float64]

NET: Floats = np.array([1.0, 0.0, -1.0])
"""Gradient of net win in the shares of Good, Same and Bad."""


@dataclass(frozen=True)
class Shares:
    """Counts (Good, Same, Bad) and what is known of the error of their shares p = counts / n.

    `parts` are covariances of p [3,3] by way of clustering; empty where votes are taken as independent.
    """

    counts: Floats
    parts: tuple[Floats, ...]
    annotators: int | None
    prompts: int | None
    df: int | None
    """Degrees of freedom of the quantiles; None: normal ones."""

    @property
    def n(self) -> float:
        return float(self.counts.sum())

    @property
    def p(self) -> Floats:
        return self.counts / self.counts.sum()

    @property
    def independent(self) -> Floats:
        """(diag p - p p') / n, [3,3]: the covariance if votes were independent."""
        p = self.p
        covariance: Floats = (np.diag(p) - np.outer(p, p)) / self.n
        return covariance

    @property
    def clusters(self) -> int | None:
        """The smaller number of clusters that is above one; None where votes are taken as independent."""
        return None if self.df is None else self.df + 1

    def variance(self, gradient: Floats) -> float | None:
        """Of a function of p with this gradient (delta method); None where a single cluster says nothing."""
        if self.annotators is None:
            return float(gradient @ self.independent @ gradient)
        found = [float(gradient @ part @ gradient) for part in self.parts]
        return max(found) if found else None

    def quantile(self, level: float) -> float:
        return quantile(self.df, level)

    def satterthwaite(self, gradient: Floats) -> float | None:
        """Degrees of freedom of the variance of this function, by what each way of clustering contributes to it.

        Satterthwaite 1946 on V = C_annotator + C_prompt + V_intersection, C what clusters add to it (at least 0), with
        G - 1 degrees each and n - 1 of the last. Where nobody leans it is large, where one way decides it is that one's
        G - 1. `df` itself without both ways.
        """
        if len(self.parts) < 3 or self.annotators is None or self.prompts is None:
            return self.df
        people, prompts, both = (float(gradient @ part @ gradient) for part in self.parts)
        cells = people + prompts - both
        terms = (max(people - cells, 0.0), self.annotators), (max(prompts - cells, 0.0), self.prompts), (cells, self.n)
        below = sum(part**2 / (size - 1) for part, size in terms)
        return sum(part for part, _ in terms) ** 2 / below if below > 0 else self.df


def of_counts(good: float, same: float, bad: float) -> Shares:
    """Plain counts: nobody knows whose votes they were, so they are taken as independent."""
    return Shares(np.array([good, same, bad], dtype=np.float64), (), None, None, None)


def of_votes(outcomes: Outcomes) -> Shares:
    """Votes clustered by annotator and prompt. A side with a single cluster is left out."""
    by_annotator = cluster_counts(outcomes.annotator, outcomes.outcome)
    by_prompt = cluster_counts(outcomes.prompt, outcomes.outcome)
    sizes = [len(by_annotator), len(by_prompt)]
    parts = [_covariance(counts) for counts in (by_annotator, by_prompt) if len(counts) > 1]
    if len(parts) == 2:
        cells = compact(outcomes.annotator * (int(outcomes.prompt.max()) + 1) + outcomes.prompt)
        parts.append(parts[0] + parts[1] - _covariance(cluster_counts(cells, outcomes.outcome)))
    df = min((size for size in sizes if size > 1), default=1) - 1
    return Shares(by_prompt.sum(axis=0), tuple(parts), sizes[0], sizes[1], df or None)


def cluster_counts(cluster: Ints, outcome: Ints) -> Floats:
    """How often each cluster said +1, 0, -1: [C,3], clusters without votes left out."""
    size = int(cluster.max()) + 1 if len(cluster) else 0
    counts = np.bincount(cluster * 3 + (1 - outcome), minlength=size * 3).reshape(-1, 3).astype(np.float64)
    return counts[counts.sum(axis=1) > 0]


def compact(codes: Ints) -> Ints:
    """The same grouping under numbers from 0 without gaps."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def quantile(df: float | None, level: float) -> float:
    """Two-sided: how many standard errors an interval of this level reaches."""
    tail = (1 + level) / 2
    return float(ndtri(tail)) if df is None else float(stdtrit(df, tail))


def two_sided_p(ratio: float, df: int | None) -> float:
    """p of an estimate that is `ratio` standard errors from nothing."""
    return float(2 * stdtr(df if df is not None else np.inf, -abs(ratio)))


def _covariance(counts: Floats) -> Floats:
    """Of the shares, from counts by cluster [C,3]: G/(G-1) * sum s s' / n^2 with s = counts - size * p."""
    n, groups = counts.sum(), len(counts)
    scores = counts - counts.sum(axis=1, keepdims=True) * (counts.sum(axis=0) / n)
    return groups / (groups - 1) * (scores.T @ scores) / n**2
