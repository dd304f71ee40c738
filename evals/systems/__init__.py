"""Other systems' videos: what is known of each system's files, and how a folder of them is taken in.

The facts are data (`systems.yaml`), each with its source or "unknown".
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from magicvideo.errors import unknown_name

FILE = Path(__file__).with_name("systems.yaml")
Value = TypeVar("Value")
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture; what lies inside is kept."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Frozen, Generic[Value]):
    """A value with its source; without one it is "unknown"."""

    value: Value | Literal["unknown"]
    source: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if (self.value == "unknown") != (self.source is None):
            raise ValueError("a value needs its source, and what is unknown has none")
        return self


class NamePattern(_Frozen):
    """How a system names its downloads: a pattern for the name without suffix, with the groups `prompt` and `seed`.

    Of a prompt longer than `cut` characters the name holds only the first so many.
    """

    pattern: str
    source: str
    cut: int | None = Field(default=None, ge=1)

    @field_validator("pattern")
    @classmethod
    def _is_one(cls, pattern: str) -> str:
        if "prompt" not in re.compile(pattern).groupindex:
            raise ValueError("needs the group `prompt`")
        return pattern


class System(_Frozen):
    """What is known of a system's videos. `size` is (width, height); `crop` keeps what its watermark leaves free."""

    title: str
    size: Fact[tuple[int, int]]
    fps: Fact[float]
    seconds: Fact[float]
    frames: Fact[int] = Fact[int](value="unknown")
    watermark: Fact[str]
    crop: Fact[Box] = Fact[Box](value="unknown")
    names: tuple[NamePattern, ...] = ()

    @property
    def box(self) -> Box:
        """The crop where one is known, else the whole picture."""
        return WHOLE if self.crop.value == "unknown" else self.crop.value


@lru_cache(maxsize=1)
def known() -> dict[str, System]:
    """Every system of `systems.yaml` by its name."""
    read: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: System.model_validate(about) for name, about in read["systems"].items()}


def find(name: str) -> System:
    """The system of that name; an unknown one is an `InputError` that suggests the nearest."""
    if name not in known():
        raise unknown_name("system", name, known(), where="--system")
    return known()[name]
