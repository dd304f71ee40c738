"""How long `magicvideo train all` takes on this machine: some steps of each phase, times the steps of its recipe.

    python tests/benchmarks/training.py [STEPS]

Each phase runs one step, one again, and then 1 + STEPS (default 4): the difference of the last two is timed, since a
first step waits for its batch, which later ones find ready. The weights go to a temporary folder. What a part does
beside its steps (loading, measuring) is timed as it is, since it runs once either way.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from magicvideo.machine import keep_freed_memory
from magicvideo.train.cli import PARTS
from magicvideo.train.loop import Training

WHOLE = Training.run


@dataclass(frozen=True)
class Phase:
    name: str
    steps: int
    a_step: float
    """Seconds."""
    spent: float
    """Seconds in the steps that were tried."""

    @property
    def seconds(self) -> float:
        return self.steps * self.a_step


def main() -> None:
    tried = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    phases = list[Phase]()

    def some_steps(training: Training, resume: bool = False) -> None:
        runs = [replace(training, steps=steps) for steps in (1, 1, 1 + tried)]
        for run in runs:
            WHOLE(run)
        a_step = (runs[2].seconds - runs[1].seconds) / tried
        phases.append(Phase(training.part, training.steps, a_step, sum(run.seconds for run in runs)))

    keep_freed_memory()
    Training.run = some_steps  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MAGICVIDEO_WEIGHTS"] = str(Path(folder, "weights"))
        os.chdir(folder)
        print(f"{torch.get_num_threads()} threads, {tried} steps a phase")
        print(f"all: {sum(_part(part, phases) for part in PARTS) / 3600:.2f} h")


def _part(part: str, phases: list[Phase]) -> float:
    """Seconds of a part, told on the way."""
    module, function = PARTS[part].split(":")
    trainer: Any = getattr(import_module(module), function)
    before, began = len(phases), time.perf_counter()
    trainer(resume=False, steps=None)
    mine = phases[before:]
    beside = max(0.0, time.perf_counter() - began - sum(phase.spent for phase in mine))
    for phase in mine:
        print(f"  {phase.name:28} {phase.steps:6,} steps x {phase.a_step:6.2f} s = {phase.seconds / 3600:5.2f} h")
    needed = sum(phase.seconds for phase in mine) + beside
    print(f"{part:16} {needed / 3600:5.2f} h, of it {beside:.0f} s beside its steps", flush=True)
    return needed


if __name__ == "__main__":
    main()
