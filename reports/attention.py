"""What of a store needs a look first, from the index alone.

A newest run that looks worse than the one before it is named when the distance of the two means exceeds what their two
intervals allow together. That takes the runs as independent, so it is a reason to open the comparison, which pairs them
prompt by prompt, and no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot
from typing import Any

from reports.store import Entry
from reports.tables import decimals, number, plain

STALLED_SECONDS = 3600.0
UNSCORED_SHARE = 0.05
MOST_NAMED = 3


@dataclass(frozen=True)
class Notice:
    """One thing to look at, the gravest first: `rank` 0 is worst. `page` and `query` lead to it."""

    rank: int
    mark: str
    text: str
    page: str
    query: Mapping[str, str] = field(default_factory=dict)


def notices(entries: Sequence[Entry], now: float) -> list[Notice]:
    """All notices of a store; `now` in seconds since 1970."""
    found = [notice for entry in entries for notice in _of_one(entry, now)]
    found += [notice for line in lines(entries) for notice in (_worse(line), _lost(line[0])) if notice is not None]
    return sorted(found, key=lambda notice: notice.rank)


def lines(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Whole evaluations of one suite and branch, newest first."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: (e.created, e.id), reverse=True):
        if entry.kind == "evaluation" and entry.status == "complete":
            groups.setdefault((entry.suite, entry.branch), []).append(entry)
    return list(groups.values())


def _of_one(entry: Entry, now: float) -> Iterator[Notice]:
    if entry.status == "broken":
        yield Notice(0, "✕", f"{entry.id} cannot be read: {entry.problem}", "runs", {"find": entry.name})
    if entry.status == "running":
        idle = now - entry.touched
        if idle > STALLED_SECONDS:
            text = f"{entry.id} is not complete, and nothing was written for {_span(idle)}; its command continues it"
            yield Notice(2, "◷", text, "runs", {"find": entry.name})
        else:
            yield Notice(4, "◷", f"{entry.id} is being written", "runs", {"find": entry.name})


def _lost(entry: Entry) -> Notice | None:
    """Of the newest run of a line: a metric that many videos have no value of."""
    lost = {name: about for name, about in entry.metrics.items() if _unscored(about) > UNSCORED_SHARE}
    if not lost:
        return None
    worst = max(lost, key=lambda name: _unscored(lost[name]))
    title = str(lost[worst].get("title") or worst)
    text = f"{entry.id}: {_unscored(lost[worst]):.0%} of the videos have no {plain(title)}"
    return Notice(3, "!", text, "runs", {"find": entry.name})


def _worse(line: Sequence[Entry]) -> Notice | None:
    """The newest of a line against the one before it."""
    if len(line) < 2:
        return None
    new, old = line[:2]
    told = []
    for name, about in new.metrics.items():
        before = old.metrics.get(name)
        if before is not None and looks_worse(before, about):
            places = decimals([about["high"] - about["low"]], [about["value"]])
            change = f"{number(before['value'], places)} → {number(about['value'], places)}"
            told.append(f"{plain(str(about.get('title') or name))} ({change})")
    if not told:
        return None
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    text = f"{new.id} looks worse than {old.id}: {', '.join(told[:MOST_NAMED])}{more}"
    return Notice(1, "▼", text, "compare", {"base": old.id, "candidate": new.id})


def looks_worse(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two scores of one protocol lie further apart, on the bad side, than their intervals allow together."""
    better = after.get("higher_is_better")
    ends = [score.get(key) for score in (before, after) for key in ("value", "low", "high")]
    if better is None or before.get("protocol") != after.get("protocol") or any(x is None for x in ends):
        return False
    change = after["value"] - before["value"]
    room = hypot((before["high"] - before["low"]) / 2, (after["high"] - after["low"]) / 2)
    return abs(change) > room and (change > 0) != better


def _unscored(about: Mapping[str, Any]) -> float:
    without, scored = int(about.get("unscored") or 0), int(about.get("n") or 0)
    return without / (without + scored) if without else 0.0


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
