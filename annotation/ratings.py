"""The conventions of a win rate, all at once, from the same votes and the same error.

p = (pG, pS, pB) are the shares of Good (ours was preferred), Same and Bad.

gsb_ratio  (G+S)/(B+S)      the paper's column: no probability, infinite without Same and Bad; delta method on its log
net        pG - pB          from -1 to 1
half_tie   (1 + net)/2      a Same is half a win for each
decisive   G/(G+B)          Wilson's interval; says nothing of ties
tie_rate   pS               Wilson's interval

Clustered votes count as fewer: intervals of proportions use n / design effect. No files, no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.clustering import NET, Floats, Shares, quantile, two_sided_p
from evals.stats import score_interval

LEVEL = 0.95
CONVENTIONS = ("gsb_ratio", "net", "half_tie", "decisive", "tie_rate")
ORDERING = ("gsb_ratio", "net", "decisive")
"""Those that can put systems in different orders; half_tie is net on another scale."""

GOOD, TIE = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
DECIDED, ANY = np.array([1.0, 0.0, 1.0]), np.ones(3)


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; None where there is none (no votes that count, or one cluster only)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Rating:
    """One side's votes under every convention."""

    good: int
    same: int
    bad: int
    gsb_ratio: Estimate
    net: Estimate
    half_tie: Estimate
    decisive: Estimate
    tie_rate: Estimate
    p: float | None
    """Two-sided, of net = 0."""
    design_effect: float | None
    """Variance of net over what independent votes would give; None where it cannot be known."""
    effective_n: float | None
    annotators: int | None
    prompts: int | None

    @property
    def n(self) -> int:
        return self.good + self.same + self.bad

    def estimate(self, convention: str) -> Estimate:
        found = getattr(self, convention)
        assert isinstance(found, Estimate)
        return found


def rate(shares: Shares, level: float = LEVEL) -> Rating:
    """Every convention from counts and their error. Raises ValueError without votes."""
    if shares.n == 0:
        raise ValueError("no votes to rate")
    net = _net(shares, level)
    variance, independent = shares.variance(NET), float(NET @ shares.independent @ NET)
    effect = None if variance is None or independent == 0 or shares.annotators is None else variance / independent
    good, same, bad = (round(float(count)) for count in shares.counts)
    return Rating(
        good=good,
        same=same,
        bad=bad,
        gsb_ratio=_ratio(shares, level),
        net=net,
        half_tie=Estimate(*(None if v is None else (1 + v) / 2 for v in (net.value, net.low, net.high))),
        decisive=_proportion(shares, GOOD, DECIDED, level, shares.df),
        tie_rate=_proportion(shares, TIE, ANY, level, shares.satterthwaite(TIE)),
        p=_p_of_net(shares),
        design_effect=effect,
        effective_n=None if not effect else shares.n / effect,
        annotators=shares.annotators,
        prompts=shares.prompts,
    )


def values(counts: Floats) -> dict[str, Floats]:
    """Every convention of counts [..., 3], without errors; NaN or infinite where it is not defined."""
    good, same, bad = counts[..., 0], counts[..., 1], counts[..., 2]
    n = good + same + bad
    with np.errstate(divide="ignore", invalid="ignore"):
        net = (good - bad) / n
        return {
            "gsb_ratio": (good + same) / (bad + same),
            "net": net,
            "half_tie": (1 + net) / 2,
            "decisive": good / (good + bad),
            "tie_rate": same / n,
        }


def gradients(p: Floats) -> dict[str, Floats]:
    """Of every convention in the shares (G, S, B), [3] each; of gsb_ratio on its logarithm. Not finite at its ends."""
    good, _, bad = p
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.array([1 / (1 - bad), 1 / (1 - bad) - 1 / (1 - good), -1 / (1 - good)])
        decisive = np.array([bad, 0.0, -good]) / (good + bad) ** 2
    return {"gsb_ratio": ratio, "net": NET, "half_tie": NET / 2, "decisive": decisive, "tie_rate": TIE}


def _net(shares: Shares, level: float) -> Estimate:
    value, variance = float(NET @ shares.p), shares.variance(NET)
    if variance is None:
        return Estimate(value)
    if shares.counts.max() == shares.n:
        return _unanimous(shares, value, level)
    half = shares.quantile(level) * float(np.sqrt(variance))
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half))


def _unanimous(shares: Shares, value: float, level: float) -> Estimate:
    """All votes alike have no spread: Wilson's interval, each cluster counted once."""
    n = shares.clusters or shares.n
    low, _ = score_interval(1.0, n, quantile(shares.df, level))
    reach = 1 - low
    return Estimate(value, max(-1.0, value - 2 * reach), min(1.0, value + 2 * reach))


def _ratio(shares: Shares, level: float) -> Estimate:
    good, same, bad = shares.p
    if bad + same == 0:
        return Estimate(None)
    value = (good + same) / (bad + same)
    if good + same == 0:
        return Estimate(0.0)
    variance = shares.variance(gradients(shares.p)["gsb_ratio"])
    if variance is None or shares.counts.max() == shares.n:
        return Estimate(float(value))
    half = shares.quantile(level) * np.sqrt(variance)
    return Estimate(float(value), float(value * np.exp(-half)), float(value * np.exp(half)))


def _proportion(shares: Shares, part: Floats, whole: Floats, level: float, df: float | None) -> Estimate:
    """Of the votes in `whole` [3] those in `part` [3], with Wilson's interval on n / design effect votes."""
    n, k = float(whole @ shares.counts), float(part @ shares.counts)
    if n == 0:
        return Estimate(None)
    value = k / n
    gradient = (part - value * whole) / (n / shares.n)
    variance, independent = shares.variance(gradient), value * (1 - value) / n
    if variance is None:
        return Estimate(value)
    effective = n
    if shares.annotators is not None:
        effective = min(n, shares.clusters or n) if independent == 0 else n * independent / max(variance, 1e-12)
    low, high = score_interval(min(1.0, value), effective, quantile(df, level))
    return Estimate(value, low, high)


def _p_of_net(shares: Shares) -> float | None:
    variance = shares.variance(NET)
    if not variance:
        return None
    return two_sided_p(float(NET @ shares.p) / np.sqrt(variance), shares.df)
