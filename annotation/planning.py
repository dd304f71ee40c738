"""How many prompts, votes and annotators show a wished-for effect.

Independent votes: n = (z_(1-alpha/2) + z_power)^2 (1 - tie - net^2) / net^2, where (1 - tie - net^2) is the variance of
one vote; the factor is 7.85 at 5 % and 80 % power. R votes on a prompt that resemble each other by rho count as
R / (1 + (R-1) rho); likewise votes of one annotator.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from scipy.special import ndtri

from annotation.clustering import Floats
from annotation.table import Ints, Outcomes


@dataclass(frozen=True)
class Plan:
    """For one pair of systems."""

    prompts: int
    raters: int
    """Votes on each prompt."""
    votes: int
    design_effect: float
    """Votes needed over those that independent votes would need."""


def votes_needed(net: float, tie: float = 0.0, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Independent votes that show a net win of `net` with this power. Raises ValueError for impossible shares."""
    if not (0 < abs(net) <= 1 and 0 <= tie < 1 and abs(net) <= 1 - tie):
        raise ValueError("needs a net win above 0 with |net| <= 1 - tie")
    return factor(power, alpha) * (1 - tie - net**2) / net**2


def detectable_net(votes: float, tie: float = 0.0, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The net win that so many independent votes show with this power: `votes_needed` solved for net."""
    ratio = factor(power, alpha) / votes
    return float(np.sqrt(ratio * (1 - tie) / (1 + ratio)))


def factor(power: float, alpha: float) -> float:
    return float((ndtri(1 - alpha / 2) + ndtri(power)) ** 2)


def plan(
    net: float,
    tie: float = 0.0,
    *,
    raters: int = 1,
    prompt_icc: float = 0.0,
    annotators: int | None = None,
    annotator_icc: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Plan:
    """Prompts with `raters` votes each that show `net`.

    With N votes by A annotators the variance of one vote over N is multiplied by
    1 + (raters - 1) prompt_icc + (N/A - 1) annotator_icc, so N solves a linear equation. Raises ValueError when no
    number of votes is enough, because the annotators' own leanings are as large as the effect: ask more people.
    """
    n = votes_needed(net, tie, power=power, alpha=alpha)
    if annotators is None and annotator_icc > 0:
        raise ValueError("annotator_icc needs the number of annotators")
    room = 1 - n * annotator_icc / (annotators or inf)
    if room <= 0:
        raise ValueError(
            f"{annotators} annotators cannot show it with any number of votes; ask {ceil(n * annotator_icc) + 1}"
        )
    votes = max(1.0, n * (1 + (raters - 1) * prompt_icc - (annotator_icc if annotators else 0)) / room)
    prompts = ceil(votes / raters)
    return Plan(prompts, raters, prompts * raters, max(1.0, votes / n) if n else 1.0)


def prompt_icc(outcomes: Outcomes) -> float | None:
    """How far votes on one prompt resemble each other, from a pilot's votes of one pair."""
    return icc(outcomes.prompt, outcomes.outcome)


def annotator_icc(outcomes: Outcomes) -> float | None:
    """How far one person's votes resemble each other, from a pilot's votes of one pair."""
    return icc(outcomes.annotator, outcomes.outcome)


def icc(cluster: Ints, values: Ints) -> float | None:
    """Intra-class correlation by one-way analysis of variance, at least 0; None where no cluster has two values.

    (MSB - MSW) / (MSB + (m0 - 1) MSW), m0 the size that unequal clusters amount to (Donner & Koval 1980).
    """
    size = np.bincount(cluster).astype(np.float64)
    sums = np.bincount(cluster, weights=values)[size > 0]
    size = size[size > 0]
    n, groups = size.sum(), len(size)
    if groups < 2 or n == groups:
        return None
    between = _square(sums / size - values.mean(), size) / (groups - 1)
    within = (float((values.astype(np.float64) ** 2).sum()) - float((sums**2 / size).sum())) / (n - groups)
    typical = (n - float((size**2).sum()) / n) / (groups - 1)
    total = between + (typical - 1) * within
    return None if total == 0 else float(max(0.0, (between - within) / total))


def _square(deviation: Floats, weight: Floats) -> float:
    return float((weight * deviation**2).sum())
