"""`magicvideo ablate GRID`: run or continue a grid, score it, write its report."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.shipped import find_grid, shipped_grids
from magicvideo.files import read_json, read_jsonl

if TYPE_CHECKING:
    from ablations.grid import Grid
    from ablations.plan import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("grid", metavar="GRID", help=f"a YAML file, or a shipped grid: {', '.join(shipped_grids())}")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run's folder (default: runs/NAME of the grid)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be computed and what it would cost")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    from ablations.grid import load_grid

    grid = load_grid(find_grid(arguments.grid))
    out = arguments.out or Path("runs") / grid.name
    if arguments.dry_run:
        return _dry_run(grid, out)
    result = ablate(grid, out)
    say(f"report: {result['report']}")
    return result


def ablate(grid: Grid, out: Path) -> dict[str, Any]:
    """Run, score and report; what `--json` prints. Tells the findings on standard error."""
    from ablations.effects import by_stratum, effects
    from ablations.execute import execute
    from ablations.summary import sentences
    from reports.ablation import write_report

    outcome = execute(grid, out)
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
    return {
        "run": str(out),
        "report": str(report),
        "stages": {"computed": outcome.computed, "reused": outcome.reused},
        "effects": [asdict(e) for e in found],
        "strata": {name: [asdict(e) for e in some] for name, some in strata.items()},
    }


def say(line: str = "") -> None:
    print(line, file=sys.stderr)


def _dry_run(grid: Grid, out: Path) -> dict[str, Any]:
    from ablations.execute import plan_run

    plan = plan_run(grid, out)
    for line in describe(grid, plan):
        say(line)
    return {
        "run": str(out),
        "report": None,
        "dry_run": True,
        "items": len(plan.items),
        "stages": {"compute": plan.compute, "reuse": plan.uses - plan.compute},
        "by_stage": {stage: asdict(count) for stage, count in plan.counts.items()},
        "predicted_seconds": plan.seconds,
    }


def describe(grid: Grid, plan: Plan) -> list[str]:
    """The plan in words: one line a stage, then the cost."""
    sizes = {"arms": len(grid.arms), "prompts": len(grid.prompts), "seeds": len(grid.seeds)}
    product = " x ".join(f"{n} {what if n > 1 else what[:-1]}" for what, n in sizes.items())
    lines = [f"{grid.name}: {product} = {len(plan.items)} videos"]
    for stage, c in plan.counts.items():
        lines.append(f"  {stage}: {c.compute} to compute, {c.found} found, {c.shared} shared with another video")
    if not plan.compute:
        lines.append("nothing left to generate")
    elif plan.seconds is None:
        lines.append(f"{plan.compute} stages to compute; no time is known yet for some of them")
    else:
        lines.append(f"{plan.compute} stages to compute, about {plan.seconds:.0f} s by those found, then scoring")
    return lines
