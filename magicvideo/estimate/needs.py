"""What a preset's stages need of memory, as `magicvideo.fitting` wants to know it: counted on `meta` at two sizes.

`plan` is what a run asks before it starts: what leaves the clip as it is may be chosen by free memory. What makes
another clip stands in the configuration, since it is part of the stages' keys: `fitted` puts it there where it is asked
to, and a refusal says what it would put.

Memory beside the weights is a straight line in the number of frames that a call takes together, since every layer works
on pictures or on the frames of one place (tests/magicvideo/test_estimate.py holds this).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any, cast

import torch
from pydantic import TypeAdapter, ValidationError

from magicvideo.checkpoints import cache_folder
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.estimate.calls import PER_LATENT, Call, Networks, StageName, calls, vae_in, vae_out
from magicvideo.estimate.reckon import Reckoner
from magicvideo.files import read_json, write_json
from magicvideo.fitting import Memory, Plan, StageNeeds, Wish, Work, choices, fit, free, peak, together
from magicvideo.models import public
from magicvideo.models.parts import feed_forward_in_parts
from magicvideo.runs import content_key
from magicvideo.stage_config import STAGES

FEW, MORE = 8, 12
"""Frames at which denoising is counted to find its line; the VAE's is found at 1 and 2."""
VERSION = 2
"""Raised by one when counting changes."""
TAKEN = {"auto": None, "on": True, "off": False}
FREE = {"memory", "compute", "device"}
"""Settings that needs do not depend on."""


def needs(config: PipelineConfig) -> list[StageNeeds]:
    """The needs of every stage in which networks of the preset run. Takes seconds, and no memory to speak of."""
    if config.public is None:
        raise InputError("the preset pocket fits every machine")
    reckoner = Reckoner(Networks(config.public, torch.device("meta"), torch.bfloat16))
    found = (needs_of_stage(reckoner, config, stage) for stage in STAGES if stage != "vfi")
    return [need for need in found if need.work]


def plan(config: PipelineConfig) -> Plan:
    """How this run fits the device as it is now, as it is configured: open is what makes the same clip.

    Found once a process; needs are kept in the user's cache. Raises `InputError` with need and have, and with the
    settings that would make it fit, if there are any.
    """
    return _plan(config.model_dump_json())


@lru_cache(maxsize=8)
def _plan(told: str) -> Plan:
    config = PipelineConfig.model_validate_json(told)
    here, known = free(config.device), together(_kept(config))
    try:
        return fit(known, here, wish(config))
    except InputError as error:
        raise InputError(f"{error}{_remedy(config, known, here)}") from None


def _remedy(config: PipelineConfig, known: list[StageNeeds], here: Memory) -> str:
    """The settings with which a run fits, as the end of a refusal; nothing where there are none."""
    try:
        found = fit(known, here, opened(config))
    except InputError:
        return ""
    words = " ".join(f"--set {key}={value}" for key, value in settings(config, known, found).items())
    return f". It fits with {words} (magicvideo generate --fit sets this by itself)"


def fitted(config: PipelineConfig) -> tuple[PipelineConfig, tuple[str, ...]]:
    """The configuration with what makes it fit the device as it is now, and what that changes of the clip.

    It stays as it is where it fits, and on a CPU. Raises `InputError` if nothing makes it fit.
    """
    if config.public is None or config.device == "cpu":
        return config, ()
    known = together(_kept(config))
    found = fit(known, free(config.device), opened(config))
    chosen = settings(config, known, found)
    for key, value in chosen.items():
        config = config.with_setting(key, value)
    return config, tuple(f"{key}={value}" for key, value in chosen.items())


def settings(config: PipelineConfig, known: list[StageNeeds], found: Plan) -> dict[str, str]:
    """What of a plan is part of the stages' keys, as settings: arithmetic, tiles, and windows where they are needed."""
    choice, chosen = found.choice, dict[str, str]()
    if choice.compute != config.compute:
        chosen["compute"] = choice.compute
    if choice.tile and not config.memory.tile:
        chosen["memory.tile"] = "true"
    same = replace(wish(config), compute=choice.compute, tile=choice.tile)
    for need in known if choice.window else ():
        whole = min(peak(need, other)[0] for other in choices(same))
        if whole > found.usable and any(w.kind == "window" and w.frames > choice.window for w in need.work):
            chosen[f"{need.stage}.window"] = str(choice.window)
    return chosen


def _kept(config: PipelineConfig) -> list[StageNeeds]:
    """`needs`, from the user's cache if they were counted before."""
    preset = config.public
    assert preset is not None
    networks = [[p.name, p.part.network, p.part.config] for p in preset.parts.values()]
    key = content_key(["needs", VERSION, version("diffusers"), networks, config.model_dump(mode="json", exclude=FREE)])
    path = cache_folder().parent / "needs" / f"{key}.json"
    form = TypeAdapter(list[StageNeeds])
    with suppress(InputError, ValidationError):
        return form.validate_python(read_json(path))
    found = needs(config)
    with suppress(InputError):  # a cache that cannot be written costs time and nothing else
        write_json(path, form.dump_python(found, mode="json"))
    return found


def wish(config: PipelineConfig) -> Wish:
    """What a configuration leaves open: what makes the same clip, where it does not say. Windows are in the needs."""
    preset, memory = config.public, config.memory
    most = max((s.decode_at_once for s in preset.stages.values()), default=8) if preset is not None else 8
    return Wish(
        compute=config.compute,
        window=0,
        decode_at_once=memory.decode_at_once or None,
        parts=TAKEN[memory.feed_forward_parts],
        offload=TAKEN[memory.offload],
        tile=memory.tile,
        most_decoded=most,
        frames=config.i2v.frames,
    )


