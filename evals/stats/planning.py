"""How much a set of prompts can show, and how many prompts it takes.

With G clusters and a standard error e, an effect is claimed when it exceeds t(1-alpha/2) e. It does so with probability
`power` when it is t(power) e larger than that; G-1 degrees of freedom each. The sum of two t quantiles is within 2 % of
the noncentral t's answer from 6 clusters on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import stdtrit

from evals.stats.clusters import LEVEL

POWER = 0.8


def detectable(
    error: float, clusters: int, *, power: float = POWER, level: float = LEVEL, margin: float = 0.0
) -> float:
    """The smallest true difference found with probability `power`: (t(1-alpha/2) + t(power)) * error.

    With a `margin` that the observed difference has to reach too, the larger bar counts:
    max(margin, t(1-alpha/2) * error) + t(power) * error.
    """
    bar = max(margin, float(stdtrit(clusters - 1, (1 + level) / 2)) * error)
    return bar + float(stdtrit(clusters - 1, power)) * error


def clusters_needed(spread: float, difference: float, *, power: float = POWER, level: float = LEVEL) -> int:
    """How many prompts show `difference` with probability `power`, per-prompt differences having this sd."""
    if not (spread >= 0 and difference > 0):
        raise ValueError("needs a spread of at least 0 and a difference above 0")
    return _least(lambda g: detectable(spread / np.sqrt(g), g, power=power, level=level) <= difference)


def clusters_to_settle(spread: float, margin: float, *, power: float = POWER, level: float = LEVEL) -> int:
    """How many prompts show two equal arms to be equivalent with probability `power`: the interval at `level` lies
    within the margin. (t((1+level)/2) + t((1+power)/2)) * spread / sqrt(G) <= margin, for a true difference of 0."""
    if not (spread >= 0 and margin > 0):
        raise ValueError("needs a spread of at least 0 and a margin above 0")

    def settles(g: int) -> bool:
        return float(stdtrit(g - 1, (1 + level) / 2) + stdtrit(g - 1, (1 + power) / 2)) * spread <= margin * np.sqrt(g)

    return _least(settles)


def _least(enough: Callable[[int], bool]) -> int:
    """The least number of clusters, two or more, that is enough; what is enough stays enough."""
    most = 2
    while not enough(most):
        most *= 2
    least = most // 2 + 1 if most > 2 else 2
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle + 1, most)
    return least
