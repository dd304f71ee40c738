"""Regular fractions of two-level factorials: main effects of many switches from fewer arms. Arithmetic only.

Of n factors, n - k vary freely. Each of the others is off where an odd number of the factors of its generator is off,
so the full model (nothing off) is always an arm. Of all choices of generators the one of highest resolution is taken
(Box & Hunter 1961): resolution 3 confounds main effects with two-way interactions, 4 only those among themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product
from operator import xor

Word = frozenset[str]
"""Factors whose product is constant over the fraction's arms."""


@dataclass(frozen=True)
class Fraction:
    """`rows`: for each arm, whether each factor is off. `words`: the defining relation, shortest first."""

    factors: tuple[str, ...]
    rows: tuple[tuple[bool, ...], ...]
    words: tuple[Word, ...]

    @property
    def resolution(self) -> int:
        """Length of the shortest word; one more than the number of factors for a full factorial."""
        return min((len(word) for word in self.words), default=len(self.factors) + 1)

    def aliases(self, *effect: str) -> list[tuple[str, ...]]:
        """Other main effects and two-way interactions that cannot be told from this one."""
        own = frozenset(effect)
        others = {own ^ word for word in self.words}
        return sorted(tuple(sorted(other, key=self.factors.index)) for other in others if len(other) in (1, 2))


def fraction(factors: Sequence[str], parts: int) -> Fraction:
    """One of `parts` (a power of two) equal parts of the full factorial of `factors`.

    Raises ValueError where no fraction keeps main effects apart from each other (resolution below 3).
    """
    count, names = parts.bit_length() - 1, tuple(factors)
    if parts < 1 or parts != 1 << count:
        raise ValueError(f"a fraction is 1/2, 1/4, 1/8, ...: {parts} is not a power of two")
    free = len(names) - count
    if free < 2:
        raise ValueError(f"1/{parts} of {len(names)} switches leaves too few arms")
    masks = [m for m in range(1 << free) if m.bit_count() >= 2]
    chosen = max(combinations(masks, count), key=lambda some: _quality(some, free), default=None)
    if chosen is None or (count and _quality(chosen, free)[0] < 3):
        raise ValueError(f"1/{parts} of {len(names)} switches cannot tell all main effects apart")
    rows = [(*row, *(_odd(row, mask) for mask in chosen)) for row in product((False, True), repeat=free)]
    words = sorted((_named(bits, names) for bits in _words(chosen, free)), key=lambda w: (len(w), sorted(w)))
    return Fraction(names, tuple(rows), tuple(words))


def _odd(row: Sequence[bool], mask: int) -> bool:
    return bool(sum(off for i, off in enumerate(row) if mask >> i & 1) % 2)


def _words(generators: Sequence[int], free: int) -> Iterator[int]:
    """Every product of the generators' words, as bits: a generator's word is its factors and the one it makes."""
    own = [mask | 1 << (free + i) for i, mask in enumerate(generators)]
    for size in range(1, len(own) + 1):
        for some in combinations(own, size):
            yield reduce(xor, some)


def _quality(generators: Sequence[int], free: int) -> tuple[int, tuple[int, ...]]:
    """Resolution, then how few words there are of each length, short ones first (minimum aberration)."""
    lengths = [bits.bit_count() for bits in _words(generators, free)]
    counts = tuple(-lengths.count(n) for n in range(1, free + len(generators) + 1))
    return min(lengths, default=0), counts


def _named(bits: int, names: Sequence[str]) -> Word:
    return frozenset(name for i, name in enumerate(names) if bits >> i & 1)
