"""What a report says, as data: derived by `reports.ablation`, arranged by the page and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablations.effects import Effect
from reports.folder import AblationRun, Arm


@dataclass(frozen=True)
class ArmScore:
    """One metric of one arm. `value` is None when nothing could be scored; `low` and `high` are the 95 % interval."""

    arm: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int


@dataclass(frozen=True)
class StageCost:
    """Seconds a stage took per video of one arm (mean), and how many of its results were computed or reused."""

    stage: str
    seconds: float
    computed: int
    reused: int


@dataclass(frozen=True)
class ArmCost:
    """`stages` in their order; `seconds` is their sum: what one video costs when nothing is reused."""

    arm: Arm
    videos: int
    seconds: float
    stages: tuple[StageCost, ...]


@dataclass(frozen=True)
class Unscored:
    """An item without a value, and why."""

    arm: str
    metric: str
    prompt_id: str
    seed: str
    reason: str


@dataclass(frozen=True)
class Point:
    """One line of the summary: an arm and what changed in it. `style` and `mark` are those of its main verdict."""

    arm: str
    text: str
    style: str
    mark: str
    hint: bool = False


@dataclass(frozen=True)
class Banner:
    """What a reader must know first; `loud` when the numbers are not to be trusted as they are."""

    text: str
    loud: bool


@dataclass(frozen=True)
class Summary:
    headline: str
    basis: str
    """How much it rests on, in one line."""
    points: tuple[Point, ...]
    certainty: str
    """How sure the above is, and what limits it."""
    banners: tuple[Banner, ...]
    asked: str
    """The grid in words."""


@dataclass(frozen=True)
class Findings:
    """Everything a report says, derived from a run folder; the forms only arrange it."""

    run: AblationRun
    effects: tuple[Effect, ...]
    scores: tuple[ArmScore, ...]
    costs: tuple[ArmCost, ...]
    unscored: tuple[Unscored, ...]
    places: Mapping[str, int]
    """Digits after the point, for each metric."""
    command: str
    """The command that re-derives the report."""
    summary: Summary
