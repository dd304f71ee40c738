"""How long `magicvideo train all` takes on this machine: some steps of each phase, times the steps of its recipe.

    python tests/benchmarks/training.py [STEPS]

Each phase runs one step and then STEPS more (default 4), which are timed; the weights go to a temporary folder. What a
part does beside its steps (loading, measuring) is timed as it is, since it runs once either way.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from magicvideo.machine import keep_freed_memory
from magicvideo.train.cli import PARTS
from magicvideo.train.loop import Training

WHOLE = Training.run


def main() -> None:
    tried = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    phases = list[tuple[str, int, float]]()

    def some_steps(training: Training, resume: bool = False) -> None:
        WHOLE(replace(training, steps=1))
        timed = replace(training, steps=tried)
        WHOLE(timed)
        phases.append((training.part, training.steps, timed.seconds / tried))

    keep_freed_memory()
    Training.run = some_steps  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MAGICVIDEO_WEIGHTS"] = str(Path(folder, "weights"))
        os.chdir(folder)
        print(f"{torch.get_num_threads()} threads, {tried} steps a phase")
        print(f"all: {sum(_part(part, phases, tried) for part in PARTS) / 3600:.2f} h")


def _part(part: str, phases: list[tuple[str, int, float]], tried: int) -> float:
    """Seconds of a part, told on the way."""
    module, function = PARTS[part].split(":")
    trainer: Any = getattr(import_module(module), function)
    before, began = len(phases), time.perf_counter()
    trainer(resume=False, steps=None)
    beside = time.perf_counter() - began - sum(seconds * (tried + 1) for _, _, seconds in phases[before:])
    for name, steps, seconds in phases[before:]:
        print(f"  {name:28} {steps:6,} steps x {seconds:6.2f} s = {steps * seconds / 3600:5.2f} h")
    needed = sum(steps * seconds for _, steps, seconds in phases[before:]) + max(0.0, beside)
    print(f"{part:16} {needed / 3600:5.2f} h, of it {max(0.0, beside):.0f} s beside its steps", flush=True)
    return needed


if __name__ == "__main__":
    main()
