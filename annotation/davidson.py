"""Davidson's Bradley-Terry model with ties, a side term and covariates, fitted to whole-vote counts by Newton's method.

With d = theta_left - theta_right + delta + beta (x_left - x_right), theta the log of a strength pi:

    P(left)  = e^(d/2) / D      P(same) = nu / D      P(right) = e^(-d/2) / D      D = e^(d/2) + nu + e^(-d/2)

which is pi_i / (pi_i + pi_j + nu sqrt(pi_i pi_j)) and so on (Davidson 1970); delta is the left side's advantage
(Davidson & Beaver 1977). It is a multinomial logit, so the likelihood is concave. Strengths are centred. The error is
the sandwich H^-1 M H^-1 with scores summed by annotator and by prompt (`annotation.clustering` has the sources).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from annotation.clustering import Floats, compact, quantile, two_sided_p
from annotation.ratings import LEVEL, Estimate
from annotation.table import Ints, Votes

STEPS = 60
TOLERANCE = 1e-13

Ties = Literal["davidson", "half"]


class NoFit(ValueError):
    """The votes do not decide the strengths; the message says why."""


@dataclass(frozen=True)
class Fit:
    """Log strengths [K], centred, with what is known of their error."""

    systems: tuple[str, ...]
    strengths: Floats
    parts: tuple[Floats, ...]
    """Covariances [K,K] of the strengths by way of clustering; the last is two-way if there are three."""
    side: Estimate
    """Log odds by which the left side is preferred among equals; 0 is fair."""
    side_p: float | None
    tie: float | None
    """nu: how likely Same is between equals, over the likelihood of either side. None: fitted without ties."""
    covariates: dict[str, Estimate]
    log_likelihood: float
    n: int
    df: int | None

    def probability(self, first: str, second: str) -> float:
        """That `first` is preferred over `second`, given that one is."""
        i, j = self.systems.index(first), self.systems.index(second)
        return float(1 / (1 + np.exp(self.strengths[j] - self.strengths[i])))

    def error(self, contrast: Floats) -> float | None:
        """Standard error of a contrast [K] of the strengths: the largest of the ways of clustering."""
        found = [float(contrast @ part @ contrast) for part in self.parts]
        return float(np.sqrt(max(0.0, *found))) if found else None


@dataclass(frozen=True)
class _Design:
    """Votes counted in cells of equal (left, right, covariates)."""

    x: Floats
    """[M,p]: gradient of d in the parameters (K-1 strengths, side, covariates)."""
    counts: Floats
    """[M,3]: left, same, right."""
    cell: Ints
    """[N]: each vote's cell."""


def fit(
    votes: Votes,
    *,
    ties: Ties = "davidson",
    side: bool = True,
    covariates: Mapping[str, Floats] | None = None,
    level: float = LEVEL,
) -> Fit:
    """Fit all systems at once. `covariates`: name -> value for each (system, prompt), [K,P], finite where votes are.

    `ties="half"` counts a Same as half a win for each side, the plain Bradley-Terry model.
    Raises `NoFit` where strengths are not finite or not comparable: systems that never met, or one that always won.
    """
    _check_connected(votes)
    names = list(covariates or {})
    design = _design(votes, side, [np.asarray((covariates or {})[name]) for name in names])
    with_tie = ties == "davidson" and bool(design.counts[:, 1].any())
    b, hessian, log_likelihood = _newton(design, with_tie)
    meats, df = _meats(votes, design, b, with_tie)
    inverse = np.linalg.inv(hessian)
    parts = tuple(inverse @ meat @ inverse for meat in meats)
    k = len(votes.systems)
    centre = (np.eye(k) - 1 / k)[:, 1:]
    extra = {name: _estimate(b, parts, k - 1 + side + i, df, level) for i, name in enumerate(names)}
    found_side, side_p = _side(b, parts, k - 1, df, level) if side else (Estimate(None), None)
    return Fit(
        systems=votes.systems,
        strengths=centre @ b[: k - 1],
        parts=tuple(centre @ part[: k - 1, : k - 1] @ centre.T for part in parts),
        side=found_side,
        side_p=side_p,
        tie=float(np.exp(b[-1])) if with_tie else None,
        covariates=extra,
        log_likelihood=log_likelihood,
        n=len(votes),
        df=df,
    )


def _design(votes: Votes, side: bool, covariates: list[Floats]) -> _Design:
    """Without covariates a cell is a (left, right), with them a (left, right, prompt)."""
    k, prompts = len(votes.systems), len(votes.prompts)
    key = votes.left * k + votes.right
    if covariates:
        key = key * prompts + votes.prompt
    keys, first, cell = np.unique(key, return_index=True, return_inverse=True)
    counts = np.bincount(cell * 3 + 1 - votes.choice, minlength=len(keys) * 3).reshape(-1, 3).astype(np.float64)
    left, right, prompt = votes.left[first], votes.right[first], votes.prompt[first]
    x = np.zeros((len(keys), k))
    rows = np.arange(len(keys))
    x[rows, left] += 1
    x[rows, right] -= 1
    columns = [x[:, 1:], *([np.ones((len(keys), 1))] if side else [])]
    columns += [(values[left, prompt] - values[right, prompt])[:, None] for values in covariates]
    return _Design(np.hstack(columns), counts, cell.astype(np.int64))


def _probabilities(design: _Design, b: Floats, with_tie: bool) -> tuple[Floats, float]:
    """P(left, same, right) of each cell [M,3] and the log likelihood; without ties a Same is half of each."""
    d = design.x @ (b[:-1] if with_tie else b)
    logits = np.stack([d / 2, np.full_like(d, b[-1] if with_tie else -np.inf), -d / 2], axis=1)
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    counts = design.counts if with_tie else _halved(design.counts)
    seen = counts > 0
    return p, float((counts[seen] * np.log(np.maximum(p[seen], 1e-300))).sum())


