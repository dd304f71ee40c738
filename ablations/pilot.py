"""An earlier run as the pilot of a grid: what its spread says the grid can show. Reads files, computes nothing else."""

from __future__ import annotations

from pathlib import Path

from ablations.effects import effects
from ablations.grid import Grid
from ablations.precision import Precision, precision
from evals.suites import find
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl


def of_grid(grid: Grid, pilot: Path, needed: bool = True) -> list[Precision]:
    """What a grid can show by the spread of the run in the folder `pilot`.

    Raises `InputError` if that is no finished ablation; with `needed` False it is then [].
    """
    if not (pilot / "scores.jsonl").is_file():
        if needed:
            raise InputError(
                f"{pilot}: no finished ablation to take the spread from; give the folder of one to --pilot"
            )
        return []
    run = read_json(pilot / "run.json")
    metrics = [m for m in find(grid.suite).only(grid.metrics).metrics if m.total is None]
    arms = len(grid.factors) or len(grid.arms) - 1
    arms += sum(1 for arm in grid.arms[1:] if arm.off is None) if grid.factors else 0
    earlier = effects(read_jsonl(pilot / "scores.jsonl"), run)
    return precision(earlier, [m.name for m in metrics], len(grid.prompts), arms * len(metrics))
