"""Did it get worse? A candidate against a base, metric by metric, judged by a gate. Data in, data out; writes nothing.

A metric has *regressed* when it is surely worse (its 95 % interval excludes 0 and its p, corrected over the gated
metrics, is at most alpha) and worse by at least the margin. It is *equivalent* when the whole interval lies within the
margin. What is neither, nor surely better, is *inconclusive*, and says how large a loss would have been seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evals import stats
from evals.compare import Scored, difference, refuse_unlike, unlike
from evals.stats import Comparison
from magicvideo.errors import InputError, unknown_name
from reports.folder import Metric
from reports.gate import Gate, Rule, refuse_unknown
from reports.sides import SPEED, Side

Verdict = Literal["regressed", "improved", "equivalent", "inconclusive", "changed"]
"""`changed` is said only of metrics without a good direction that nobody told the gate about."""
ORDER: tuple[Verdict, ...] = ("regressed", "inconclusive", "changed", "improved", "equivalent")


@dataclass(frozen=True)
class PromptChange:
    """One prompt's means over its pairs."""

    prompt_id: str
    prompt: str
    base: float
    candidate: float
    difference: float
    """Candidate minus base."""
    items: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One metric of the comparison."""

    about: Metric
    numbers: Comparison
    """Difference, interval, p, p corrected within its family, and sizes. Its own `verdict` knows no gate."""
    rule: Rule
    verdict: Verdict
    margin: float
    """In the metric's unit."""
    family: int
    """How many tests the p was corrected for: the gated ones, or those only shown."""
    detectable: float | None
    """The change that this set calls regressed (or improved) with probability .8; None if none can be."""
    prompts_needed: int | None
    """Prompts that would show two equal runs to be equivalent with probability .8; said of inconclusive ones."""
    changes: tuple[PromptChange, ...]
    """Every prompt, the worst first (without a direction: the largest fall first)."""
    unpaired: int
    """The base's scored videos that have no score in the candidate."""
    note: str = ""

    @property
    def name(self) -> str:
        return self.numbers.metric


@dataclass(frozen=True)
class Compared:
    """A whole comparison. `failures` says in words why it did not pass."""

    base: Side
    candidate: Side
    gate: Gate
    lines: tuple[Line, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures

    def line(self, metric: str) -> Line:
        """Raises KeyError for a metric that was not compared."""
        return next((line for line in self.lines if line.name == metric), None) or _absent(metric)


def compare(base: Side, candidate: Side, gate: Gate | None = None, metrics: Sequence[str] | None = None) -> Compared:
    """Every metric that both have, or the named ones, in the base's order.

    Raises `InputError` for unlike protocols (showing both ids), for a metric that only one side has though the gate or
    `metrics` names it, and where no video is in both. Times measured on different processors are left out with a note,
    unless they are named.
    """
    raise NotImplementedError


def _absent(metric: str) -> Line:
    raise KeyError(metric)
