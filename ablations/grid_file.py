"""The form of a grid's YAML file.

name: mechanisms
question: What does each mechanism contribute?
base: {i2v.steps: 12}                                  # optional: settings of every arm
leave_one_out: [controlnet, v2v]                       # one arm each: the full model without it
factorial: [controlnet, {vfi: linear}]                 # all combinations of these switches; main effects
fraction: 1/2                                          # optional: half of these combinations, well chosen
sweep: {noise_prior.strength: [0, 0.5, 2]}             # one arm a value
arms: [{name: linear blend, set: {vfi: linear}},       # arms of your own: set fields, or list switches in `without`
       {name: other, videos: FOLDER}]                  # or another system's videos
prompts: {world: 24, split: held_out, seed: 0}         # or a list, or a file (.txt, .jsonl) relative to the grid
seeds: [0, 1]
suite: pocket
metrics: [clip_score, flicker]                         # optional: a part of the suite
margins: {clip_score: 0.01}                            # optional: the largest difference that counts as equal
truth: world                                           # optional: score against the exact render of each prompt
score_stages: [i2v, vfi]                               # optional: score the clips of these stages
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ablations.prompts import PromptLine, Strata, WorldPrompts
from ablations.source import Strict

FULL = "full"
"""The name of the arm that every other is compared with."""


class ArmFile(Strict):
    name: str = Field(min_length=1, max_length=60)
    title: str | None = None
    against: str = FULL
    set: dict[str, Any] = Field(default_factory=dict)
    without: list[str] = Field(default_factory=list)
    videos: str | None = None


def _kind(value: Any) -> str:
    """Tells pydantic which form of prompts this is: read from YAML, or a model on its way out."""
    forms: dict[type, str] = {
        str: "text",
        list: "list",
        dict: "mapping",
        PromptLine: "mapping",
        WorldPrompts: "mapping",
        Strata: "strata",
    }
    if isinstance(value, dict) and "strata" in value:
        return "strata"
    return forms.get(type(value), "other")


_Line = Annotated[Annotated[str, Tag("text")] | Annotated[PromptLine, Tag("mapping")], Discriminator(_kind)]
_Prompts = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[_Line], Tag("list")]
    | Annotated[WorldPrompts, Tag("mapping")]
    | Annotated[Strata, Tag("strata")],
    Discriminator(_kind),
]


class GridFile(Strict):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)
    question: str = ""
    base: dict[str, Any] = Field(default_factory=dict)
    leave_one_out: list[str] = Field(default_factory=list)
    factorial: list[str | dict[str, Any]] = Field(default_factory=list, max_length=8)
    fraction: Literal["1/2", "1/4", "1/8", "1/16"] | None = None
    sweep: dict[str, list[Any]] = Field(default_factory=dict)
    arms: list[ArmFile] = Field(default_factory=list)
    prompts: _Prompts
    seeds: list[Annotated[int, Field(strict=True, ge=0, lt=2**31)]] = Field(default=[0], min_length=1)
    suite: str = "pocket"
    metrics: list[str] | None = Field(default=None, min_length=1)
    margins: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    truth: Literal["world"] | None = None
    score_stages: list[Literal["t2i", "i2v", "v2v", "vfi"]] | None = Field(default=None, min_length=1)
