"""The prompts of a grid: listed in it, read from a file, or drawn from the pocket world.

Every prompt has an id: paired differences are clustered by it, so an id that appears twice is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ablations.source import Strict
from magicvideo.errors import InputError
from magicvideo.prompts import read_prompts

if TYPE_CHECKING:
    from magicvideo.world.scene import Split


@dataclass(frozen=True)
class Prompt:
    id: str
    prompt: str
    stratum: str | None = None
    """The group of prompts it belongs to, where a grid names groups."""


class PromptLine(Strict):
    """A prompt with an id of its own."""

    id: str
    prompt: str


class WorldPrompts(Strict):
    """`world` different captions drawn from the pocket world; the same `seed`, the same captions.

    `split` says which pairs of shape and colour may occur: those of training, `in_videos` or `images_only` among them,
    those held out, or all.
    """

    world: int = Field(ge=1, le=2000)
    split: Literal["train", "in_videos", "images_only", "held_out", "all"] = "held_out"
    seed: int = Field(default=0, ge=0)


class Strata(Strict):
    """Groups of prompts by name: effects are told for each group too."""

    strata: dict[str, WorldPrompts] = Field(min_length=2)


def listed(lines: Iterable[str | PromptLine], where: str) -> tuple[Prompt, ...]:
    """Prompts in their order; those without an id are p01, p02, ...

    Raises `InputError` for an empty list, an empty prompt or id, or an id that appears twice.
    """
    prompts = tuple(
        Prompt(f"p{n:02d}", line) if isinstance(line, str) else Prompt(line.id, line.prompt)
        for n, line in enumerate(lines, start=1)
    )
    if not prompts:
        raise InputError(f"{where}: holds no prompts; give at least one")
    first = dict[str, int]()
    for n, p in enumerate(prompts, start=1):
        if not p.prompt.strip():
            raise InputError(f"{where}: prompt {n} (id {p.id!r}) is empty; write it or remove it")
        if not p.id.strip():
            raise InputError(f"{where}: prompt {n} has an empty id; name it or leave the field out")
        if p.id in first:
            raise InputError(f"{where}: prompts {first[p.id]} and {n} share the id {p.id!r}; ids must differ")
        first[p.id] = n
    return prompts


def from_file(path: Path) -> tuple[Prompt, ...]:
    """Read `.txt` (one prompt a line), `.jsonl` or `.csv` (`prompt` and, if it has one, `id`)."""
    lines = read_prompts(path, named=False)
    return listed([PromptLine(id=p.id, prompt=p.prompt) if p.id else p.prompt for p in lines], str(path))


def drawn(request: WorldPrompts) -> tuple[Prompt, ...]:
    """Different captions of the pocket world, in its canonical wording; ids w01, w02, ..."""
    import numpy as np

    from magicvideo.world import Scene, caption, in_video_data, sample_scene

    in_videos = {"in_videos": True, "images_only": False}.get(request.split)
    split: Split = "train" if request.split == "in_videos" or request.split == "images_only" else request.split

    def wanted(scene: Scene) -> bool:
        return in_videos is None or in_video_data(scene.shape, scene.colour) == in_videos

    rng = np.random.default_rng(request.seed)
    captions = dict[str, None]()
    for _ in range(200 * request.world):
        scene = sample_scene(rng, split)
        if wanted(scene):
            captions[caption(scene, None)] = None
        if len(captions) == request.world:
            return tuple(Prompt(f"w{n:02d}", text) for n, text in enumerate(captions, start=1))
    raise InputError(
        f"the pocket world's split {request.split!r} gave only {len(captions)} different captions, "
        f"{request.world} were asked for; ask for fewer or use split: all"
    )


def stratified(request: Strata) -> tuple[Prompt, ...]:
    """The prompts of all groups in order; ids NAME-w01, ... of the group's name."""
    return tuple(Prompt(f"{name}-{p.id}", p.prompt, name) for name, part in request.strata.items() for p in drawn(part))
