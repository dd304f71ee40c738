"""Did it get worse? A candidate against a base, metric by metric, judged by a gate. Data in, data out; writes nothing.

A metric has *regressed* when it is surely worse (its 95 % interval excludes 0 and its p, corrected over the gated
metrics, is at most alpha) and worse by at least the margin. It is *equivalent* when the whole interval lies within the
margin. What is neither, nor surely better, is *inconclusive*, and says how large a loss would have been seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evals import stats
from evals.compare import difference, refuse_unlike, unlike
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
    falling: bool
    """Whether a fall is the loss: without a better direction, whether the mean falls."""
    changes: tuple[PromptChange, ...]
    """Every prompt, the largest loss first."""
    unpaired: int
    """The base's scored videos that have no score in the candidate."""
    note: str = ""

    @property
    def name(self) -> str:
        return self.numbers.metric


@dataclass(frozen=True)
class Failure:
    """Why the gate does not let a metric pass, in words."""

    metric: str
    text: str


@dataclass(frozen=True)
class Compared:
    """A whole comparison. Without `failures` it passed."""

    base: Side
    candidate: Side
    gate: Gate
    lines: tuple[Line, ...]
    failures: tuple[Failure, ...]
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
    gate = gate or Gate()
    names, notes = _chosen(base, candidate, gate, metrics)
    refuse_unlike(base.scored, candidate.scored, names)
    if not base.items.keys() & candidate.items.keys():
        raise InputError(_nothing_shared(base, candidate))
    lines = [_line(base, candidate, gate, name) for name in names]
    lines = _corrected([line for line in lines if line.rule.gated], gate) + _corrected(
        [line for line in lines if not line.rule.gated], gate
    )
    lines.sort(key=lambda line: names.index(line.name))
    notes += _missing(base, candidate)
    return Compared(base, candidate, gate, tuple(lines), tuple(_failures(lines, gate)), tuple(notes))


