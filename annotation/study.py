"""A study as it was frozen: plan, prompts, digests of every video, seed, questions, instructions, margins, stopping
rule. The hash of all that is its name.

    STUDY/study.json    {"id": ..., "study": the bundle}; written last, so its presence means that the study is whole
    STUDY/media/        the videos as they are served, under opaque names
    STUDY/secret.key    names, invitations and pseudonyms hang on it; readable by its owner alone
    STUDY/votes.sqlite  votes, unless a database is named

The bundle names systems: it is for the owner, and no part of it but texts and questions is shown to annotators.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotation.design import Kind
from annotation.media import find_served, served_name
from annotation.terms import Choice, Example, Media, Question
from magicvideo.errors import InputError
from magicvideo.files import atomic_path, read_json, sha256, write_json
from magicvideo.runs import content_key

BUNDLE, MEDIA, SECRET, VOTES = "study.json", "media", "secret.key", "votes.sqlite"
Use = Literal["main", "copy", "original", "degraded", "example", "example_degraded"]
"""What a served video is for. Golds and examples have files of their own, so that an address never gives one away."""
OVERALL = "overall"
QUESTIONS = (
    Question(OVERALL, "Which video is better overall?", True),
    Question(
        "visual_quality",
        "Which looks better: sharpness, colours, composition?",
        False,
        ("sharper", "better colours", "fewer artefacts", "closer to the prompt"),
    ),
    Question(
        "temporal_consistency",
        "Which moves better: smooth, plausible, consistent over time?",
        False,
        ("smoother", "more motion", "more plausible motion", "less flicker", "keeps its objects"),
    ),
    Question(
        "structure",
        "Which has fewer structure errors: broken shapes, missing or extra parts?",
        False,
        ("whole shapes", "no extra parts", "no missing parts", "no melting"),
    ),
)
"""The paper's Good / Same / Bad, and its three criteria (arXiv 2401.04468, section 4)."""
INSTRUCTIONS = """You will see two videos made for the same prompt, side by side. Watch both to the end, \
then say which one is better, or that they are the same.

Judge what you see, not what you would have made of the prompt. If you really see no difference, say so: "same" is an \
answer like the others.

Some pairs come twice and some have a known answer. They show how sure one can be of the answers as a whole."""
DID_NOT_PLAY, PAGE_BROKE = "a video did not play", "the page stopped working"
SKIP_REASONS = (DID_NOT_PLAY, PAGE_BROKE, "I know these videos", "I would rather not watch this", "another reason")
FAULTS = frozenset({DID_NOT_PLAY, PAGE_BROKE})
"""Reasons that are the infrastructure's: never held against a person."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Frozen):
    """One prompt (with several videos a system: one take of it). `prompt_id` is the cluster of the statistics."""

    key: str
    prompt_id: str
    prompt: str
    stratum: str = ""


class Video(_Frozen):
    """`digest` of the clip it was made from, `served` sha256 of the file that is shown."""

    digest: str
    served: str


class Rules(_Frozen):
    """How votes are taken and read."""

    min_watched: float = Field(default=0.9, ge=0, le=1)
    fast_seconds: float = Field(default=1.0, ge=0)
    """Votes sooner than this after both videos were ready count as fast."""
    lease_minutes: float = Field(default=30, gt=0, le=24 * 60)
    most_rounds: int | None = Field(default=None, ge=1)
    """Blocks that one annotator may take; None is as many as there are."""
    margin: float = Field(default=0.05, ge=0, lt=1)
    """The largest net win that counts as equal."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Of the stopping rule: stop a pair at an e-value of 1/alpha."""


class Bundle(_Frozen):
    """All that decides what a vote of this study means."""

    format: Literal[1] = 1
    title: str
    systems: tuple[str, ...]
    items: tuple[Item, ...]
    videos: dict[str, dict[str, Video]]
    """System -> item key -> video."""
    extra: dict[str, str]
    """Use, system and item of videos beside those -> sha256 of the served file."""
    fps: float
    height: int
    width: int
    frames: dict[str, int]
    """Item key -> frames of its served videos; `height` and `width` are theirs too, in pixels."""
    questions: tuple[Question, ...] = QUESTIONS
    instructions: str = INSTRUCTIONS
    skip_reasons: tuple[str, ...] = SKIP_REASONS
    rules: Rules = Rules()
    design: dict[str, Any]
    """The settings that the plan was made by."""
    units: tuple[tuple[str, str, str], ...]
    """(item key, first system, second system)."""
    golds: tuple[tuple[Kind, str, str], ...]
    """(kind, item key, system); counted on behind the units."""
    replicates: tuple[int, ...]
    """Block -> replicate."""
    slots: tuple[tuple[int, int, Kind, int, bool], ...]
    """(block, position, kind, unit, swapped)."""
    example: tuple[str, str] | None = None
    """(item key, system) of the trained example."""

    @property
    def id(self) -> str:
        return content_key(self.model_dump(mode="json"))[:16]


