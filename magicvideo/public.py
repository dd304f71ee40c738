"""The stages of presets of public weights, as the pipeline asks for them: what each depends on, and who makes it.

What a stage depends on is told without torch, from the preset's pinned hashes; networks are loaded when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.fitting import Choice, Plan
from magicvideo.presets import Placed, Preset, files
from magicvideo.presets.files import check, digests
from magicvideo.stage_config import CHOICES

LARGE = 1_000_000_000
"""Bytes of weights from which on it is asked, before a run, whether it fits the GPU."""
VERSION = 1
"""Raised by one when the code of these stages changes what they make."""

StageName = Literal["t2i", "i2v", "v2v"]
Maker = Callable[[str, list[VideoClip], int], VideoClip]


def runs(config: PipelineConfig, stage: str) -> bool:
    """Whether a stage runs networks of a public preset: not where it is off, or something else stands in for it."""
    preset = config.public
    if preset is None or stage not in preset.stages:
        return False
    if stage == "v2v" and not (config.mechanisms.v2v and config.v2v.kind == "diffusion"):
        return False
    return getattr(config, stage).source == "model"


def ready(config: PipelineConfig, stages: Sequence[str]) -> None:
    """Refuse before any work what these stages would stumble over: files, an absent GPU, too little memory."""
    preset, running = config.public, [s for s in stages if runs(config, s)]
    if preset is None or not running:
        return
    from magicvideo.stages.public.loaded import device_of

    check(_of(config, preset, running), config.preset)
    device_of(config)
    _plan(config)


def has_keys(config: PipelineConfig, stages: Sequence[str]) -> bool:
    """Whether every hash that these stages' keys are made of is known."""
    preset = config.public
    running = [s for s in stages if runs(config, s)]
    return preset is None or all(w.sha256 for w in files.wanted(_of(config, preset, running)))


def used(config: PipelineConfig) -> list[Placed]:
    """The parts that a configuration loads, each once."""
    preset = config.public
    return [] if preset is None else _of(config, preset, [s for s in preset.stages if runs(config, s)])


def _of(config: PipelineConfig, preset: Preset, stages: Sequence[str]) -> list[Placed]:
    found = [p for stage in stages for p in _parts(config, preset, cast(StageName, stage))]
    return list({p.name: p for p in found}.values())


def record(*configs: PipelineConfig) -> dict[str, Any]:
    """What a run's record says of the public weights it used; nothing where it used none."""
    parts = {p.name: p for config in configs for p in used(config)}
    return {"weights": files.used(parts.values())} if parts else {}


def depends(config: PipelineConfig, stage: str, prompt: str, seed: int, inputs: tuple[str, ...]) -> dict[str, Any]:
    """Everything the stage's clip depends on: settings, mechanisms, the preset's own data, the weights' hashes."""
    preset, name = config.public, cast(StageName, stage)
    assert preset is not None
    made, asked = config.stage(name), getattr(config, name)
    numbers = asked.model_dump(exclude=CHOICES)
    parts = _parts(config, preset, name)
    return {
        "public": [VERSION, made.model_dump(mode="json", exclude={"parts", "scheduler", "schedulers"})],
        "networks": [[p.part.network, p.part.config] for p in parts],
        "weights": digests(parts, config.preset),
        "sampler": _sampler(preset, name, asked.scheduler),
        "config": numbers | ({"window": asked.window} if getattr(asked, "window", 0) else {}),
        "arithmetic": [config.compute, config.device],
        "mechanisms": _mechanisms(config, name),
        "prompt": prompt,
        "seed": seed,
        "inputs": _inputs(config, preset, name, inputs),
        **_rounding(config, preset, name),
    }


