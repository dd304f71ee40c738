"""Two evaluations against each other: paired by clip, clustered by prompt, and only where both mean the same.

Scores of unlike protocols are never compared; the two ids are shown instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals import stats
from evals.metric import Score
from evals.stats import Comparison
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl

Values = Mapping[str, tuple[str, float]]
"""Item -> (prompt id, value)."""


@dataclass(frozen=True)
class Scored:
    """An evaluation read back: scores by metric, and metric -> item -> (prompt id, value)."""

    name: str
    scores: Mapping[str, Score]
    values: Mapping[str, Values]


def read_run(folder: Path) -> Scored:
    """What `magicvideo evaluate --out` wrote."""
    return Scored(str(folder), read_scores(folder), by_item(read_jsonl(folder / "scores.jsonl")))


def read_scores(folder: Path) -> dict[str, Score]:
    """Metric -> score of an evaluation, without its clips' values. Raises `InputError` if there is no whole summary."""
    summary = read_json(folder / "summary.json")
    try:
        return {name: Score(**score) for name, score in summary["metrics"].items()}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / 'summary.json'}: not an evaluation's summary; make it with --out") from None


def by_item(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[str, float]]]:
    """Rows {"item", "prompt_id", "metric", "value"} -> metric -> item -> (prompt id, value), unscored ones left out."""
    values = dict[str, dict[str, tuple[str, float]]]()
    for row in rows:
        if row["value"] is not None:
            values.setdefault(row["metric"], {})[row["item"]] = (row["prompt_id"], float(row["value"]))
    return values


def compare(base: Scored, candidate: Scored, margins: Mapping[str, float] | None = None) -> list[Comparison]:
    """Every metric that both have. Raises `InputError` for unlike protocols, or if they share no metric."""
    shared = [name for name in base.scores if name in candidate.scores]
    if not shared:
        raise InputError(f"{base.name} and {candidate.name} share no metric; evaluate both by the same suite")
    refuse_unlike(base, candidate, shared)
    found = [difference(base, candidate, name) for name in shared]
    adjusted = stats.holm([c.p for c in found])
    return [
        judged(c, p, (margins or {}).get(c.metric, 0.0), base.scores[c.metric].higher_is_better)
        for c, p in zip(found, adjusted, strict=True)
    ]


def judged(found: Comparison, p_adjusted: float | None, margin: float, higher_is_better: bool | None) -> Comparison:
    """The comparison with its adjusted p and its verdict."""
    verdict = stats.judged(found.low, found.high, p_adjusted, margin, higher_is_better)
    return replace(found, p_adjusted=p_adjusted, verdict=verdict)


def unlike(base: Scored, candidate: Scored, metrics: Sequence[str]) -> list[str]:
    """Those of the metrics that were measured by two protocols.

    A metric without value on either side has nothing to compare and is passed over.
    """
    pairs = [(name, base.scores[name], candidate.scores[name]) for name in metrics]
    return [
        name
        for name, mine, theirs in pairs
        if mine.value is not None and theirs.value is not None and mine.protocol != theirs.protocol
    ]


def refuse_unlike(base: Scored, candidate: Scored, metrics: Sequence[str]) -> None:
    """Raise `InputError` if any of these metrics was measured by two protocols, showing both ids of each."""
    found = unlike(base, candidate, metrics)
    if not found:
        return
    shown = "\n".join(
        f"{name}: two protocols cannot be compared\n  {base.name}: {base.scores[name].protocol}\n"
        f"  {candidate.name}: {candidate.scores[name].protocol}"
        for name in found
    )
    rest = ",".join(name for name in metrics if name not in found)
    remedy = f", or leave {'it' if len(found) == 1 else 'them'} out: --metrics {rest}" if rest else ""
    raise InputError(f"{shown}\nEvaluate both again in the same way{remedy}")


def difference(base: Scored, candidate: Scored, metric: str) -> Comparison:
    """Candidate minus base in one metric, not yet judged. Raises `InputError` if a clip belongs to two prompts."""
    mine, theirs = base.values.get(metric, {}), candidate.values.get(metric, {})
    items = sorted(mine.keys() & theirs.keys())
    if not items:
        return _of_sets(metric, base.scores[metric], candidate.scores[metric], bool(mine or theirs))
    odd = next((item for item in items if mine[item][0] != theirs[item][0]), None)
    if odd is not None:
        raise InputError(
            f"{odd!r} belongs to prompt {mine[odd][0]!r} in {base.name}, to {theirs[odd][0]!r} in {candidate.name}"
        )
    a, b = [mine[item][1] for item in items], [theirs[item][1] for item in items]
    return stats.compared(metric, a, b, [mine[item][0] for item in items])


def _of_sets(metric: str, mine: Score, theirs: Score, has_rows: bool) -> Comparison:
    """Two numbers of whole sets; of a metric that has rows but no common clip, nothing."""
    if has_rows or mine.value is None or theirs.value is None:
        return Comparison(metric)
    return Comparison(
        metric,
        difference=theirs.value - mine.value,
        n=min(mine.n, theirs.n),
        base=mine.value,
        value=theirs.value,
        set_level=True,
    )
