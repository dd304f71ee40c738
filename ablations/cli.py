"""`magicvideo ablate GRID`: run or continue a grid, score it, write its report."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.durations import words
from ablations.shipped import find_grid, shipped_grids
from magicvideo.files import read_json, read_jsonl

if TYPE_CHECKING:
    from ablations.executors import Setup
    from ablations.grid import Grid
    from ablations.plan import Plan

MOST_WORKERS = 4
"""Without `--workers`: each holds the networks in memory of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("grid", metavar="GRID", help=f"a YAML file, or a shipped grid: {', '.join(shipped_grids())}")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder (default: runs/NAME of the grid)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be computed and what it would cost")
    parser.add_argument(
        "--pilot", type=Path, metavar="RUN", help="with --dry-run: an earlier run whose spread says what this can show"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that compute stages and scores (default: one a core, at most 4)",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each worker; clips depend on it")
    parser.add_argument("--gpus", default="", metavar="ID,...", help="one worker on each of these GPUs")
    parser.add_argument(
        "--executor",
        default="local",
        metavar="KIND",
        help="local, ray (a cluster on this machine), or ray:HOST:6379 (a running one)",
    )
    parser.add_argument("--store", metavar="PLACE", help="a folder or fsspec address that runs and machines share")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    from ablations.grid import load_grid

    grid = load_grid(find_grid(arguments.grid))
    out = arguments.out or Path("runs") / grid.name
    setup = _setup(arguments)
    if arguments.dry_run:
        return _dry_run(grid, out, setup, arguments.store, arguments.pilot)
    result = ablate(grid, out, setup, arguments.store)
    say(f"report: {result['report']}")
    return result


def _setup(arguments: argparse.Namespace) -> Setup:
    from ablations.executors import Setup

    devices = tuple(name.strip() for name in arguments.gpus.split(",") if name.strip())
    workers = default_workers() if arguments.workers is None else arguments.workers
    setup = Setup(arguments.executor, len(devices) or workers, arguments.threads, devices)
    setup.check()
    return setup


def default_workers() -> int:
    from magicvideo.machine import usable_cores

    return min(MOST_WORKERS, usable_cores())


def ablate(grid: Grid, out: Path, setup: Setup | None = None, store: str | None = None) -> dict[str, Any]:
    """Run, score and report; what `--json` prints. Tells the findings on standard error."""
    from ablations.effects import by_stratum, effects
    from ablations.execute import execute
    from ablations.readings import derived, sections
    from ablations.summary import sentences
    from reports.ablation import write_report

    outcome = execute(grid, out, setup=setup, store=store)
    if outcome.failed:
        say(f"{outcome.failed} videos could not be made; items.jsonl says why, and the same command tries them again")
    report = write_report(out)
    record = read_json(out / "run.json")
    scores = read_jsonl(out / "scores.jsonl")
    found, strata = effects(scores, record), by_stratum(scores, record)
    for line in sentences(found, record):
        say(line)
    for name, some in strata.items():
        mine = {**record, "prompts": [p for p in record["prompts"] if p["stratum"] == name]}
        say(f"\nAmong the prompts {name!r}:")
        for line in sentences(some, mine):
            say(line)
    items = read_jsonl(out / "items.jsonl")
    for heading, lines in sections(scores, items, record):
        say(f"\n{heading}:")
        for line in lines:
            say(line)
    return {
        "run": str(out),
        "report": str(report),
        "stages": {"computed": outcome.computed, "reused": outcome.reused},
        "failed": outcome.failed,
        "effects": [asdict(e) for e in found],
        "strata": {name: [asdict(e) for e in some] for name, some in strata.items()},
        **derived(scores, items, record),
    }


def say(line: str = "") -> None:
    print(line, file=sys.stderr)


def _dry_run(grid: Grid, out: Path, setup: Setup, store: str | None, pilot: Path | None) -> dict[str, Any]:
    from ablations.execute import plan_run
    from ablations.pilot import of_grid
    from ablations.readings import precision_lines

    plan = plan_run(grid, out, store=store)
    shown = of_grid(grid, out if pilot is None else pilot, needed=pilot is not None)
    for line in (*describe(grid, plan, setup.workers), *precision_lines(shown)):
        say(line)
    return {
        "run": str(out),
        "report": None,
        "dry_run": True,
        "items": len(plan.items),
        "stages": {"compute": plan.compute, "reuse": plan.uses - plan.compute},
        "by_stage": {stage: asdict(count) for stage, count in plan.counts.items()},
        "workers": setup.workers,
        "predicted_seconds": plan.seconds,
        "predicted_memory": plan.peak_memory,
        "predicted_bytes": plan.bytes,
        "detectable": [asdict(p) for p in shown],
    }


def describe(grid: Grid, plan: Plan, workers: int = 1) -> list[str]:
    """The plan in words: one line a stage, then the cost."""
    sizes = {"arms": len(grid.arms), "prompts": len(grid.prompts), "seeds": len(grid.seeds)}
    product = " x ".join(f"{n} {what if n > 1 else what[:-1]}" for what, n in sizes.items())
    lines = [f"{grid.name}: {product} = {len(plan.items)} videos"]
    for stage, c in plan.counts.items():
        lines.append(f"  {stage}: {c.compute} to compute, {c.found} found, {c.shared} shared with another video")
    if not plan.compute:
        return [*lines, "nothing left to generate"]
    if plan.seconds is None:
        lines.append(f"{plan.compute} stages to compute; no time is known yet for some of them")
    else:
        lines.append(
            f"{plan.compute} stages to compute, about {plan.seconds:.0f} s by those found"
            + (f", {words(plan.seconds / workers)} with {workers} workers" if workers > 1 else "")
            + ", then scoring"
        )
    if plan.peak_memory is not None:
        each = f"{plan.peak_memory / 1e9:.1f} GB"
        lines.append(f"memory: about {each} a worker, {workers * plan.peak_memory / 1e9:.1f} GB for {workers}")
    if plan.bytes is not None:
        lines.append(f"disk: about {plan.bytes / 1e6:.1f} MB of clips")
    return lines
