"""Four stages in a row: the only reader of the switches.

Each stage's result is kept in the store under the hash of everything it depends on and nothing else, so whoever asks
for it again (another arm, a restarted run) finds it. Networks are loaded only when a stage has to be computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from magicvideo import weights
from magicvideo.clip import VideoClip
from magicvideo.config import MOST_KEYFRAMES, STAGES, PipelineConfig, frames_at_once
from magicvideo.errors import InputError, unknown_name
from magicvideo.runs import StageRecord, Store, content_key
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
    return content_key([stage, VERSIONS[stage], _DEPENDS[stage](config, prompt, seed, inputs)])


@dataclass(frozen=True)
class Pipeline:
    """The reference pipeline with one configuration, keeping its results in a store."""

    config: PipelineConfig
    store: Store

    def run(self, prompt: str, seed: int, start: VideoClip | None = None, until: str = "vfi") -> list[StageRecord]:
        """Run the stages up to `until`; returns a record for each, in order, their clips being in the store.

        `start` is the user's own material: a single picture takes the place of T2I's reference, a clip takes the
        place of the keyframes (its first frame is then the reference). Finished stages are found, not repeated.
        """
        clips = _given(start, self.config)
        stages = STAGES[len(clips) : STAGES.index(until) + 1] if until in STAGES else ()
        if not stages:
            raise unknown_name("stage", until, STAGES[len(clips) :], where="--until")
        digests = [self.store.put_clip(clip) for clip in clips]
        records = list[StageRecord]()
        for stage in stages:
            key = stage_key(self.config, stage, prompt, seed, tuple(digests))
            record = self.store.stage(key) or self._compute(stage, key, prompt, seed, digests)
            records.append(record)
            digests.append(record.digest)
        return records

    def _compute(self, stage: str, key: str, prompt: str, seed: int, digests: list[str]) -> StageRecord:
        make = _maker(self.config, stage)  # loads what the stage needs, before the clock starts
        clips = [self.store.clip(d) for d in digests]
        began = time.perf_counter()
        clip = make(prompt, clips, seed)
        seconds = time.perf_counter() - began
        height, width = clip.size
        digest = self.store.put_clip(clip)
        record = StageRecord(key, stage, digest, round(seconds, 4), len(clip), height, width, clip.fps)
        self.store.put_stage(record)
        return record


def _given(start: VideoClip | None, config: PipelineConfig) -> list[VideoClip]:
    """The user's material as the clips of the stages it takes the place of."""
    if start is None:
        return []
    if len(start) == 1:
        return [start]
    if config.mechanisms.v2v and len(start) > MOST_KEYFRAMES:
        raise InputError(
            f"the clip has {len(start)} frames and V2V takes up to {MOST_KEYFRAMES}; "
            "give a shorter clip, one with fewer frames a second, or switch v2v off"
        )
    return [VideoClip(start.frames[:1], 1.0), start]


Depends = Callable[[PipelineConfig, str, int, tuple[str, ...]], dict[str, Any]]


def _t2i(config: PipelineConfig, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
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
    if not m.v2v:
        return {"bicubic": config.v2v.size, "inputs": inputs[1:2]}
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
    }


_DEPENDS: dict[str, Depends] = {"t2i": _t2i, "i2v": _i2v, "v2v": _v2v, "vfi": _vfi}


def _numbers(config: PipelineConfig, stage: Literal["t2i", "i2v", "v2v"]) -> dict[str, Any]:
    """A stage's settings as its networks read them: a window only if there is more than one, float32 without a word."""
    numbers = getattr(config, stage).model_dump(exclude={"source", "fault", "window"})
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


Maker = Callable[[str, list[VideoClip], int], VideoClip]


def _maker(config: PipelineConfig, stage: str) -> Maker:
    """The stage as a function of prompt, the clips before it and seed; its networks are loaded when this returns."""
    oracle = _oracle(config, stage)
    if oracle is not None:
        return oracle
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
    if stage == "v2v" and not m.v2v:
        return lambda prompt, clips, seed: enlarge(config.v2v, clips[1])
    if stage == "v2v":
        pocket.autoencoder(), pocket.refiner()
        return made(lambda prompt, clips, seed: refine(config.v2v, m, prompt, clips[1], clips[0], seed))
    model = pocket.interpolator() if m.vfi in ("fused", "edsc") else None
    return lambda prompt, clips, seed: interpolate(clips[2], config.vfi.factor, m.vfi, model)


def _oracle(config: PipelineConfig, stage: str) -> Maker | None:
    """The world's renderer in the stage's place, if the configuration says so; V2V switched off stays bicubic."""
    from magicvideo.stages.oracle import true_keyframes, true_picture

    if stage == "t2i" and config.t2i.source == "world":
        return lambda prompt, clips, seed: true_picture(config.t2i, prompt, seed)
    if stage == "i2v" and config.i2v.source == "world":
        return lambda prompt, clips, seed: true_keyframes(config.i2v, config.i2v, prompt, seed)
    if stage == "v2v" and config.v2v.source == "world" and config.mechanisms.v2v:
        return lambda prompt, clips, seed: true_keyframes(config.v2v, config.i2v, prompt, seed)
    return None
