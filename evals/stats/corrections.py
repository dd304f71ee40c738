"""p-values adjusted for having looked at all of them. None stays None and is not counted."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

ALPHA = 0.05


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted so that the chance of any false claim stays at the level (Holm 1979), whatever hangs together."""
    adjusted: list[float | None] = [None] * len(p_values)
    known = _known(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(known):
        running = max(running, min(1.0, p * (len(known) - rank)))
        adjusted[i] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted so that the expected share of false claims among all claims stays at the level (Benjamini & Hochberg
    1995). For screening many metrics; holds for independent and positively dependent tests, not for all."""
    adjusted: list[float | None] = [None] * len(p_values)
    known = _known(p_values)
    running = 1.0
    for rank, (p, i) in reversed(list(enumerate(known, start=1))):
        running = min(running, p * len(known) / rank)
        adjusted[i] = running
    return adjusted


def fewest_clusters(comparisons: int, alpha: float = ALPHA) -> int:
    """The fewest clusters with which one of so many comparisons can be claimed: 2/2^G * comparisons <= alpha."""
    return max(2, ceil(log2(2 * comparisons / alpha))) if comparisons else 2


def _known(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    return sorted((p, i) for i, p in enumerate(p_values) if p is not None)
