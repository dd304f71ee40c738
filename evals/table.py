"""An evaluation as a table for people."""

from __future__ import annotations

from collections import Counter

from evals.metric import Score
from evals.runner import Evaluation

DIRECTION = {True: "higher", False: "lower", None: "-"}
MOST_REASONS = 12


def table(evaluation: Evaluation) -> str:
    """Value, 95 % interval, counts and direction of each metric; figures and reasons below."""
    width = max(len(name) for name in evaluation.scores)
    head = f"{'metric':<{width}}  {'value':>9}  {'95 % interval':>20}  {'n':>5}  {'unscored':>8}  {'better':<6}  unit"
    lines = [head, "-" * len(head)]
    lines += [_line(name, score, width) for name, score in evaluation.scores.items()]
    lines += _figures(evaluation) + _notes(evaluation) + _reasons(evaluation)
    return "\n".join(lines)


def one_line(text: str) -> str:
    """The text with line breaks, other control characters and bytes that are no UTF-8 as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def number(value: float | None) -> str:
    """Four significant digits; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _line(name: str, score: Score, width: int) -> str:
    span = "-" if score.low is None or score.high is None else f"{number(score.low)} to {number(score.high)}"
    better = DIRECTION[score.higher_is_better]
    counts = f"{score.n:>5}  {score.unscored:>8}"
    return f"{name:<{width}}  {number(score.value):>9}  {span:>20}  {counts}  {better:<6}  {score.unit}"


def _figures(evaluation: Evaluation) -> list[str]:
    """Each figure once, though several metrics share it."""
    figures = {label: value for known in evaluation.figures.values() for label, value in known.items()}
    if not figures:
        return []
    return ["", "on held-out renders: " + ", ".join(f"{label} {value:.3f}" for label, value in figures.items())]


def _notes(evaluation: Evaluation) -> list[str]:
    return ["", *(f"{name}: {note}" for name, note in evaluation.notes.items())] if evaluation.notes else []


def _reasons(evaluation: Evaluation) -> list[str]:
    """Why values are missing: (metric, reason) with its number of clips, most frequent first."""
    found = Counter((row.metric, row.reason) for row in evaluation.rows if row.reason is not None)
    if not found:
        return []
    by_reason = dict[tuple[str, int], list[str]]()
    for (metric, reason), count in found.most_common():
        by_reason.setdefault((reason, count), []).append(metric)
    every = len(evaluation.scores)
    lines = [
        f"  {count} x {'all metrics' if len(metrics) == every else ', '.join(metrics)}: {one_line(reason)}"
        for (reason, count), metrics in by_reason.items()
    ]
    more = [f"  and {len(lines) - MOST_REASONS} more reasons (--json lists all)"] if len(lines) > MOST_REASONS else []
    return ["", "unscored:", *lines[:MOST_REASONS], *more]
