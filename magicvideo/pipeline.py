"""Four stages in a row: who makes each, by the switches.

Each stage's result is kept in the store under the hash of everything it depends on and nothing else (`keys.py`), so
whoever asks for it again (another arm, a restarted run) finds it. Networks are loaded only when a stage has to be
computed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from magicvideo import public
from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError, unknown_name
from magicvideo.keys import stage_key
from magicvideo.machine import keep_freed_memory, peak_memory, reset_peak, torch_threads
from magicvideo.public import Maker
from magicvideo.runs import StageRecord, Store
from magicvideo.stage_config import MOST_KEYFRAMES, STAGES
from magicvideo.stages import realesrgan
from magicvideo.stages.files import picture_from


@dataclass(frozen=True)
class Pipeline:
    """The reference pipeline with one configuration, keeping its results in a store.

    `threads` is how many torch computes with; None leaves it as it is. Sums come out in another order, and clips in
    other bytes, with another number: who shares a store should agree on it.
    """

    config: PipelineConfig
    store: Store
    threads: int | None = None

    def run(self, prompt: str, seed: int, start: VideoClip | None = None, until: str = "vfi") -> list[StageRecord]:
        """Run the stages up to `until`; returns a record for each, in order, their clips being in the store.

        `start` is the user's own material: a single picture takes the place of T2I's reference, a clip takes the
        place of the keyframes (its first frame is then the reference). Finished stages are found, not repeated.
        """
        clips = _given(start, self.config)
        stages = STAGES[len(clips) : STAGES.index(until) + 1] if until in STAGES else ()
        if not stages:
            raise unknown_name("stage", until, STAGES[len(clips) :], where="--until")
        if not public.has_keys(self.config, stages):
            public.ready(self.config, stages)
        digests = [self.store.put_clip(clip) for clip in clips]
        records, ready = list[StageRecord](), False
        for n, stage in enumerate(stages):
            key = stage_key(self.config, stage, prompt, seed, tuple(digests))
            record = self.store.stage(key)
            if record is None:
                if not ready:
                    public.ready(self.config, stages[n:])
                    ready = True
                record = self.compute(stage, key, prompt, seed, digests)
            records.append(record)
            digests.append(record.digest)
        return records

    def compute(self, stage: str, key: str, prompt: str, seed: int, digests: Sequence[str]) -> StageRecord:
        """Compute one stage from the clips before it, which are in the store, and keep its result under `key`."""
        keep_freed_memory()
        make = maker(self.config, stage)  # loads what the stage needs, before the clock starts
        clips = [self.store.clip(d) for d in digests]
        with torch_threads(self.threads):
            measured = _Measured.of(lambda: make(prompt, clips, seed))
        clip = measured.clip
        height, width = clip.size
        digest = self.store.put_clip(clip)
        record = StageRecord(
            key,
            stage,
            digest,
            round(measured.seconds, 4),
            len(clip),
            height,
            width,
            clip.fps,
            bytes=self.store.clip_path(digest).stat().st_size,
            peak_memory=measured.peak_memory,
            peak_cuda=measured.peak_cuda,
        )
        self.store.put_stage(record)
        return record


@dataclass(frozen=True)
class _Measured:
    """A clip and what making it took."""

    clip: VideoClip
    seconds: float
    peak_memory: int | None
    peak_cuda: int | None

    @classmethod
    def of(cls, make: Callable[[], VideoClip]) -> _Measured:
        gpu = the_gpu()
        reset_peak()
        if gpu:
            gpu.reset_peak_memory_stats()
        began = time.perf_counter()
        clip = make()
        seconds = time.perf_counter() - began
        return cls(clip, seconds, peak_memory(), int(gpu.max_memory_allocated()) if gpu else None)


def the_gpu() -> Any:
    """`torch.cuda` where torch is loaded and has a GPU, else None; never loads torch."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _given(start: VideoClip | None, config: PipelineConfig) -> list[VideoClip]:
    """The user's material as the clips of the stages it takes the place of."""
    if start is None:
        return []
    if len(start) == 1:
        return [start]
    if config.mechanisms.v2v and config.v2v.kind == "diffusion" and len(start) > MOST_KEYFRAMES:
        raise InputError(
            f"the clip has {len(start)} frames and V2V takes up to {MOST_KEYFRAMES}; "
            "give a shorter clip, one with fewer frames a second, or switch v2v off"
        )
    return [VideoClip(start.frames[:1], 1.0), start]


def maker(config: PipelineConfig, stage: str) -> Maker:
    """The stage as a function of prompt, the clips before it and seed; its networks are loaded when this returns."""
    if public.runs(config, stage):
        return public.maker(config, stage)
    other = _without_networks(config, stage)
    if other is not None:
        return other
    from magicvideo.models import pocket
    from magicvideo.stages import vfi_script
    from magicvideo.stages.common import computed_in
    from magicvideo.stages.i2v import image_to_video
    from magicvideo.stages.t2i import text_to_image
    from magicvideo.stages.v2v import enlarge, refine
    from magicvideo.stages.vfi import interpolate

    m, made = config.mechanisms, computed_in(config.compute)
    if stage == "t2i":
        pocket.autoencoder(), pocket.image_generator()
        if config.t2i.verified:
            pocket.verifier()
        return made(lambda prompt, clips, seed: text_to_image(config.t2i, prompt, seed))
    if stage == "i2v":
        pocket.autoencoder(), pocket.generator(m.joint_training)
        return made(lambda prompt, clips, seed: image_to_video(config.i2v, m, prompt, clips[0], seed))
    if stage == "v2v" and (not m.v2v or config.v2v.kind == "bicubic"):
        return lambda prompt, clips, seed: enlarge(config.v2v, clips[1])
    if stage == "v2v" and config.v2v.kind == "realesrgan":
        return _upscaler(config)
    if stage == "v2v":
        pocket.autoencoder(), pocket.refiner()
        return made(lambda prompt, clips, seed: refine(config.v2v, m, prompt, clips[1], clips[0], seed))
    if m.vfi == "script":
        script = vfi_script.load(config.vfi, config.device)
        return lambda prompt, clips, seed: interpolate(clips[2], config.vfi.factor, m.vfi, script)
    model = pocket.interpolator(config.device) if m.vfi in ("fused", "edsc") else None
    return lambda prompt, clips, seed: interpolate(clips[2], config.vfi.factor, m.vfi, model)


def _upscaler(config: PipelineConfig) -> Maker:
    """Real-ESRGAN in V2V's place, with as many threads as torch has when it is called."""
    import torch

    def net() -> Any:
        return realesrgan.load(config.v2v.upscaler, torch.get_num_threads())

    net()
    return lambda prompt, clips, seed: realesrgan.upscale(config.v2v, clips[1], net())


def _without_networks(config: PipelineConfig, stage: str) -> Maker | None:
    """Files or the world's renderer in the stage's place, if the configuration says so; V2V off stays bicubic."""
    from magicvideo.stages.oracle import true_keyframes, true_picture

    if stage == "t2i" and config.t2i.source == "files":
        return lambda prompt, clips, seed: picture_from(config.t2i, prompt)
    if stage == "t2i" and config.t2i.source == "world":
        return lambda prompt, clips, seed: true_picture(config.t2i, prompt, seed)
    if stage == "i2v" and config.i2v.source == "world":
        return lambda prompt, clips, seed: true_keyframes(config.i2v, config.i2v, prompt, seed)
    if stage == "v2v" and config.v2v.source == "world" and config.mechanisms.v2v:
        return lambda prompt, clips, seed: true_keyframes(config.v2v, config.i2v, prompt, seed)
    return None
