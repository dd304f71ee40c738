"""Presets as data: which public weights make which stage, with what settings, under which licences.

    presets/NAME.yaml                a preset: its stages, the defaults it changes, the switches it lacks and why
    presets/repositories/NAME.yaml   a public repository: revision, licence, its networks' architectures and files

`pocket` has no file: its weights ship with the package. A preset of one's own is a path to such a file; repositories
that it names are looked for in the folder `repositories` beside it, then among the shipped ones.
Knows names, numbers and hashes. Does not know torch, nor where files lie (`presets.files`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from magicvideo.errors import InputError, unknown_name

POCKET = "pocket"
SHIPPED = Path(__file__).parent
SUFFIX = ".yaml"
SAFE = ".safetensors"

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, and ten times as fast where it was compiled

Network = Literal[
    "UNet2DConditionModel",
    "UNetSpatioTemporalConditionModel",
    "MotionAdapter",
    "ControlNetModel",
    "AutoencoderKL",
    "AutoencoderKLTemporalDecoder",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPVisionModelWithProjection",
    "IPAdapter",
    "CLIPTokenizer",
]
"""Classes of diffusers and transformers. `IPAdapter` is a file of projections that go into a UNet, `CLIPTokenizer` a
vocabulary: neither is a network by itself."""
Kind = Literal["stable-diffusion", "stable-diffusion-xl", "animatediff", "stable-video-diffusion"]
SchedulerName = Literal["ddim", "euler", "dpm++"]

ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "stable-diffusion": {
        "tokenizer": ("CLIPTokenizer",),
        "text_encoder": ("CLIPTextModel",),
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
    },
    "stable-video-diffusion": {
        "image_encoder": ("CLIPVisionModelWithProjection",),
        "unet": ("UNetSpatioTemporalConditionModel",),
        "vae": ("AutoencoderKLTemporalDecoder",),
    },
}
ROLES["stable-diffusion-xl"] = {
    **ROLES["stable-diffusion"],
    "tokenizer_2": ("CLIPTokenizer",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
}
ROLES["animatediff"] = {
    **ROLES["stable-diffusion"],
    "motion_adapter": ("MotionAdapter",),
    "image_encoder": ("CLIPVisionModelWithProjection",),
    "ip_adapter": ("IPAdapter",),
    "controlnet": ("ControlNetModel",),
}
"""Kind of stage -> its parts and the classes that each may be."""


_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
"""One step of a path: never up, never hidden."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Frozen):
    """One file of a repository. `sha256` is None where no source that can be cited states it: then the first use
    has to be explicit (`presets.files`)."""

    path: str = Field(pattern=rf"^{_WORD}(/{_WORD})*$")
    bytes: int | None = Field(default=None, gt=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class Part(_Frozen):
    """One network: its class, the arguments that it is built with (the public config.json), and its files."""

    network: Network
    config: dict[str, Any] = {}
    files: tuple[File, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        wrong = [f.path for f in self.files if not f.path.endswith(SAFE) and self.network != "CLIPTokenizer"]
        if wrong:
            raise ValueError(f"{wrong[0]}: weights are read from {SAFE} files alone; unpickling others runs their code")
        return self


class Repository(_Frozen):
    """A public repository at one revision. `hashes` says where sizes and hashes were learnt."""

    repository: str = Field(pattern=rf"^{_WORD}/{_WORD}$")
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    licence: str
    terms: str
    """Where the licence can be read."""
    hashes: str
    parts: dict[str, Part]


class Placed(_Frozen):
    """A part with the repository that holds it; `name` is repository file and part, such as sd15/unet."""

    name: str
    repository: str
    revision: str | None
    licence: str
    terms: str
    part: Part


class Stage(_Frozen):
    """What makes one stage: the kind of pipeline, its parts by role, its schedules, and what it does with them.

    `schedule` holds arguments of the scheduler's class, those that all schedulers of the stage share; `schedulers` adds
    to them by name, and lists the ones that the stage may be run with.
    """

    kind: Kind
    parts: dict[str, str] = {}
    scheduler: SchedulerName
    schedule: dict[str, Any] = {}
    schedulers: dict[SchedulerName, dict[str, Any]] = {}
    negative_prompt: str = ""
    control_scale: float = Field(default=1.0, ge=0, le=4)
    control_end: float = Field(default=1.0, gt=0, le=1, exclude_if=lambda value: value == 1)
    """Share of the steps, from the first, in which the ControlNet runs; diffusers' `control_guidance_end`."""
    appearance_scale: float = Field(default=1.0, ge=0, le=4)
    decode_at_once: int = Field(default=8, ge=1)
    """Frames that the VAE works on together."""
    least_guidance: float = Field(default=1.0, ge=0)
    """Guidance of the first frame (Stable Video Diffusion raises it linearly to the last)."""
    noise_aug: float = Field(default=0.02, ge=0)
    motion_bucket: int = Field(default=127, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        roles = set(ROLES[self.kind])
        if missing := roles - set(self.parts):
            raise ValueError(f"a stage of kind {self.kind} lacks the parts {', '.join(sorted(missing))}")
        if unknown := set(self.parts) - roles:
            raise ValueError(f"a stage of kind {self.kind} has no parts {', '.join(sorted(unknown))}")
        if self.scheduler not in self.schedulers:
            known = ", ".join(self.schedulers) or "none"
            raise ValueError(f"scheduler {self.scheduler!r} is not among its schedulers ({known})")
        return self


def controlled(steps: int, end: float) -> int:
    """In how many of the steps, from the first, a ControlNet runs that sees the share `end` of them: none that would
    lie beyond it even in part, as in diffusers' pipelines, but always the first."""
    return max(1, sum((n + 1) / steps <= end for n in range(steps)))


class Preset(_Frozen):
    """A preset with its parts found. `lacks` says of each switch that it does not have why."""

    name: str
    title: str
    description: str
    defaults: dict[str, Any] = {}
    """Settings that differ from the pocket preset's, as nested plain data."""
    lacks: dict[str, str] = {}
    stages: dict[Literal["t2i", "i2v", "v2v"], Stage]
    parts: dict[str, Placed]
    """Name -> part, of all stages."""

    def part(self, stage: Literal["t2i", "i2v", "v2v"], role: str) -> Placed:
        return self.parts[self.stages[stage].parts[role]]

    def most_frames(self, stage: Literal["i2v", "v2v"]) -> int | None:
        """Frames that the stage's networks tell apart at once; None if it has no networks of its own."""
        made = self.stages.get(stage)
        if made is None:
            return None
        if made.kind == "animatediff":
            return int(self.part(stage, "motion_adapter").part.config["motion_max_seq_length"])
        return int(self.part(stage, "unet").part.config["num_frames"])

    def parts_of(self, *stages: str) -> list[Placed]:
        """The parts of these stages (of all, without any), each once, in the order of the file."""
        names = [n for s, made in self.stages.items() if not stages or s in stages for n in made.parts.values()]
        return [self.parts[name] for name in dict.fromkeys(names)]


class _PresetFile(_Frozen):
    title: str
    description: str
    defaults: dict[str, Any] = {}
    lacks: dict[str, str] = {}
    stages: dict[Literal["t2i", "i2v", "v2v"], Stage]


def names() -> list[str]:
    """The presets that ship, `pocket` first."""
    return [POCKET, *sorted(p.stem for p in SHIPPED.glob(f"*{SUFFIX}"))]


def exists(name: str) -> str:
    """The name itself, or an `InputError` that suggests the nearest one. A path to a file counts as a name."""
    if name in names() or (name.endswith(SUFFIX) and Path(name).is_file()):
        return name
    if name.endswith(SUFFIX):
        raise InputError(f"preset {name}: no such file")
    raise unknown_name("preset", name, names())


def read(name: str) -> Preset:
    """A preset by name or path. Raises `InputError` naming file and field."""
    path = Path(name) if name.endswith(SUFFIX) else SHIPPED / f"{exists(name)}{SUFFIX}"
    if name == POCKET:
        raise InputError("the preset pocket is part of the package and has no file of public weights")
    exists(name)
    return _read(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, modified: int) -> Preset:
    file = _parsed(path, _PresetFile)
    parts = dict[str, Placed]()
    for stage, made in file.stages.items():
        for role, name in made.parts.items():
            where = f"{path}: stages.{stage}.parts.{role}"
            parts[name] = placed = _placed(path.parent, name, where)
            if placed.part.network not in (fits := ROLES[made.kind][role]):
                raise InputError(f"{where}: {name} is a {placed.part.network}, needed is {' or '.join(fits)}")
    return Preset(name=path.stem, parts=parts, **{n: getattr(file, n) for n in _PresetFile.model_fields})


def _placed(folder: Path, name: str, where: str) -> Placed:
    repository, slash, part = name.partition("/")
    places = [f / "repositories" / f"{repository}{SUFFIX}" for f in dict.fromkeys((folder, SHIPPED))]
    path = next((p for p in places if p.is_file()), None)
    if not slash or path is None:
        raise InputError(f"{where}: {name!r} is not REPOSITORY/PART with a file {places[-1]}")
    found = _parsed(path, Repository)
    if part not in found.parts:
        raise unknown_name("part", part, found.parts, where=f"{path} ({where})")
    kept = {n: getattr(found, n) for n in ("repository", "revision", "licence", "terms")}
    return Placed(name=name, part=found.parts[part], **kept)


Parsed = TypeVar("Parsed", bound=BaseModel)


def _parsed(path: Path, form: type[Parsed]) -> Parsed:
    try:
        return form.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error})") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, p['loc'])) or 'file'}: {p['msg']}" for p in error.errors()]
        raise InputError(f"{path}: " + "; ".join(lines)) from None