def opened(config: PipelineConfig) -> Wish:
    """The same, and what makes another clip: tiles, bfloat16 for float32, windows."""
    compute = None if config.compute == "float32" else config.compute
    return replace(wish(config), compute=compute, window=None, tile=config.memory.tile or None)


def needs_of_stage(reckoner: Reckoner, config: PipelineConfig, stage: str) -> StageNeeds:
    """One stage's needs; without work where no network runs. The reckoner counts in bfloat16."""
    few, more = ([c for c in calls(_of(config, n), stage) if not c.name.startswith("VAE")] for n in (FEW, MORE))
    work = [_work(reckoner, config, stage, one, other) for one, other in zip(few, more, strict=True)]
    together = tuple(sorted({name for w in work if w.name.endswith("step") for name in w.networks}))
    work = [replace(w, networks=together) if w.name.endswith("step") else w for w in work]  # they wait for no step
    if work:
        work += _vae(reckoner, config, cast(StageName, stage))
    parameters, used = reckoner.networks.parameters(), {name for w in work for name in w.networks}
    return StageNeeds(stage, {name: parameters[name] for name in sorted(used)}, tuple(work), _wide(config, stage))


def _work(reckoner: Reckoner, config: PipelineConfig, stage: str, one: Call, other: Call) -> Work:
    """One call's memory as a line in the frames that are denoised together, whole and with feed-forward in parts."""
    first, networks = reckoner.counted(stage, one)
    names, steps = tuple(sorted(networks)), one.name.endswith("step")
    if stage == "t2i" or not steps:
        split = (_in_parts(reckoner, stage, one), 0.0) if steps else None
        return Work(one.name, names, first.memory, 0.0, parts=split)
    whole = _line(first.memory, reckoner.counted(stage, other)[0].memory)
    split = _line(_in_parts(reckoner, stage, one), _in_parts(reckoner, stage, other))
    frames, asked = config.i2v.frames, getattr(config, stage)
    if config.stage(cast(StageName, stage)).kind != "animatediff":  # no windows slide over its frames
        return Work(one.name, names, _at(whole, frames), 0.0, parts=(_at(split, frames), 0.0))
    return Work(one.name, names, *whole, "window", min(frames, asked.window or frames), parts=split)


def _line(few: float, more: float) -> tuple[float, float]:
    """(fixed, each) of what was counted at `FEW` and at `MORE` frames."""
    each = (more - few) / (MORE - FEW)
    return few - FEW * each, each


def _at(line: tuple[float, float], frames: int) -> float:
    return line[0] + line[1] * frames


def _in_parts(reckoner: Reckoner, stage: str, call: Call) -> float:
    """Memory of the call with feed-forward layers in parts."""

    def run(at: Networks) -> Any:
        with ExitStack() as stack:
            for network in at.built():
                stack.enter_context(feed_forward_in_parts(network))
            return call.run(at)

    return reckoner.counted(stage, replace(call, run=run, shape=(*call.shape, "parts")))[0].memory


def _of(config: PipelineConfig, frames: int) -> PipelineConfig:
    """The same sizes with another number of frames, all denoised at once and, where that matters, decoded at once."""
    i2v = config.i2v.model_copy(update={"frames": frames, "window": 0})
    return config.model_copy(update={"i2v": i2v, "v2v": config.v2v.model_copy(update={"window": 0})})


def _vae(reckoner: Reckoner, config: PipelineConfig, stage: StageName) -> Iterator[Work]:
    """Its two ways. One whose decoder sees frames together takes as many as the preset says."""
    size = getattr(config, stage).size
    out = 1 if stage == "t2i" else config.i2v.frames
    vae, at_once = reckoner.networks.part(stage, "vae"), config.stage(stage).decode_at_once
    for name, frames, run in (("VAE in", {"t2i": 0, "i2v": 1}.get(stage, out), vae_in), ("VAE out", out, vae_out)):
        if frames == 0:
            continue
        one, two = (reckoner.counted(stage, _call(name, n, size, run(stage, n, size))) for n in (1, 2))
        each, names = two[0].memory - one[0].memory, tuple(sorted(one[1]))
        fixed = one[0].memory - each
        if type(vae).__name__ != "AutoencoderKL":
            yield Work(name, names, fixed + each * min(frames, at_once), 0.0)
            continue
        tile = _tile(reckoner, stage, name, size, run(stage, 1, size), each)
        yield Work(name, names, fixed, each, "vae", frames, tile)


def _call(name: str, frames: int, size: int, run: Callable[[Networks], Any]) -> Call:
    return Call(name, 1, run, (frames, size))


def _tile(
    reckoner: Reckoner, stage: StageName, name: str, size: int, run: Callable[[Networks], Any], each: float
) -> float | None:
    """The share of a frame's memory that is left with tiles as large as the VAE's training pictures, as counted."""
    vae = reckoner.networks.part(stage, "vae")
    if vae.tile_sample_min_size >= size or vae.tile_latent_min_size >= size // PER_LATENT:
        return None
    vae.enable_tiling()
    try:
        found, _ = reckoner.counted(stage, _call(f"{name}, tiles", 1, size, run))
    finally:
        vae.disable_tiling()
    return float(min(1.0, found.memory / each))


def _wide(config: PipelineConfig, stage: str) -> tuple[str, ...]:
    """Networks that float16 leaves in float32."""
    preset = config.public
    if preset is None or stage not in preset.stages:
        return ()
    parts = [preset.parts[name] for name in preset.stages[stage].parts.values()]
    return tuple(p.name for p in parts if public.precision(p.part, torch.float16) != torch.float16)
