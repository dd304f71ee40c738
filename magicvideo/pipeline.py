"""Four stages in a row: the only reader of the switches.

Each stage's result is kept in the store under the hash of everything it depends on and nothing else, so whoever asks
for it again (another arm, a restarted run) finds it. Networks are loaded only when a stage has to be computed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from magicvideo import public, weights
from magicvideo.clip import VideoClip
from magicvideo.config import CHOICES, MOST_KEYFRAMES, STAGES, PipelineConfig, frames_at_once
from magicvideo.errors import InputError, unknown_name
from magicvideo.files import sha256
from magicvideo.machine import peak_memory, reset_peak
from magicvideo.public import Maker
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.stages import realesrgan
from magicvideo.stages.files import find_picture, picture_from
from magicvideo.stages.minterpolate import ffmpeg_package

VERSIONS = {"t2i": 2, "i2v": 2, "v2v": 2, "vfi": 1}
"""Raised by one when a stage's code changes what it makes: earlier results are then not found any more."""


def stage_key(config: PipelineConfig, stage: str, prompt: str, seed: int, inputs: tuple[str, ...]) -> str:
    """The key of a stage's result. Pure: reads the weights' manifest, loads no network.

    `inputs` are the digests of all clips made before it in order (reference, keyframes, refined keyframes); the stage
    takes those it depends on. Any text stands for a digest that is not known yet.
    """
    if stage not in STAGES:
        raise unknown_name("stage", stage, STAGES)
    config.check()
    return content_key([stage, VERSIONS[stage], _depends(config, stage, prompt, seed, inputs)])


BoundKey = Callable[[str, str, int, tuple[str, ...]], str]
"""(stage, prompt, seed, digests of the clips before it) -> the key of the stage's result, of one configuration."""


def stage_keys(config: PipelineConfig) -> BoundKey:
    """`stage_key` of one configuration, for a great many keys.

    The text that is hashed is made once for each stage, with marks where prompt, seed and digests go. Keeps the
    weights' digests as they are now.
    """
    texts = dict[str, _Text]()

    def key(stage: str, prompt: str, seed: int, inputs: tuple[str, ...]) -> str:
        if stage == "t2i" and config.t2i.source == "files":  # a prompt is no text in it, but says which picture
            return stage_key(config, stage, prompt, seed, inputs)
        if stage not in texts:
            texts[stage] = _Text.of(config, stage)
        return texts[stage].key(prompt, seed, inputs)

    return key


MARKS = ("\x00prompt", -(2**53), tuple(f"\x00input{n}" for n in range(len(STAGES))))
"""Stand-ins for prompt, seed and digests, none of which can be one."""


