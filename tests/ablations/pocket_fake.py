"""A small real pipeline for tests: four stages that render, shake, enlarge and blend clips of the pocket world.

Deterministic, a few milliseconds a stage, real clips and records in a real store. `controlnet` and `noise_prior` off
add noise to the keyframes, `v2v` off enlarges without smoothing. Run as a program it ablates a grid, to be killed:

    python pocket_fake.py GRID OUT SECONDS_PER_STAGE [WORKERS [EXECUTOR [STORE]]]
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from ablations.execute import execute
from ablations.executors import Setup
from ablations.executors.work import Engine
from ablations.grid import load_grid
from ablations.plan import BoundKey
from magicvideo.clip import VideoClip, from_floats, resize
from magicvideo.config import PipelineConfig
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.stage_config import STAGES
from magicvideo.world import read_caption, render, scene_with

SEEN_BY = {
    "t2i": ("joint_training",),
    "i2v": ("noise_prior", "appearance_encoder", "controlnet", "joint_training"),
    "v2v": ("v2v", "v2v_reference"),
    "vfi": ("vfi",),
}


def stage_key(config: PipelineConfig, stage: str, prompt: str, seed: int, inputs: tuple[str, ...]) -> str:
    plain = config.model_dump(mode="json")
    switches = {name: plain["mechanisms"][name] for name in SEEN_BY[stage]}
    return content_key([stage, plain[stage], switches, prompt, seed, list(inputs)])


@dataclass
class FakePipeline:
    config: PipelineConfig
    store: Store
    delay: float = 0.0

    def run(self, prompt: str, seed: int) -> list[StageRecord]:
        records = list[StageRecord]()
        for stage in STAGES:
            inputs = tuple(r.digest for r in records)
            key = stage_key(self.config, stage, prompt, seed, inputs)
            records.append(self.store.stage(key) or self.compute(stage, key, prompt, seed, inputs))
        return records

    def compute(self, stage: str, key: str, prompt: str, seed: int, digests: Sequence[str]) -> StageRecord:
        begin = time.perf_counter()
        time.sleep(self.delay)
        before = self.store.clip(digests[-1]) if digests else None
        clip = getattr(self, f"_{stage}")(prompt, seed, before)
        height, width = clip.size
        made = self.store.put_clip(clip)
        seconds = time.perf_counter() - begin
        size = self.store.clip_path(made).stat().st_size
        record = StageRecord(key, stage, made, seconds, len(clip), height, width, clip.fps, bytes=size)
        self.store.put_stage(record)
        return record

    def _render(self, prompt: str, seed: int, times: np.ndarray, size: int) -> np.ndarray:
        asked, rng = read_caption(prompt), np.random.default_rng(seed)
        words = (asked.shape or "star", asked.colour or "red", asked.background or "plain", asked.motion or "left")
        return render(scene_with(rng, *words), times, size)

    def _t2i(self, prompt: str, seed: int, _: VideoClip | None) -> VideoClip:
        return from_floats(self._render(prompt, seed, np.zeros(1), self.config.t2i.size), 8.0)

    def _i2v(self, prompt: str, seed: int, _: VideoClip | None) -> VideoClip:
        c, m = self.config.i2v, self.config.mechanisms
        frames = self._render(prompt, seed, np.linspace(0, 1, c.frames), c.size)
        shake = 0.1 * (not m.controlnet) + 0.05 * (m.noise_prior.kind == "none")
        noise = np.random.default_rng([seed, len(prompt)]).normal(size=frames.shape)
        return from_floats(frames + shake * noise, c.fps)

    def _v2v(self, prompt: str, seed: int, before: VideoClip | None) -> VideoClip:
        assert before is not None
        size = self.config.v2v.size
        if self.config.mechanisms.v2v:
            return resize(before, size, size)
        times = size // before.size[0]
        return VideoClip(before.frames.repeat(times, axis=2).repeat(times, axis=3), before.fps)

    def _vfi(self, prompt: str, seed: int, before: VideoClip | None) -> VideoClip:
        assert before is not None
        factor, frames = self.config.vfi.factor, before.floats()
        if self.config.mechanisms.vfi == "off":
            return before
        blends = [a + (b - a) * k / factor for a, b in pairwise(frames) for k in range(factor)]
        return from_floats(np.stack([*blends, frames[-1]]), before.fps * factor)


@dataclass
class FaultyPipeline(FakePipeline):
    """Does at one stage of one seed what went wrong elsewhere; `once` is a file that says that it has happened."""

    faults: tuple[tuple[str, int, str], ...] = ()
    once: Path | None = None

    def compute(self, stage: str, key: str, prompt: str, seed: int, digests: Sequence[str]) -> StageRecord:
        for where, which, what in self.faults:
            if (where, which) == (stage, seed):
                self._go_wrong(what)
        return super().compute(stage, key, prompt, seed, digests)

    def _go_wrong(self, what: str) -> None:
        if what == "raise":
            raise ValueError("this prompt cannot be drawn")
        if what == "memory":
            np.ones(1 << 42)
        if what == "die" or (what == "die once" and self.once is not None and not self.once.exists()):
            if self.once is not None:
                self.once.write_text("done")
            os.kill(os.getpid(), signal.SIGKILL)


def stage_keys(config: PipelineConfig) -> BoundKey:
    return partial(stage_key, config)


def engine(delay: float = 0.0) -> Engine:
    return Engine(partial(FakePipeline, delay=delay), stage_keys)


def faulty(*faults: tuple[str, int, str], once: Path | None = None) -> Engine:
    return Engine(partial(FaultyPipeline, faults=faults, once=once), stage_keys)


def main(grid: str, out: str, delay: str = "0", workers: str = "1", executor: str = "local", store: str = "") -> None:
    setup = Setup(executor, int(workers))
    made = engine(float(delay))
    outcome = execute(load_grid(Path(grid)), Path(out), made, progress=False, setup=setup, store=store or None)
    print(outcome.computed)


if __name__ == "__main__":
    import pocket_fake  # by its name, so that other processes find the pipeline there too

    pocket_fake.main(*sys.argv[1:])
