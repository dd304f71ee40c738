"""What to vary: a grid is data, checked whole before any work begins.

A YAML file names the question, the base settings, the switches to leave out one at a time, further arms, prompts and
seeds. `load_grid` turns it into arms with a full `PipelineConfig` each. Does not know models or metrics' code.

    name: mechanisms
    question: What does each mechanism contribute?
    base: {i2v.steps: 12}                                  # optional: settings of every arm
    leave_one_out: [controlnet, v2v]                       # one arm each: the full model without it
    arms: [{name: linear blend, set: {vfi: linear}}]       # arms of your own: set fields, or list switches in `without`
    prompts: {world: 24, split: held_out, seed: 0}         # or a list, or a file (.txt, .jsonl) relative to the grid
    seeds: [0, 1]
    suite: pocket
    metrics: [clip_score, flicker]                         # optional: a part of the suite
    margins: {clip_score: 0.01}                            # optional: the largest difference that counts as equal
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ablations.prompts import Prompt, PromptLine, WorldPrompts, drawn, from_file, listed
from ablations.source import Source, Strict, read_source, suggestion
from evals import SUITES
from magicvideo.config import SWITCHES, PipelineConfig
from magicvideo.errors import InputError

FULL = "full"
"""The name of the arm that every other is compared with."""

TITLES = {
    "noise_prior": "without the noise prior",
    "appearance_encoder": "without the appearance encoder",
    "controlnet": "without the ControlNet",
    "joint_training": "without joint image-video training",
    "v2v": "without V2V (bicubic upscaling)",
    "v2v_reference": "without the reference in V2V",
    "vfi": "without VFI (keyframes only)",
}


@dataclass(frozen=True)
class Arm:
    """One variant of the pipeline. `switch` is the mechanism it changes: None for the full model, or for several."""

    name: str
    switch: str | None
    title: str
    config: PipelineConfig


@dataclass(frozen=True)
class Grid:
    """A checked grid. `arms[0]` is the full model; `data` is the grid as it was written, plain data."""

    name: str
    question: str
    arms: tuple[Arm, ...]
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    suite: str
    metrics: tuple[str, ...] | None
    margins: dict[str, float]
    data: dict[str, Any]


class _ArmFile(Strict):
    name: str = Field(min_length=1, max_length=60)
    title: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    without: list[str] = Field(default_factory=list)


def _kind(value: Any) -> str:
    """Tells pydantic which form of prompts this is: read from YAML, or a model on its way out."""
    forms: dict[type, str] = {
        str: "text",
        list: "list",
        dict: "mapping",
        PromptLine: "mapping",
        WorldPrompts: "mapping",
    }
    return forms.get(type(value), "other")


_Line = Annotated[Annotated[str, Tag("text")] | Annotated[PromptLine, Tag("mapping")], Discriminator(_kind)]
_Prompts = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[_Line], Tag("list")] | Annotated[WorldPrompts, Tag("mapping")],
    Discriminator(_kind),
]


class _GridFile(Strict):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)
    question: str = ""
    base: dict[str, Any] = Field(default_factory=dict)
    leave_one_out: list[str] = Field(default_factory=list)
    arms: list[_ArmFile] = Field(default_factory=list)
    prompts: _Prompts
    seeds: list[Annotated[int, Field(strict=True, ge=0, lt=2**31)]] = Field(default=[0], min_length=1)
    suite: str = "pocket"
    metrics: list[str] | None = Field(default=None, min_length=1)
    margins: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)


def load_grid(path: Path) -> Grid:
    """Read and check a grid. Every `InputError` names file, line and field, and comes before any work."""
    source = read_source(path)
    file = source.parse(_GridFile)
    _refuse_repeats(source, "seeds", file.seeds)
    _check_metrics(source, file)
    return Grid(
        name=file.name,
        question=file.question.strip(),
        arms=_arms(source, file),
        prompts=_prompts(source, file),
        seeds=tuple(file.seeds),
        suite=file.suite,
        metrics=tuple(file.metrics) if file.metrics else None,
        margins=file.margins,
        data=file.model_dump(mode="json", exclude_unset=True),
    )


def _arms(source: Source, file: _GridFile) -> tuple[Arm, ...]:
    base = _changed(source, PipelineConfig(), file.base, ("base",))
    arms = {FULL: Arm(FULL, None, "the full model", base)}
    _refuse_repeats(source, "leave_one_out", file.leave_one_out)
    for n, switch in enumerate(file.leave_one_out):
        config = _without(source, base, switch, ("leave_one_out", n))
        _add(source, arms, Arm(f"without {switch}", switch, TITLES[switch], config), ("leave_one_out", n))
    for n, arm in enumerate(file.arms):
        config = _changed(source, base, arm.set, ("arms", n, "set"))
        for m, switch in enumerate(arm.without):
            config = _without(source, config, switch, ("arms", n, "without", m))
        _add(source, arms, Arm(arm.name, _switch(base, config), arm.title or arm.name, config), ("arms", n))
    if len(arms) == 1:
        raise source.error("nothing to compare: name switches in leave_one_out, or arms")
    return tuple(arms.values())


def _add(source: Source, arms: dict[str, Arm], arm: Arm, place: tuple[str | int, ...]) -> None:
    if arm.name in arms:
        raise source.error(f"another arm is called {arm.name!r}; names must differ", *place)
    same = next((other.name for other in arms.values() if other.config == arm.config), None)
    if same is not None:
        raise source.error(f"the arm {arm.name!r} is configured like {same!r}: it would show nothing", *place)
    arms[arm.name] = arm


def _changed(
    source: Source, config: PipelineConfig, settings: dict[str, Any], place: tuple[str | int, ...]
) -> PipelineConfig:
    for key, value in settings.items():
        try:
            config = config.with_setting(key, value)
        except InputError as error:
            raise source.error(error, *place, key) from None
    return config


def _without(source: Source, config: PipelineConfig, switch: str, place: tuple[str | int, ...]) -> PipelineConfig:
    try:
        return config.without(switch)
    except InputError as error:
        raise source.error(error, *place) from None


def _switch(base: PipelineConfig, config: PipelineConfig) -> str | None:
    """The mechanism in which two configurations differ, if it is one and nothing else differs."""
    if config.model_copy(update={"mechanisms": base.mechanisms}) != base:
        return None
    differ = [s for s in SWITCHES if getattr(config.mechanisms, s) != getattr(base.mechanisms, s)]
    return differ[0] if len(differ) == 1 else None


def _prompts(source: Source, file: _GridFile) -> tuple[Prompt, ...]:
    if isinstance(file.prompts, WorldPrompts):
        return drawn(file.prompts)
    if isinstance(file.prompts, list):
        return listed(file.prompts, source.where("prompts"))
    try:
        return from_file(source.path.parent / file.prompts)
    except InputError as error:
        raise source.error(error, "prompts") from None


def _check_metrics(source: Source, file: _GridFile) -> None:
    """Suite and metrics must be known to `evals`; a margin needs a metric that is scored."""
    if file.suite not in SUITES:
        raise source.error(f"unknown suite {file.suite!r}{suggestion(file.suite, list(SUITES))}", "suite")
    known = list(SUITES[file.suite].names)
    for n, name in enumerate(file.metrics or []):
        if name not in known:
            raise source.error(f"unknown metric {name!r}{suggestion(name, known)}", "metrics", n)
    _refuse_repeats(source, "metrics", file.metrics or [])
    scored = file.metrics or known
    for name in file.margins:
        if name not in scored:
            raise source.error(f"unknown metric {name!r}{suggestion(name, scored)}", "margins", name)


def _refuse_repeats(source: Source, field: str, values: list[Any]) -> None:
    for n, value in enumerate(values):
        if value in values[:n]:
            raise source.error(f"{value!r} appears twice", field, n)