@dataclass(frozen=True)
class Side:
    """One video of a slot: its system, and which of its files is shown."""

    system: str
    use: Use


@dataclass(frozen=True, eq=False)
class Study:
    """A study's folder, read and checked."""

    folder: Path
    bundle: Bundle
    secret: bytes
    id: str

    @cached_property
    def item(self) -> dict[str, Item]:
        return {item.key: item for item in self.bundle.items}

    def sides(self, kind: Kind, unit: int, swapped: bool) -> tuple[Item, Side, Side]:
        """(item, left, right) of a slot."""
        units = self.bundle.units
        if unit < len(units):
            key, a, b = units[unit]
            first, second = Side(a, "main"), Side(b, "main")
        else:
            _, key, system = self.bundle.golds[unit - len(units)]
            first, second = Side(system, "original"), Side(system, "copy" if kind == "identical" else "degraded")
        return self.item[key], *((second, first) if swapped else (first, second))

    def expected(self, kind: Kind, swapped: bool) -> Choice | None:
        """The right answer of a gold pair, None for others."""
        if kind == "identical":
            return "same"
        return None if kind != "degraded" else ("right" if swapped else "left")

    def media(self, key: str, side: Side) -> Media:
        b = self.bundle
        return Media(self.media_name(side.use, side.system, key), b.frames[key], b.fps, b.width, b.height)

    def media_name(self, use: Use, system: str, key: str) -> str:
        return served_name(self.secret, use, system, key)

    def media_path(self, name: str) -> Path:
        """The file of a served video. Raises `InputError` for anything else."""
        return find_served(self.folder / MEDIA, name)

    def examples(self) -> tuple[Example, ...]:
        """One pair with its answer, for the instructions; none in a study without."""
        if self.bundle.example is None:
            return ()
        key, system = self.bundle.example
        left, right = (self.media(key, Side(system, use)) for use in ("example_degraded", "example"))
        text = "The left video is coarse and moves in jerks; the right one is the same video untouched."
        return (Example(self.item[key].prompt, left, right, "right", text),)

    def check_media(self) -> list[str]:
        """Names of served files that are missing or not what was frozen."""
        wanted = {extra_words(words): digest for words, digest in self.bundle.extra.items()}
        for system, of in self.bundle.videos.items():
            wanted |= {("main", system, key): video.served for key, video in of.items()}
        names = {self.media_name(*words): digest for words, digest in wanted.items()}
        return [name for name, digest in names.items() if _sha256(self.folder / MEDIA / name) != digest]


def extra_key(use: Use, system: str, key: str) -> str:
    """How `Bundle.extra` names a video: its parts, tab between them."""
    return "\t".join((use, system, key))


def extra_words(text: str) -> tuple[Use, str, str]:
    use, system, key = text.split("\t")
    return use, system, key  # type: ignore[return-value]


def read_study(folder: Path) -> Study:
    """Read a study's folder. Raises `InputError`: no study, half made, changed since it was frozen, no key."""
    folder = Path(folder)
    path = folder / BUNDLE
    if not path.is_file():
        raise InputError(f"{folder}: holds no {BUNDLE}, so it is no study. `magicvideo study create` makes one")
    record = read_json(path)
    try:
        bundle = Bundle.model_validate(record["study"])
        named = str(record["id"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: field {error} is missing. Take the file from a backup") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {place}: {first['msg']}. Take the file from a backup") from None
    if bundle.id != named:
        raise InputError(
            f"{path}: the study was changed after it was frozen (it is {bundle.id}, its name says {named}). "
            "Votes would mean something else: take the file from a backup, or create a new study"
        )
    return Study(folder, bundle, read_secret(folder), named)


def write_bundle(folder: Path, bundle: Bundle) -> None:
    write_json(folder / BUNDLE, {"id": bundle.id, "study": bundle.model_dump(mode="json")})


def make_secret(folder: Path) -> bytes:
    """The study's key: kept if it is there, else 32 random bytes in a file for the owner's eyes only."""
    path = folder / SECRET
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        os.chmod(path, 0o600)
    return read_secret(folder)


def read_secret(folder: Path) -> bytes:
    path = folder / SECRET
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) < 32:
        raise InputError(
            f"{path}: no key of 64 hexadecimal digits. Without it no invitation, name or pseudonym of this study can "
            "be read: take the file from a backup"
        )
    return key


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return ""
