"""What a preset's stages need of memory, as `magicvideo.fitting` wants to know it: counted on `meta` at two sizes.

Memory beside the weights is a straight line in the number of frames that a call takes together, since every layer works
on pictures or on the frames of one place (tests/magicvideo/test_estimate.py holds this).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal, cast

import torch
from pydantic import TypeAdapter, ValidationError

from magicvideo.checkpoints import cache_folder
from magicvideo.config import STAGES, PipelineConfig
from magicvideo.errors import InputError
from magicvideo.estimate.calls import Call, Networks, calls, vae_in, vae_out
from magicvideo.estimate.reckon import Reckoner
from magicvideo.files import read_json, write_json
from magicvideo.fitting import Plan, StageNeeds, Wish, Work, fit, free, together
from magicvideo.runs import content_key

FEW, MORE = 8, 12
"""Frames at which denoising is counted to find its line; the VAE's is found at 1 and 2."""
VERSION = 1
"""Raised by one when counting changes."""
SEAMS = 0.05
"""Of a frame's memory that tiles do not save: the frame itself, put together."""


def needs(config: PipelineConfig) -> list[StageNeeds]:
    """The needs of every stage in which networks of the preset run. Takes seconds, and no memory to speak of."""
    if config.public is None:
        raise InputError("the preset pocket fits every machine")
    reckoner = Reckoner(Networks(config.public, torch.device("meta"), torch.bfloat16))
    found = (needs_of_stage(reckoner, config, stage) for stage in STAGES if stage != "vfi")
    return [need for need in found if need.work]


def plan(config: PipelineConfig) -> Plan:
    """How this run fits the device as it is now, as it is configured: only the VAE's frames at a time are open.

    Found once a process; needs are kept in the user's cache. Raises `InputError` with need and have.
    """
    return _plan(config.model_dump_json())


@lru_cache(maxsize=8)
def _plan(told: str) -> Plan:
    config = PipelineConfig.model_validate_json(told)
    fixed = replace(wish(config), window=config.v2v.window, offload=False, tile=False)
    return fit(together(_kept(config)), free(config.device), fixed)


def _kept(config: PipelineConfig) -> list[StageNeeds]:
    """`needs`, from the user's cache if they were counted before."""
    preset = config.public
    assert preset is not None
    networks = [[p.name, p.part.network, p.part.config] for p in preset.parts.values()]
    key = content_key(["needs", VERSION, version("diffusers"), networks, config.model_dump(mode="json")])
    path = cache_folder().parent / "needs" / f"{key}.json"
    form = TypeAdapter(list[StageNeeds])
    with suppress(InputError, ValidationError):
        return form.validate_python(read_json(path))
    found = needs(config)
    with suppress(InputError):  # a cache that cannot be written costs time and nothing else
        write_json(path, form.dump_python(found, mode="json"))
    return found


def wish(config: PipelineConfig) -> Wish:
    """What a configuration leaves open: arithmetic is always said, a window only if it is not 0."""
    preset = config.public
    most = max((s.decode_at_once for s in preset.stages.values()), default=8) if preset is not None else 8
    window = max(config.i2v.window, config.v2v.window) or None
    return Wish(compute=config.compute, window=window, most_decoded=most, frames=config.i2v.frames)


def needs_of_stage(reckoner: Reckoner, config: PipelineConfig, stage: str) -> StageNeeds:
    """One stage's needs; without work where no network runs. The reckoner counts in bfloat16."""
    work, used = list[Work](), set[str]()
    few, more = ([c for c in calls(_of(config, n), stage) if not c.name.startswith("VAE")] for n in (FEW, MORE))
    for one, other in zip(few, more, strict=True):
        first, networks = reckoner.counted(stage, one)
        second, _ = reckoner.counted(stage, other)
        each = (second.memory - first.memory) / (MORE - FEW)
        by_window = stage != "t2i" and one.name.endswith("step")
        names = tuple(sorted(networks))
        if by_window:
            work.append(Work(one.name, names, first.memory - FEW * each, each, "window", config.i2v.frames))
        else:
            work.append(Work(one.name, names, first.memory, 0.0))
        used |= networks
    if work:
        for vae in _vae(reckoner, config, cast(Literal["t2i", "i2v", "v2v"], stage)):
            work.append(vae)
            used |= set(vae.networks)
    parameters = reckoner.networks.parameters()
    return StageNeeds(stage, {name: parameters[name] for name in sorted(used)}, tuple(work))


def _of(config: PipelineConfig, frames: int) -> PipelineConfig:
    """The same sizes with another number of frames, all denoised at once and, where that matters, decoded at once."""
    i2v = config.i2v.model_copy(update={"frames": frames, "window": 0})
    return config.model_copy(update={"i2v": i2v, "v2v": config.v2v.model_copy(update={"window": 0})})


def _vae(reckoner: Reckoner, config: PipelineConfig, stage: Literal["t2i", "i2v", "v2v"]) -> Iterator[Work]:
    size = getattr(config, stage).size
    out = 1 if stage == "t2i" else config.i2v.frames
    for name, frames, pass_of in (("VAE in", {"t2i": 0, "i2v": 1}.get(stage, out), vae_in), ("VAE out", out, vae_out)):
        if frames == 0:
            continue
        one, two = (reckoner.counted(stage, _call(name, n, size, pass_of(stage, n, size))) for n in (1, 2))
        each, networks = two[0].memory - one[0].memory, one[1]
        tile = _tile(reckoner.networks.part(stage, "vae"), size)
        yield Work(name, tuple(sorted(networks)), one[0].memory - each, each, "vae", frames, tile)


def _call(name: str, frames: int, size: int, run: Callable[[Networks], Any]) -> Call:
    return Call(name, 1, run, (frames, size))


def _tile(vae: Any, size: int) -> float | None:
    """The share of a frame's memory that is left with tiles as large as the VAE's training pictures."""
    if not hasattr(vae, "enable_tiling") or type(vae).__name__ != "AutoencoderKL" or vae.config.sample_size >= size:
        return None
    return float(min(1.0, (vae.config.sample_size / size) ** 2 + SEAMS))