@dataclass(frozen=True)
class _Text:
    """The canonical JSON of a stage's dependencies, cut at the marks: literal text, or what goes in between."""

    parts: tuple[str | tuple[str, int], ...]

    @classmethod
    def of(cls, config: PipelineConfig, stage: str) -> _Text:
        if stage not in STAGES:
            raise unknown_name("stage", stage, STAGES)
        config.check()
        depends = _depends(config, stage, *MARKS)
        text = json.dumps([stage, VERSIONS[stage], depends], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        prompt, seed, inputs = MARKS
        slots = {json.dumps(prompt): ("prompt", 0), str(seed): ("seed", 0)}
        slots |= {json.dumps(name): ("input", n) for n, name in enumerate(inputs)}
        return cls(tuple(_cut(text, slots)))

    def key(self, prompt: str, seed: int, inputs: tuple[str, ...]) -> str:
        text = "".join([part if isinstance(part, str) else _said(part, prompt, seed, inputs) for part in self.parts])
        return hashlib.sha256(text.encode()).hexdigest()


_as_json = json.JSONEncoder(ensure_ascii=False).encode


def _cut(text: str, slots: dict[str, tuple[str, int]]) -> Iterator[str | tuple[str, int]]:
    while text:
        at, mark = min(((text.find(m), m) for m in slots if m in text), default=(len(text), ""))
        if at:
            yield text[:at]
        if mark:
            yield slots[mark]
        text = text[at + len(mark) :]


def _said(part: tuple[str, int], prompt: str, seed: int, inputs: tuple[str, ...]) -> str:
    kind, n = part
    if kind == "prompt":
        return _as_json(prompt)
    return str(seed) if kind == "seed" else _as_json(inputs[n])


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
        records = list[StageRecord]()
        for n, stage in enumerate(stages):
            key = stage_key(self.config, stage, prompt, seed, tuple(digests))
            record = self.store.stage(key)
            if record is None:
                public.ready(self.config, stages[n:])
                record = self.compute(stage, key, prompt, seed, digests)
            records.append(record)
            digests.append(record.digest)
        return records

    def compute(self, stage: str, key: str, prompt: str, seed: int, digests: Sequence[str]) -> StageRecord:
        """Compute one stage from the clips before it, which are in the store, and keep its result under `key`."""
        make = maker(self.config, stage)  # loads what the stage needs, before the clock starts
        clips = [self.store.clip(d) for d in digests]
        with _threads(self.threads):
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


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Let torch compute with so many threads; nothing happens where torch is not loaded, as for rendered stages."""
    torch = sys.modules.get("torch")
    if wanted is None or torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


Depends = Callable[[PipelineConfig, str, int, tuple[str, ...]], dict[str, Any]]


def _depends(config: PipelineConfig, stage: str, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
    if public.runs(config, stage):
        return public.depends(config, stage, prompt, seed, inputs)
    return _DEPENDS[stage](config, prompt, seed, inputs)


def _t2i(config: PipelineConfig, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
    if config.t2i.source == "files":
        return {"picture": sha256(find_picture(Path(config.t2i.folder), prompt)), "size": config.t2i.size}
    if config.t2i.source == "world":
        return {"world": [config.t2i.size, config.t2i.fault], "prompt": prompt, "seed": seed}
    return {"config": _numbers(config, "t2i"), "prompt": prompt, "seed": seed, "weights": _digests("generator")}


def _i2v(config: PipelineConfig, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
    if config.i2v.source == "world":
        return _rendered(config, config.i2v.size, prompt, seed)
    m = config.mechanisms
    prior = m.noise_prior
    sees = m.appearance_encoder or m.controlnet or prior.kind in ("mean_shift", "frame_init")
    return {
        "config": _numbers(config, "i2v"),
        "noise_prior": None if prior.kind == "none" else prior.model_dump(),
        "appearance_encoder": m.appearance_encoder,
        "controlnet": m.controlnet,
        "prompt": prompt,
        "seed": seed,
        "inputs": inputs[:1] if sees else (),
        "weights": _digests("generator" if m.joint_training else "generator-video-only"),
    }


def _v2v(config: PipelineConfig, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
    m = config.mechanisms
    if not m.v2v or config.v2v.kind == "bicubic":
        return {"bicubic": config.v2v.size, "inputs": inputs[1:2]}
    if config.v2v.kind == "realesrgan":
        return {"realesrgan": realesrgan.identity(config.v2v.upscaler), "size": config.v2v.size, "inputs": inputs[1:2]}
    if config.v2v.source == "world":
        return _rendered(config, config.v2v.size, prompt, seed)
    sees = [name for name in ("appearance_encoder", "controlnet") if m.v2v_reference and getattr(m, name)]
    return {
        "config": _numbers(config, "v2v"),
        "reference": sees,
        "prompt": prompt,
        "seed": seed,
        "inputs": inputs[:2] if sees else inputs[1:2],
        "weights": _digests("generator", "refiner"),
    }


def _vfi(config: PipelineConfig, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
    kind = config.mechanisms.vfi
    learned = kind in ("fused", "edsc")
    factor = 1 if kind == "off" else config.vfi.factor
    return {
        "kind": kind,
        "factor": factor,
        "inputs": inputs[2:3],
        "weights": weights.digest("vfi") if learned else None,
        **({"ffmpeg": ffmpeg_package()} if kind == "minterpolate" else {}),
        **({"device": config.device} if learned and config.device != "cpu" else {}),
    }


_DEPENDS: dict[str, Depends] = {"t2i": _t2i, "i2v": _i2v, "v2v": _v2v, "vfi": _vfi}


def _numbers(config: PipelineConfig, stage: Literal["t2i", "i2v", "v2v"]) -> dict[str, Any]:
    """A stage's settings as its networks read them: a window only if there is more than one, float32 without a word."""
    numbers = getattr(config, stage).model_dump(exclude=CHOICES)
    if stage == "i2v" and frames_at_once(config.i2v.frames, config.i2v.window) < config.i2v.frames:
        numbers["window"] = frames_at_once(config.i2v.frames, config.i2v.window)
    if stage == "v2v" and config.v2v.window:  # of a clip whose length only the stage will know
        numbers["window"] = config.v2v.window
    if config.compute != "float32":
        numbers["compute"] = config.compute
    return numbers


def _rendered(config: PipelineConfig, size: int, prompt: str, seed: int) -> dict[str, Any]:
    """What the world's own keyframes depend on: neither weights nor the clips before them."""
    return {"world": [size, config.i2v.frames, config.i2v.fps], "prompt": prompt, "seed": seed}


def _digests(*parts: str) -> list[str]:
    return [weights.digest(part) for part in ("autoencoder", *parts)]


def maker(config: PipelineConfig, stage: str) -> Maker:
    """The stage as a function of prompt, the clips before it and seed; its networks are loaded when this returns."""
    if public.runs(config, stage):
        return public.maker(config, stage)
    other = _without_networks(config, stage)
    if other is not None:
        return other
    from magicvideo.models import pocket
    from magicvideo.stages.common import computed_in
    from magicvideo.stages.i2v import image_to_video
    from magicvideo.stages.t2i import text_to_image
    from magicvideo.stages.v2v import enlarge, refine
    from magicvideo.stages.vfi import interpolate

    m, made = config.mechanisms, computed_in(config.compute)
    if stage == "t2i":
        pocket.autoencoder(), pocket.generator(True)
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