def _chosen(base: Side, candidate: Side, gate: Gate, metrics: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The metrics to compare, and what to say of those left out."""
    mine, theirs = base.scored.scores, candidate.scored.scores
    known = list(dict.fromkeys([*mine, *theirs]))
    refuse_unknown(gate, known)
    for name in metrics or ():
        if name not in known:
            raise unknown_name("metric", name, known, "--metrics")
    asked = [name for name in known if metrics is None or name in metrics]
    for name in asked:
        if (name in mine) != (name in theirs) and (name in gate.named or metrics is not None):
            has, lacks = (base, candidate) if name in mine else (candidate, base)
            raise gate.error(f"{name}: {has.name} has it, {lacks.name} does not; evaluate both alike", name)
    shared = [name for name in asked if name in mine and name in theirs]
    wanted = {*gate.named, *(metrics or ())}
    apart = [n for n in unlike(base.scored, candidate.scored, shared) if is_speed(n) and n not in wanted]
    shared = [name for name in shared if name not in apart]
    if not shared:
        raise InputError(f"{base.name} and {candidate.name} share no metric; evaluate both by the same suite")
    only = [name for name in asked if (name in mine) != (name in theirs)]
    notes = [f"only one of the runs has {', '.join(only)}"] if only else []
    return shared, notes + (["times were measured on different processors and are not compared"] if apart else [])


def is_speed(metric: str) -> bool:
    return metric == SPEED or metric.startswith(f"{SPEED}_")


def _nothing_shared(base: Side, candidate: Side) -> str:
    mine, theirs = (next(iter(side.items), "nothing") for side in (base, candidate))
    return (
        f"no video is in both: {base.name} has {mine!r} and {len(base.items) - 1} more, {candidate.name} has "
        f"{theirs!r} and {len(candidate.items) - 1} more. Videos are paired by name (arms: by prompt and seed), so "
        "make both from the same prompts and seeds"
    )


def _line(base: Side, candidate: Side, gate: Gate, name: str) -> Line:
    """Everything but what depends on the other metrics."""
    about = candidate.about[name]
    rule = gate.rule(name, base.scored.scores[name].higher_is_better, is_speed(name))
    numbers = difference(base.scored, candidate.scored, name)
    mine, theirs = base.scored.values.get(name, {}), candidate.scored.values.get(name, {})
    higher = _higher(rule)
    falling = (numbers.difference or 0.0) <= 0 if higher is None else higher
    changes = _changes(base, candidate, name, falling)
    sd = float(np.std([c.base for c in changes], ddof=1)) if len(changes) > 1 else None
    return Line(
        about=about,
        numbers=numbers,
        rule=rule,
        verdict="inconclusive",
        margin=rule.margin.absolute(numbers.base, sd),
        family=0,
        detectable=None,
        prompts_needed=None,
        falling=falling,
        changes=changes,
        unpaired=len(mine.keys() - theirs.keys()),
    )


def _changes(base: Side, candidate: Side, name: str, falling: bool) -> tuple[PromptChange, ...]:
    mine, theirs = base.scored.values.get(name, {}), candidate.scored.values.get(name, {})
    groups = defaultdict[str, list[str]](list)
    for item in mine:
        if item in theirs:
            groups[mine[item][0]].append(item)
    found = []
    for prompt, items in groups.items():
        a, b = (sum(side[item][1] for item in items) / len(items) for side in (mine, theirs))
        found.append(PromptChange(prompt, base.prompts.get(prompt, prompt), a, b, b - a, tuple(items)))
    return tuple(sorted(found, key=lambda change: change.difference if falling else -change.difference))


def _corrected(lines: Sequence[Line], gate: Gate) -> list[Line]:
    """The lines of one family with corrected p, verdict, and what the set could have shown."""
    tested = sum(line.numbers.p is not None for line in lines)
    adjusted = stats.holm([line.numbers.p for line in lines])
    return [_judged(line, p, tested, gate.alpha) for line, p in zip(lines, adjusted, strict=True)]


def _judged(line: Line, p_adjusted: float | None, family: int, alpha: float) -> Line:
    numbers, higher = replace(line.numbers, p_adjusted=p_adjusted), _higher(line.rule)
    numbers = replace(
        numbers, verdict=stats.judged(numbers.low, numbers.high, p_adjusted, line.margin, higher, alpha=alpha)
    )
    verdict = _verdict(numbers, line)
    enough = numbers.clusters >= stats.fewest_clusters(family, alpha)
    detectable = None
    if numbers.error is not None and enough:
        detectable = stats.detectable(
            numbers.error, numbers.clusters, level=1 - alpha / max(family, 1), margin=line.margin
        )
    return replace(
        line,
        numbers=numbers,
        verdict=verdict,
        family=family,
        detectable=detectable,
        prompts_needed=_prompts_needed(numbers, line.margin) if verdict == "inconclusive" else None,
        note=_note(line, numbers, enough, family, alpha),
    )


def _higher(rule: Rule) -> bool | None:
    return {"higher": True, "lower": False}.get(rule.direction or "")


def _verdict(numbers: Comparison, line: Line) -> Verdict:
    if numbers.low == numbers.high == 0 and numbers.n:
        return "equivalent"  # the same value on every pair
    if numbers.verdict == "equivalent":
        return "equivalent"
    if numbers.verdict == "inconclusive" or abs(numbers.difference or 0.0) < line.margin:
        return "inconclusive"
    if numbers.verdict == "different":
        return "regressed" if line.rule.direction == "same" else "changed"
    return "improved" if numbers.verdict == "better" else "regressed"


def _prompts_needed(numbers: Comparison, margin: float) -> int | None:
    if numbers.error is None or not margin > 0:
        return None
    return stats.clusters_to_settle(numbers.error * float(np.sqrt(numbers.clusters)), margin)


def _note(line: Line, numbers: Comparison, enough: bool, family: int, alpha: float) -> str:
    if numbers.set_level:
        return "one number a run: without pairs there is no interval, so nothing is claimed"
    if numbers.n == 0:
        return "no pair of videos was scored on both sides"
    if not enough:
        least = stats.fewest_clusters(family, alpha)
        return f"{numbers.clusters} prompts can show nothing here, however large; {least} can"
    return f"{line.unpaired} scored only in the base" if line.unpaired else ""


def _missing(base: Side, candidate: Side) -> list[str]:
    apart = [(base, len(base.items.keys() - candidate.items.keys()))]
    apart.append((candidate, len(candidate.items.keys() - base.items.keys())))
    return [f"{n} of {len(side.items)} videos of {side.name} have no partner" for side, n in apart if n]


def _failures(lines: Sequence[Line], gate: Gate) -> list[Failure]:
    return [Failure(line.name, why) for line in lines if line.rule.gated for why in _why(line, gate)]


def _why(line: Line, gate: Gate) -> Iterator[str]:
    """A number of the whole set has no pairs: it can neither regress nor miss some."""
    if line.verdict == "regressed":
        yield "regressed"
    if line.numbers.set_level:
        return
    if gate.fail_inconclusive and line.verdict == "inconclusive":
        yield "is inconclusive"
    scored = line.numbers.n + line.unpaired
    if scored and line.numbers.n < gate.least_pairs * scored:
        yield (
            f"has a score for {line.numbers.n} of the {scored} videos that are scored in the base, "
            f"less than {100 * gate.least_pairs:g}%"
        )


def _absent(metric: str) -> Line:
    raise KeyError(metric)
