"""The arms of a grid: the full model, switches left out, their combinations, swept settings, and what the file adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablations.fractions import fraction
from ablations.grid_file import FULL, ArmFile, GridFile
from ablations.source import Source, suggestion
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.stage_config import SWITCHES

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
    """One variant of the pipeline. `switch` is the mechanism it changes: None for the full model, or for several.

    `off` are the factors of a full factorial that this arm switches off; None for an arm that is no part of one.
    `against` is the arm it is compared with.
    """

    name: str
    switch: str | None
    title: str
    config: PipelineConfig
    off: tuple[str, ...] | None = None
    against: str = FULL
    videos: Path | None = None
    """The folder of another system's videos that stand for this arm; its configuration then means nothing."""


def arms_of(source: Source, file: GridFile, factors: dict[str, dict[str, Any]]) -> tuple[Arm, ...]:
    """All arms in the grid's order, the full model first; an `InputError` for two that are alike, or for one alone."""
    base = _changed(source, PipelineConfig(), file.base, ("base",))
    arms = dict[str, Arm]()
    _add(source, arms, Arm(FULL, None, "the full model", base, off=() if factors else None), ("base",))
    source.refuse_repeats("leave_one_out", file.leave_one_out)
    for n, switch in enumerate(file.leave_one_out):
        config = _without(source, base, switch, ("leave_one_out", n))
        _add(source, arms, Arm(f"without {switch}", switch, TITLES[switch], config), ("leave_one_out", n))
    for arm in _combinations(source, base, factors, file.fraction):
        _add(source, arms, arm, ("factorial",))
    for place, arm in _swept(source, base, file):
        _add(source, arms, arm, place)
    for n, written in enumerate(file.arms):
        _add(source, arms, _own(source, base, arms, written, n), ("arms", n))
    if len(arms) == 1:
        raise source.error("nothing to compare: name switches in leave_one_out or factorial, values in sweep, or arms")
    return tuple(arms.values())


def _own(source: Source, base: PipelineConfig, arms: dict[str, Arm], written: ArmFile, n: int) -> Arm:
    """An arm as the grid writes it. One that is compared with another than the full model says so in its title."""
    if written.videos is not None:
        return _folder(source, base, arms, written, n)
    config = _changed(source, base, written.set, ("arms", n, "set"))
    for m, switch in enumerate(written.without):
        config = _without(source, config, switch, ("arms", n, "without", m))
    other = _other(source, arms, written, n)
    title = (written.title or written.name) + ("" if other.name == FULL else f" (against: {other.title})")
    return Arm(written.name, _switch(other.config, config), title, config, against=written.against)


def _other(source: Source, arms: dict[str, Arm], written: ArmFile, n: int) -> Arm:
    if written.against not in arms:
        hint = suggestion(written.against, list(arms))
        raise source.error(f"no arm before this one is called {written.against!r}{hint}", "arms", n, "against")
    return arms[written.against]


def _folder(source: Source, base: PipelineConfig, arms: dict[str, Arm], written: ArmFile, n: int) -> Arm:
    """Another system's videos; the folder's path is relative to the grid."""
    folder = source.path.parent / Path(str(written.videos)).expanduser()
    if written.set or written.without:
        raise source.error("an arm of videos cannot set fields or leave out switches", "arms", n)
    if not folder.is_dir():
        raise source.error(f"no such folder: {folder}", "arms", n, "videos")
    _other(source, arms, written, n)
    return Arm(written.name, None, written.title or written.name, base, against=written.against, videos=folder)


def factors_of(source: Source, file: GridFile) -> dict[str, dict[str, Any]]:
    """Switch -> the setting that stands for its absence; {} where `without` does that."""
    found = dict[str, dict[str, Any]]()
    for n, entry in enumerate(file.factorial):
        pairs = {entry: None} if isinstance(entry, str) else entry
        switch = next(iter(pairs), "")
        if len(pairs) != 1 or switch not in SWITCHES:
            hint = suggestion(str(switch), list(SWITCHES))
            raise source.error(f"needs a switch, or {{switch: value}} for its absence{hint}", "factorial", n)
        if switch in found:
            raise source.error(f"{switch!r} appears twice", "factorial", n)
        found[switch] = {} if isinstance(entry, str) else dict(pairs)
    if len(found) == 1:
        raise source.error("a factorial needs two switches or more; one alone belongs into leave_one_out", "factorial")
    return found


def _combinations(
    source: Source, base: PipelineConfig, factors: dict[str, dict[str, Any]], part: str | None
) -> Iterator[Arm]:
    """All arms of the factorial, or of the asked fraction of it, but the full model: fewest switches off first."""
    for row in _rows(source, list(factors), part)[1:]:
        off = tuple(switch for switch, is_off in zip(factors, row, strict=True) if is_off)
        config = base
        for switch in off:
            place = ("factorial", list(factors).index(switch))
            setting = factors[switch]
            config = _changed(source, config, setting, place) if setting else _without(source, config, switch, place)
        name, one = f"without {', '.join(off)}", off[0] if len(off) == 1 else None
        yield Arm(name, one, _absences({switch: factors[switch] for switch in off}), config, off=off)


def _rows(source: Source, factors: list[str], part: str | None) -> list[tuple[bool, ...]]:
    """Which switches each arm has off, the full model first."""
    if part is not None and not factors:
        raise source.error("a fraction needs a factorial: name its switches there", "fraction")
    try:
        rows = fraction(factors, 1 if part is None else int(part.removeprefix("1/"))).rows if factors else ((),)
    except ValueError as error:
        raise source.error(error, "fraction") from None
    return sorted(rows, key=lambda row: (sum(row), [not r for r in row]))


def _absences(off: Mapping[str, dict[str, Any]]) -> str:
    """In words what is left out, and what is set in the place of something left out."""
    out = [TITLES[switch].removeprefix("without ") for switch, setting in off.items() if not setting]
    placed = [f"with {switch}={setting[switch]}" for switch, setting in off.items() if setting]
    joined = " and ".join([", ".join(out[:-1]), out[-1]] if len(out) > 1 else out)
    return ", ".join([f"without {joined}", *placed] if out else placed)


def _swept(source: Source, base: PipelineConfig, file: GridFile) -> Iterator[tuple[tuple[str | int, ...], Arm]]:
    """One arm a value, the base's own value left out."""
    for key, values in file.sweep.items():
        source.refuse_repeats(f"sweep.{key}", values)
        for value in values:
            config = _changed(source, base, {key: value}, ("sweep",))
            if config != base:
                name = f"{key}={value}"
                yield ("sweep", key), Arm(name, _switch(base, config), name, config)


def _add(source: Source, arms: dict[str, Arm], arm: Arm, place: tuple[str | int, ...]) -> None:
    if arm.name in arms:
        raise source.error(f"another arm is called {arm.name!r}; names must differ", *place)
    try:
        arm.config.check()
    except InputError as error:
        raise source.error(error, *place) from None
    own = [] if arm.videos else [other for other in arms.values() if not other.videos]
    same = next((other.name for other in own if other.config == arm.config), None)
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
