"""The calls of each stage with random weights, timed on a device that computes.

Every network has its true architecture; what it makes is noise, at the same cost. A stage's seconds are those of its
calls times how often it makes them. Samplers, tokenizers, file formats and the interpolator's optical flow are not in
them. Networks of one stage are in memory together, and leave it before the next stage.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.estimate.calls import Call, Networks, calls
from magicvideo.machine import peak_memory, reset_peak
from magicvideo.models.public import DTYPES
from magicvideo.stage_config import STAGES


@dataclass(frozen=True)
class CallTime:
    """Seconds of one pass, warm (median), and the most memory of the device then; resident memory on a CPU."""

    name: str
    times: int
    seconds: float
    peak_memory: int | None


@dataclass(frozen=True)
class StageTime:
    calls: tuple[CallTime, ...]

    @property
    def seconds(self) -> float:
        return sum(c.times * c.seconds for c in self.calls)

    @property
    def peak_memory(self) -> int | None:
        return max((c.peak_memory for c in self.calls if c.peak_memory is not None), default=None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "calls": [asdict(c) for c in self.calls],
        }


def measure(config: PipelineConfig, runs: int, say: Callable[[str], None] = lambda line: None) -> dict[str, StageTime]:
    """Time every stage in which networks run, on `config.device`. Raises `InputError` where torch finds no such GPU,
    or where a call does not fit its memory."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--measure computes on a CUDA GPU, and torch finds none here; --set device=cpu is the same, slowly"
        )
    config.check()
    found = dict[str, StageTime]()
    for stage in STAGES:
        listed = calls(config, stage)
        if not listed:
            continue
        at = Networks(_preset(config), torch.device(config.device), DTYPES[config.compute])
        with torch.inference_mode():
            found[stage] = StageTime(tuple(_timed(call, at, stage, runs, say) for call in listed))
        at.forget()
        _collect()
    return found


def _timed(call: Call, at: Networks, stage: str, runs: int, say: Callable[[str], None]) -> CallTime:
    try:
        call.run(at)  # builds the networks, and chooses kernels
        _wait(at.device)
        _reset(at.device)
        times = list[float]()
        for _ in range(runs):
            began = time.perf_counter()
            call.run(at)
            _wait(at.device)
            times.append(time.perf_counter() - began)
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(f"{stage}, {call.name}: does not fit the GPU's memory ({error}); see docs/cost.md") from None
    made = CallTime(call.name, call.times, statistics.median(times), _peak(at.device))
    say(f"{stage}: {call.name}: {made.seconds:.3f} s, {call.times} times")
    return made


def _preset(config: PipelineConfig) -> Any:
    if config.public is None:
        raise InputError("the preset pocket is measured without --random-weights")
    return config.public


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _reset(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        reset_peak()


def _peak(device: torch.device) -> int | None:
    return int(torch.cuda.max_memory_allocated()) if device.type == "cuda" else peak_memory()


def _collect() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
