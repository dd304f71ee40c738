"""What a metric has seen so far: immutable values that merge, so that one worker or eight give the same total.

`Rows` keeps every clip's value (paired statistics need them); `Moments` keeps count, mean and scatter. Arithmetic only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unscored:
    """Why there is no value. Missing is not zero."""

    reason: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One clip's value (a number, or an array [D] for metrics of a whole set) or the reason why it has none."""

    prompt_id: str
    value: float | Floats | Unscored

    def same(self, other: Entry) -> bool:
        mine, theirs = self.value, other.value
        if isinstance(mine, Unscored) or isinstance(theirs, Unscored):
            return mine == theirs and self.prompt_id == other.prompt_id
        return self.prompt_id == other.prompt_id and np.array_equal(mine, theirs)


@dataclass(frozen=True, eq=False)
class Rows:
    """Clip name -> entry. Iterates in the order of names, so that sums do not depend on who saw what first."""

    entries: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, name: str, prompt_id: str, value: float | Floats | Unscored) -> Self:
        """One clip's row. A number that is not finite becomes unscored with that reason."""
        if not isinstance(value, Unscored) and not np.isfinite(value).all():
            value = Unscored("the value is not a finite number")
        return cls(MappingProxyType({name: Entry(prompt_id, value)}))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rows, (type(self), dict(self.entries))

    def merge(self, *others: Self) -> Self:
        """Rows of all. A name seen twice must agree, otherwise ValueError: two clips share it."""
        entries = dict(self.entries)
        for other in others:
            for name, entry in other.entries.items():
                if name in entries and not entries[name].same(entry):
                    raise ValueError(f"two different rows for {name!r}")
                entries[name] = entry
        return type(self)(MappingProxyType(entries))

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(sorted(self.entries.items()))

    def __len__(self) -> int:
        return len(self.entries)

    def scored(self) -> tuple[list[str], list[float | Floats]]:
        """(prompt ids, values) of the scored clips, in the order of names."""
        found = [(e.prompt_id, e.value) for _, e in self if not isinstance(e.value, Unscored)]
        return [p for p, _ in found], [v for _, v in found]

    def unscored(self) -> dict[str, str]:
        """Clip name -> reason."""
        return {name: e.value.reason for name, e in self if isinstance(e.value, Unscored)}


def _rows(kind: type[Rows], entries: dict[str, Entry]) -> Rows:
    """Rows that came from another process."""
    return kind(MappingProxyType(entries))


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean [D] and scatter M2 [D,D] (sum of outer products of deviations) in float64."""

    n: int
    mean: Floats
    m2: Floats

    @classmethod
    def of(cls, rows: ArrayLike) -> Self:
        """Moments of rows [N,D], N >= 0."""
        x = np.asarray(rows, dtype=np.float64)
        if x.ndim != 2 or not np.isfinite(x).all():
            raise ValueError(f"moments need finite rows [N,D], got shape {list(x.shape)}")
        mean = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
        return cls(len(x), mean, (x - mean).T @ (x - mean))

    def merge(self, other: Self) -> Self:
        """Chan, Golub & LeVeque 1979: exact up to rounding, also at mean/sigma = 1e4, where sums of squares are not."""
        if self.mean.shape != other.mean.shape:
            raise ValueError(f"moments of {len(self.mean)} and of {len(other.mean)} dimensions")
        n = self.n + other.n
        if n == 0:
            return self
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.n / n)
        m2 = self.m2 + other.m2 + np.outer(delta, delta) * (self.n * other.n / n)
        return type(self)(n, mean, m2)

    @property
    def cov(self) -> Floats:
        """[D,D], normalised by N-1; needs N >= 2."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 rows, got {self.n}")
        return self.m2 / (self.n - 1)
