"""What a stage's result depends on, and the key that this makes: the hash under which the store keeps it.

Pure, and without torch: networks are known by the hashes in the weights' manifest, or by those that a preset of public
weights pins (`public.depends`). A switch in V2V leaves the keys of T2I and I2V as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from magicvideo import public, weights
from magicvideo.config import PipelineConfig
from magicvideo.errors import unknown_name
from magicvideo.files import sha256
from magicvideo.runs import content_key
from magicvideo.stage_config import CHOICES, STAGES, frames_at_once
from magicvideo.stages import realesrgan
from magicvideo.stages.files import find_picture
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
    chosen = {"candidates": config.t2i.candidates} if config.t2i.verified else {}
    parts = ("generator", "t2i-lora", *(("verifier",) if chosen else ()))
    return {"config": _numbers(config, "t2i") | chosen, "prompt": prompt, "seed": seed, "weights": _digests(*parts)}


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
        **({"script": config.vfi.sha256} if kind == "script" else {}),
        **({"device": config.device} if (learned or kind == "script") and config.device != "cpu" else {}),
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
