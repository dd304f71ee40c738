"""`magicvideo history`: a branch's metrics over its runs, and since when each is where it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.stats.changes import LEAST
from magicvideo.errors import InputError, unknown_name
from reports.history import Change, Series, changes, in_words, read_history, read_values, series
from reports.tables import decimals, interval, number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder that holds run folders")
    parser.add_argument("--branch", metavar="NAME", help="runs of this branch (default: the newest run's)")
    parser.add_argument(
        "--metrics", default="", metavar="NAME,...", help="these, each with its values (default: all, a line each)"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    history = read_history(arguments.runs)
    for folder, reason in history.broken.items():
        print(f"left out: {folder}: {reason}", file=sys.stderr)
    if not history.entries:
        raise InputError(
            f"{arguments.runs} holds no finished run. Make one: magicvideo evaluate FOLDER --out RUNS/NAME"
        )
    branches = list(dict.fromkeys(e.branch for e in history.entries))
    branch = history.entries[-1].branch if arguments.branch is None else arguments.branch
    if branch not in branches:
        raise unknown_name("branch", branch, branches)
    entries = history.on(branch)
    known = list(dict.fromkeys(name for e in entries for name, s in e.scores.items() if s.value is not None))
    asked = [name.strip() for name in arguments.metrics.split(",") if name.strip()]
    for name in asked:
        if name not in known:
            raise unknown_name("metric", name, known)
    values = read_values(arguments.runs, entries)
    told = [series(entries, name, values) for name in asked or known]
    found = [(line, changes(line)) for line in told]
    out = sys.stderr if arguments.json else sys.stdout
    print(f"{len(entries)} run(s) of {branch or 'no branch'}, the newest {entries[-1].name}", file=out)
    if len(entries) < LEAST and not asked:
        print(f"changes are looked for from {LEAST} runs on; --metrics NAME shows the values of these", file=out)
    for line, shifts in found if len(entries) >= LEAST or asked else ():
        print(in_words(line, shifts[-1] if shifts else None), file=out)
        if asked:
            print("\n".join(_values(line, shifts)), file=out)
    return {"branch": branch, "runs": [e.run for e in entries], "metrics": {s.metric: _json(s, c) for s, c in found}}


def _values(line: Series, shifts: Sequence[Change]) -> list[str]:
    """A line a run; what changed a level is marked."""
    marks = {shift.index: f"  {shift.direction} from here on" for shift in shifts}
    spans = [p.high - p.low for p in line.points if p.low is not None and p.high is not None]
    places = decimals(spans, [p.value for p in line.points])
    rows = [
        f"  {p.entry.created[:10]}  {number(p.value, places)}  {interval(p.low, p.high, places)}  n {p.n}"
        f"  {p.entry.name}{marks.get(index, '')}"
        for index, p in enumerate(line.points)
    ]
    rows += [f"  {entry.run} is left out: another protocol" for entry in line.left_out]
    return rows


def _json(line: Series, shifts: Sequence[Change]) -> dict[str, Any]:
    return {
        "protocol": line.protocol,
        "higher_is_better": line.higher_is_better,
        "on_common_videos": line.paired,
        "values": [{"run": p.entry.run, "value": p.value, "low": p.low, "high": p.high, "n": p.n} for p in line.points],
        "left_out": [e.run for e in line.left_out],
        "changes": [
            {"since": c.entry.run, "direction": c.direction, "before": c.before, "after": c.after}
            | {"low": c.low, "high": c.high, "p": c.p}
            for c in shifts
        ],
    }