def maker(config: PipelineConfig, stage: str) -> Maker:
    """The stage as a function of prompt, the clips before it and seed; its networks are loaded when this returns."""
    from magicvideo.stages.public import keyframes, svd
    from magicvideo.stages.public.loaded import loaded
    from magicvideo.stages.public.t2i import text_to_image

    preset, m = config.public, config.mechanisms
    assert preset is not None
    name = cast(StageName, stage)
    given = loaded(config, name, _parts(config, preset, name), choice(config))
    given.load()

    def make(prompt: str, clips: list[VideoClip], seed: int) -> VideoClip:
        with given.at_work(config.memory.attention):
            if name == "t2i":
                return text_to_image(given, config.t2i, prompt, seed)
            if name == "v2v":
                return keyframes.refine(given, config.v2v, m, prompt, clips[1], clips[0], seed)
            if given.stage.kind == "stable-video-diffusion":
                return svd.image_to_video(given, config.i2v, prompt, clips[0], seed)
            return keyframes.image_to_video(given, config.i2v, m, prompt, clips[0], seed)

    return make


def choice(config: PipelineConfig) -> Choice:
    """How the stages compute: as the configuration says, and what it leaves open as it fits the GPU."""
    found, memory = _plan(config), config.memory
    if found is not None:
        return found.choice
    parts, offload = memory.feed_forward_parts == "on", memory.offload == "on"
    return Choice(config.compute, parts=parts, offload=offload, tile=memory.tile)


def _plan(config: PipelineConfig) -> Plan | None:
    """How the run fits the GPU; None on the CPU, and for small weights. Raises `InputError` if it does not fit."""
    size = sum(file.bytes or 0 for placed in used(config) for file in placed.part.files)
    if config.device != "cuda" or size < LARGE:
        return None
    from magicvideo.estimate.needs import plan

    return plan(config)


def _rounding(config: PipelineConfig, preset: Preset, stage: StageName) -> dict[str, Any]:
    """What of the memory's settings changes a clip a little, where it was asked for."""
    memory, tiles = config.memory, preset.part(stage, "vae").part.network == "AutoencoderKL"
    found = {"tile": memory.tile and tiles, "parts": memory.feed_forward_parts == "on"}
    asked = {name: True for name, on in found.items() if on}
    return asked | ({} if memory.attention == "auto" else {"attention": memory.attention})


def _sees(config: PipelineConfig, stage: StageName) -> dict[str, bool]:
    """The two ways by which keyframes see the reference, and whether the stage uses them."""
    look = stage == "i2v" or config.mechanisms.v2v_reference
    return {name: look and bool(getattr(config.mechanisms, name)) for name in ("appearance_encoder", "controlnet")}


def _parts(config: PipelineConfig, preset: Preset, stage: StageName) -> list[Placed]:
    """The stage's parts, without those of a mechanism that is off. IP-Adapter stays: it is built into the UNet."""
    roles = preset.stages[stage].parts
    left_out = set[str]()
    if preset.stages[stage].kind == "animatediff":
        sees = _sees(config, stage)
        left_out |= {"image_encoder"} if not sees["appearance_encoder"] else set()
        left_out |= {"controlnet"} if not sees["controlnet"] else set()
    return list({name: preset.parts[name] for role, name in roles.items() if role not in left_out}.values())


def _sampler(preset: Preset, stage: StageName, asked: str) -> list[Any]:
    made = preset.stages[stage]
    name = made.scheduler if asked == "preset" else asked
    return [name, made.schedulers[cast(Any, name)]]


def _mechanisms(config: PipelineConfig, stage: StageName) -> Any:
    if stage == "t2i":
        return None
    prior = config.mechanisms.noise_prior if stage == "i2v" else None
    return [_sees(config, stage), None if prior is None or prior.kind == "none" else prior.model_dump()]


def _inputs(config: PipelineConfig, preset: Preset, stage: StageName, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """The digests of the clips that the stage looks at."""
    if stage == "t2i":
        return ()
    shift = config.mechanisms.noise_prior.kind in ("mean_shift", "frame_init") and stage == "i2v"
    always = preset.stages[stage].kind == "stable-video-diffusion"
    first = inputs[:1] if always or shift or any(_sees(config, stage).values()) else ()
    return first if stage == "i2v" else (*first, *inputs[1:2])
