"""`magicvideo demo`: a small ablation with the shipped weights, ending in a report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.cli import ablate, default_workers, say
from ablations.shipped import find_grid

if TYPE_CHECKING:
    from ablations.grid import Grid

NEXT = (
    ("watch one video being made", 'magicvideo generate "a red star bouncing on a striped background" --seed 7'),
    ("score videos of your own", "magicvideo evaluate FOLDER --prompts prompts.jsonl"),
    ("run the whole study: more prompts, firm answers", "magicvideo ablate mechanisms"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="the folder (default: demo)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    from ablations.executors import Setup
    from ablations.grid import load_grid

    begin = time.perf_counter()
    grid = load_grid(find_grid("demo"))
    for line in introduction(grid, arguments.out):
        say(line)
    result = ablate(grid, arguments.out, Setup(workers=default_workers()))
    say(f"\nopen the report: {Path(result['report']).resolve()}\n\nwhat to try next:")
    for what, command in NEXT:
        say(f"  {what}:\n    {command}")
    return {"report": result["report"], "run": result["run"], "seconds": round(time.perf_counter() - begin, 1)}


def introduction(grid: Grid, out: Path) -> list[str]:
    """What is about to happen, in the words of somebody who sees it for the first time."""
    videos = len(grid.arms) * len(grid.prompts) * len(grid.seeds)
    return [
        f"The demo asks: {grid.question}",
        f"It makes {videos} short videos from {len(grid.prompts)} prompts with a small pipeline (text -> image ->",
        f"keyframes -> larger -> smoother): complete, then {len(grid.arms) - 1} times with one mechanism left out.",
        f"What does not change is computed once. Then it scores the videos and writes a report to {out}.",
        "It takes a few minutes on two cores. Stop it whenever you like: the same command continues.",
        "",
    ]
