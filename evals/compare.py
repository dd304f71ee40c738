"""Two evaluations against each other: paired by clip, clustered by prompt, and only where both mean the same.

Scores of unlike protocols are never compared; the two ids are shown instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals import stats
from evals.metric import Score
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl


@dataclass(frozen=True)
class Scored:
    """An evaluation read back: scores by metric, and metric -> item -> (prompt id, value)."""

    name: str
    scores: Mapping[str, Score]
    values: Mapping[str, Mapping[str, tuple[str, float]]]


@dataclass(frozen=True)
class Comparison:
    """Candidate minus base in one metric. Without pairs (a metric of the whole set) there is no interval."""

    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    standardised: float | None
    detectable: float | None
    n: int
    verdict: stats.Verdict


def read_run(folder: Path) -> Scored:
    """What `magicvideo evaluate --out` wrote."""
    summary = read_json(folder / "summary.json")
    try:
        scores = {name: Score(**score) for name, score in summary["metrics"].items()}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / 'summary.json'}: not an evaluation's summary; make it with --out") from None
    return Scored(str(folder), scores, by_item(read_jsonl(folder / "scores.jsonl")))


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
    found = [_one(name, base, candidate) for name in shared]
    adjusted = stats.holm([None if d is None else d.p for d in found])
    return [
        _comparison(name, base, candidate, difference, p, (margins or {}).get(name, 0.0))
        for name, difference, p in zip(shared, found, adjusted, strict=True)
    ]


def refuse_unlike(base: Scored, candidate: Scored, metrics: Sequence[str]) -> None:
    """Raise `InputError` if any of these metrics was measured by two protocols, showing both ids.

    A metric without value on either side has nothing to compare and is passed over.
    """
    for name in metrics:
        mine, theirs = base.scores[name], candidate.scores[name]
        if mine.value is None or theirs.value is None or mine.protocol == theirs.protocol:
            continue
        raise InputError(
            f"{name}: two protocols cannot be compared\n  {base.name}: {mine.protocol}\n"
            f"  {candidate.name}: {theirs.protocol}\nEvaluate both again in the same way"
        )


def _one(metric: str, base: Scored, candidate: Scored) -> stats.Difference | None:
    mine, theirs = base.values.get(metric, {}), candidate.values.get(metric, {})
    items = sorted(mine.keys() & theirs.keys())
    if not items:
        return None
    odd = next((item for item in items if mine[item][0] != theirs[item][0]), None)
    if odd is not None:
        raise InputError(
            f"{odd!r} belongs to prompt {mine[odd][0]!r} in {base.name}, to {theirs[odd][0]!r} in the other"
        )
    return stats.paired([mine[i][1] for i in items], [theirs[i][1] for i in items], [mine[i][0] for i in items])


def _comparison(
    name: str, base: Scored, candidate: Scored, d: stats.Difference | None, p_adjusted: float | None, margin: float
) -> Comparison:
    if d is None:
        mine, theirs = base.scores[name].value, candidate.scores[name].value
        difference = None if mine is None or theirs is None else theirs - mine
        return Comparison(name, difference, None, None, None, None, None, None, 0, "inconclusive")
    verdict = stats.verdict(d.low, d.high, margin, base.scores[name].higher_is_better)
    if verdict in ("better", "worse", "different") and (p_adjusted is None or p_adjusted > 1 - stats.LEVEL):
        verdict = "inconclusive"
    return Comparison(name, d.value, d.low, d.high, d.p, p_adjusted, d.standardised, d.detectable, d.n, verdict)