def _halved(counts: Floats) -> Floats:
    half = counts[:, 1] / 2
    return np.stack([counts[:, 0] + half, np.zeros_like(half), counts[:, 2] + half], axis=1)


def _newton(design: _Design, with_tie: bool) -> tuple[Floats, Floats, float]:
    """Parameters, negative Hessian and log likelihood at the maximum. A step that does not climb is halved."""
    b = np.zeros(design.x.shape[1] + with_tie)
    p, value = _probabilities(design, b, with_tie)
    for _ in range(STEPS):
        gradient, hessian = _derivatives(design, p, with_tie)
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            raise NoFit("the design is singular: a covariate is constant, or a copy of another") from None
        if float(gradient @ step) < TOLERANCE * (1 + abs(value)):
            return b, hessian, value
        scale = 1.0
        while scale > 1e-6:
            p, climbed = _probabilities(design, b + scale * step, with_tie)
            if climbed >= value:
                break
            scale /= 2
        b, value = b + scale * step, climbed
    raise NoFit("the likelihood has no maximum; a system, side or covariate may decide every vote")


def _derivatives(design: _Design, p: Floats, with_tie: bool) -> tuple[Floats, Floats]:
    """Gradient [q] and negative Hessian [q,q]. The statistic of d is t = (1/2, 0, -1/2)."""
    n, x = design.counts.sum(axis=1), design.x
    mean = (p[:, 0] - p[:, 2]) / 2
    surplus = (design.counts[:, 0] - design.counts[:, 2]) / 2 - n * mean
    spread = n * ((p[:, 0] + p[:, 2]) / 4 - mean**2)
    gradient, hessian = x.T @ surplus, x.T @ (x * spread[:, None])
    if not with_tie:
        return gradient, hessian
    cross = -(x.T @ (n * mean * p[:, 1]))
    last = float((n * p[:, 1] * (1 - p[:, 1])).sum())
    gradient = np.append(gradient, design.counts[:, 1].sum() - (n * p[:, 1]).sum())
    return gradient, np.block([[hessian, cross[:, None]], [cross[None, :], np.array([[last]])]])


def _meats(votes: Votes, design: _Design, b: Floats, with_tie: bool) -> tuple[list[Floats], int | None]:
    """Sums of scores by annotator, by prompt, and two-way, as S'S * G/(G-1); degrees of freedom of the smallest."""
    p, _ = _probabilities(design, b, with_tie)
    residual = votes.choice / 2 - ((p[:, 0] - p[:, 2]) / 2)[design.cell]
    tied = (votes.choice == 0) - p[design.cell, 1] if with_tie else None
    ways = [codes for codes in (compact(votes.annotator), compact(votes.prompt)) if codes.max() > 0]
    meats = [_meat(codes, design, residual, tied) for codes in ways]
    if len(ways) == 2:
        cells = compact(ways[0] * (int(ways[1].max()) + 1) + ways[1])
        meats.append(_positive(meats[0] + meats[1] - _meat(cells, design, residual, tied)))
    return meats, min((int(codes.max()) for codes in ways), default=None)


def _meat(codes: Ints, design: _Design, residual: Floats, tied: Floats | None) -> Floats:
    groups = int(codes.max()) + 1
    sums = coo_array((residual, (codes, design.cell)), shape=(groups, len(design.x))).tocsr() @ design.x
    if tied is not None:
        sums = np.hstack([sums, np.bincount(codes, weights=tied, minlength=groups)[:, None]])
    found: Floats = groups / (groups - 1) * (sums.T @ sums)
    return found


def _positive(matrix: Floats) -> Floats:
    """Negative eigenvalues set to zero (Cameron, Gelbach & Miller 2011)."""
    eigenvalues, vectors = np.linalg.eigh(matrix)
    found: Floats = (vectors * np.maximum(eigenvalues, 0)) @ vectors.T
    return found


def _estimate(b: Floats, parts: tuple[Floats, ...], i: int, df: int | None, level: float) -> Estimate:
    value = float(b[i])
    if not parts:
        return Estimate(value)
    half = quantile(df, level) * float(np.sqrt(max(part[i, i] for part in parts)))
    return Estimate(value, value - half, value + half)


def _side(b: Floats, parts: tuple[Floats, ...], i: int, df: int | None, level: float) -> tuple[Estimate, float | None]:
    found = _estimate(b, parts, i, df, level)
    error = float(np.sqrt(max(part[i, i] for part in parts))) if parts else 0.0
    return found, two_sided_p(float(b[i]) / error, df) if error else None


def _check_connected(votes: Votes) -> None:
    """A path of wins and ties must lead from each system to each other, or some strength is infinite (Ford 1957)."""
    k = len(votes.systems)
    if k < 2:
        raise NoFit("a ranking needs two systems")
    winner = np.where(votes.choice >= 0, votes.left, votes.right)
    loser = votes.left + votes.right - winner
    tie = votes.choice == 0
    beats = np.zeros((k, k), dtype=bool)
    beats[winner, loser] = True
    beats[loser[tie], winner[tie]] = True
    found, label = connected_components(beats | beats.T, directed=False)
    if found > 1:
        groups = [", ".join(n for n, own in zip(votes.systems, label, strict=True) if own == g) for g in range(found)]
        raise NoFit(f"systems that never met cannot be ranked together: {' | '.join(groups)}")
    found, label = connected_components(beats, directed=True, connection="strong")
    if found > 1:
        groups = [", ".join(n for n, own in zip(votes.systems, label, strict=True) if own == g) for g in range(found)]
        raise NoFit(f"some systems won or lost every vote, so that no strength fits: {' | '.join(groups)}")
