"""`magicvideo cost`: what each stage takes: seconds, memory, operations and bytes, cold and warm, on this machine.

Measured in a process of its own, so that what the caller has loaded does not count. Operations are matrix products,
convolutions and attention as torch counts them (a multiplication and an addition are two); norms, activations and what
VFI reads by coordinates are not in them, nor is anything of OpenCV's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.generate import configuration
from magicvideo.machine import peak_memory, reset_peak, usable_cores
from magicvideo.runs import Store, environment
from magicvideo.stage_config import STAGES, SWITCHES

PROMPT = "a red star bouncing on a striped background"
RUNS = 3


@dataclass(frozen=True)
class StageCost:
    """One stage. `cold`: the first time in a new process, loading its networks included; `seconds`: median after."""

    seconds: float
    cold: float
    peak_memory: int | None
    """Most resident memory of the process while it ran warm, in bytes; with all networks loaded until then."""
    peak_cuda: int | None
    operations: int
    bytes: int
    """Size of the clip's file."""


@dataclass(frozen=True)
class ArmCost:
    """A whole video of one arm: the sum of its stages, or the most."""

    seconds: float
    cold: float
    peak_memory: int | None
    peak_cuda: int | None
    operations: int
    bytes: int

    @classmethod
    def of(cls, stages: Mapping[str, StageCost]) -> ArmCost:
        each = list(stages.values())
        return cls(
            sum(s.seconds for s in each),
            sum(s.cold for s in each),
            max((s.peak_memory for s in each if s.peak_memory is not None), default=None),
            max((s.peak_cuda for s in each if s.peak_cuda is not None), default=None),
            sum(s.operations for s in each),
            sum(s.bytes for s in each),
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="pocket", metavar="NAME", help="which models (default: pocket)")
    parser.add_argument(
        "--random-weights",
        action="store_true",
        help="of a preset of public weights: reckon from its architectures, without weights or GPU",
    )
    parser.add_argument("--measure", action="store_true", help="with --random-weights: also time every network")
    parser.add_argument("--arms", action="store_true", help="also the pipeline with each mechanism left out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. i2v.frames=64")
    parser.add_argument("--threads", type=int, metavar="N", help="of torch (default: one a core)")
    parser.add_argument(
        "--runs", type=int, default=RUNS, metavar="N", help=f"warm runs of each stage (default: {RUNS})"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.runs < 1:
        raise InputError(f"--runs {arguments.runs}: needs at least 1")
    base = configuration("", arguments.set, arguments.preset)
    base.check()
    threads = arguments.threads or usable_cores()
    if arguments.random_weights:
        return _reckoned(base, arguments, threads)
    if arguments.measure:
        raise InputError("--measure goes with --random-weights; without that everything is measured anyway")
    arms = {"full": base}
    if arguments.arms:
        arms |= {f"without {switch}": base.without(switch) for switch in SWITCHES}
    found = {name: cost_of(config, arguments.runs, threads) for name, config in arms.items()}
    result = {
        "preset": arguments.preset,
        "threads": threads,
        "start": found["full"].start,
        "stages": {stage: asdict(cost) for stage, cost in found["full"].stages.items()},
        "arms": {name: asdict(ArmCost.of(measured.stages)) for name, measured in found.items()},
        "arm_stages": {n: {s: asdict(c) for s, c in m.stages.items()} for n, m in found.items()},
        "machine": machine(),
    }
    for line in table(found, threads):
        print(line, file=sys.stderr if arguments.json else sys.stdout)
    return result


def _reckoned(base: PipelineConfig, arguments: argparse.Namespace, threads: int) -> dict[str, Any]:
    """A preset of public weights from its architectures, and timed with random weights where that is asked for."""
    import torch

    from magicvideo.estimate import measure as timing
    from magicvideo.estimate import reckon, table

    reckoner = reckon.Reckoner.of(base)
    stages = {name: stage.to_dict() for name, stage in reckoner.stages(base).items()}
    wanted = reckon.arms(base) if arguments.arms else {"full": base}
    sums = {name: sum(s.operations for s in reckoner.stages(c).values()) for name, c in wanted.items()}
    networks = {n: size for s in stages.values() for n, size in s["networks"].items()}
    note = "nothing was measured"
    if arguments.measure:
        torch.set_num_threads(threads)
        found = timing.measure(base, arguments.runs, lambda line: print(line, file=sys.stderr))
        for name, measured in found.items():
            stages[name] |= {"seconds": measured.seconds, "measured": measured.to_dict()}
        note = f"measured with random weights on {base.device}"
    result = {
        "preset": arguments.preset,
        "threads": threads,
        "settings": arguments.set,
        "measured_note": note,
        "stages": stages,
        "arms": {name: {"operations": n, "floor": reckon.floors(n)} for name, n in sums.items()},
        "parameters": sum(networks.values()),
        "weight_bytes": reckoner.networks.weight_bytes(networks),
        "machine": machine(),
    }
    for line in table.lines(result):
        print(line, file=sys.stderr if arguments.json else sys.stdout)
    return result


@dataclass(frozen=True)
class Measured:
    """What one process said. `start`: seconds of importing libraries and the pipeline, before any stage."""

    start: float
    stages: dict[str, StageCost]


def cost_of(config: PipelineConfig, runs: int = RUNS, threads: int = 1) -> Measured:
    """Measure every stage of a configuration in a new process. Raises `InputError` with what that process said."""
    given = json.dumps([config.model_dump(mode="json"), runs, threads])
    here = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    call = [sys.executable, "-c", "from magicvideo.cost import _measure; _measure()"]
    done = subprocess.run(call, input=given, capture_output=True, text=True, check=False, env=here)
    if done.returncode:
        raise InputError(f"the cost could not be measured: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Measured(said["start"], {stage: StageCost(**cost) for stage, cost in said["stages"].items()})


def _measure() -> None:
    """The other process's work: settings on standard input, figures on standard output."""
    config, runs, threads = json.loads(sys.stdin.read())
    began = time.perf_counter()
    import torch
    from torch.utils.flop_counter import FlopCounterMode  # noqa: F401

    from magicvideo import pipeline  # noqa: F401

    torch.set_num_threads(threads)
    start = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        found = measure(PipelineConfig.parse(config), Store(Path(folder)), runs)
    print(json.dumps({"start": start, "stages": {stage: asdict(cost) for stage, cost in found.items()}}))


def measure(config: PipelineConfig, store: Store, runs: int) -> dict[str, StageCost]:
    """Every stage on the clips that the stages before it make, in this process."""
    from magicvideo.clip import VideoClip
    from magicvideo.pipeline import maker

    clips, found = list[VideoClip](), dict[str, StageCost]()
    for stage in STAGES:
        given, began = list(clips), time.perf_counter()
        make = maker(config, stage)

        def call(make: Any = make, given: list[VideoClip] = given) -> VideoClip:
            return make(PROMPT, given, 0)

        clip = call()
        cold = time.perf_counter() - began
        seconds, resident, cuda = _warm(call, runs)
        size = store.clip_path(store.put_clip(clip)).stat().st_size
        found[stage] = StageCost(seconds, cold, resident, cuda, operations(call), size)
        clips.append(clip)
    return found


def _warm(call: Callable[[], object], runs: int) -> tuple[float, int | None, int | None]:
    """Median seconds, and the most memory that any of the runs needed."""
    from magicvideo.pipeline import the_gpu

    gpu, times = the_gpu(), list[float]()
    reset_peak()
    if gpu:
        gpu.reset_peak_memory_stats()
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times), peak_memory(), int(gpu.max_memory_allocated()) if gpu else None


def operations(call: Callable[[], object]) -> int:
    """Operations (a multiplication and an addition are two) of one call, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    import psutil

    about = environment()
    names = ("python", "platform", "processor")
    memory = int(psutil.virtual_memory().total)
    return {**{name: about[name] for name in names}, "cores": usable_cores(), "memory": memory, "gpu": _gpu()} | {
        "torch": about["packages"]["torch"],
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "node": platform.machine(),
    }


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def table(found: Mapping[str, Measured], threads: int) -> list[str]:
    """For people: stages of the full pipeline, then whole videos."""
    full = found["full"]
    lines = [f"one video, {threads} thread{'s' * (threads > 1)}; libraries load in {full.start:.1f} s before", ""]
    lines.append(f"{'':<28}{'warm':>9}{'cold':>9}{'memory':>10}{'operations':>13}{'clip':>10}")
    rows: list[tuple[str, StageCost | ArmCost]] = list(full.stages.items())
    rows += [(name, ArmCost.of(measured.stages)) for name, measured in found.items()]
    for name, cost in rows:
        memory = "-" if cost.peak_memory is None else f"{cost.peak_memory / 1e6:.0f} MB"
        lines.append(
            f"{name:<28}{cost.seconds:>7.2f} s{cost.cold:>7.2f} s{memory:>10}"
            f"{cost.operations / 1e9:>9.2f} GFLOP{cost.bytes / 1e3:>7.0f} kB"
        )
    return lines
