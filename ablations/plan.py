"""What is left to do: items, the stages each needs, and which of them the store already holds.

Pure: reads the store, writes nothing, loads no model. A later stage's key needs the digests of the clips before it;
where one is not made yet, a placeholder stands for it, so that stages which two arms will share count once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from ablations.grid import Arm, Grid
from ablations.prompts import Prompt
from magicvideo.config import STAGES, PipelineConfig
from magicvideo.runs import StageRecord, Store

StageKey = Callable[[PipelineConfig, str, str, int, tuple[str, ...]], str]
"""(configuration, stage, prompt, seed, digests of the clips before it) -> the key of the stage's result."""


@dataclass(frozen=True)
class Item:
    """One video to make."""

    arm: Arm
    prompt: Prompt
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm.name}/{self.prompt.id}/{self.seed}"


@dataclass(frozen=True)
class Step:
    """One stage of an item. `record` is None while it is not computed; `key` is then final only if the input is."""

    stage: str
    key: str
    record: StageRecord | None


@dataclass(frozen=True)
class Planned:
    item: Item
    steps: tuple[Step, ...]

    @property
    def done(self) -> bool:
        return all(step.record for step in self.steps)


@dataclass(frozen=True)
class Count:
    """Of one stage's uses: different ones to compute, different ones found in the store, and repeats of either."""

    compute: int
    found: int
    shared: int
    seconds: float | None
    """Mean seconds of those found: what one more will about cost. None when none was found."""


@dataclass(frozen=True)
class Plan:
    items: tuple[Planned, ...]

    @cached_property
    def counts(self) -> dict[str, Count]:
        """Stage -> counts, in the order the stages run."""
        return {stage: _count(_uses(self.items, stage)) for stage in STAGES}

    @property
    def compute(self) -> int:
        """Different stages left to compute: at most this many, as arms may turn out to make equal clips."""
        return sum(c.compute for c in self.counts.values())

    @property
    def uses(self) -> int:
        return sum(len(p.steps) for p in self.items)

    @property
    def seconds(self) -> float | None:
        """Predicted time to generate what is left; None when a stage to compute was never timed."""
        left = [c for c in self.counts.values() if c.compute]
        if any(c.seconds is None for c in left):
            return None
        return sum(c.compute * (c.seconds or 0.0) for c in left)


def expand(grid: Grid) -> tuple[Item, ...]:
    """Every (arm, prompt, seed), arm by arm with the full model first.

    Models stay loaded within an arm, and what an arm shares with an earlier one is found, not computed again.
    """
    return tuple(Item(arm, prompt, seed) for arm in grid.arms for prompt in grid.prompts for seed in grid.seeds)


def plan(items: Iterable[Item], store: Store, key: StageKey) -> Plan:
    """Look up every stage of every item in the store."""
    return Plan(tuple(Planned(item, chain(item, store, key)) for item in items))


def chain(item: Item, store: Store, key: StageKey) -> tuple[Step, ...]:
    """The stages of one item in order, each with its record if it is finished."""
    steps, digests = list[Step](), list[str]()
    for stage in STAGES:
        name = key(item.arm.config, stage, item.prompt.prompt, item.seed, tuple(digests))
        record = None if steps and steps[-1].record is None else store.stage(name)
        steps.append(Step(stage, name, record))
        digests.append(record.digest if record else f"pending:{name}")
    return tuple(steps)


def _uses(items: Iterable[Planned], stage: str) -> list[Step]:
    return [step for planned in items for step in planned.steps if step.stage == stage]


def _count(uses: list[Step]) -> Count:
    different = {step.key: step.record for step in uses}
    found = [record.seconds for record in different.values() if record]
    return Count(
        compute=len(different) - len(found),
        found=len(found),
        shared=len(uses) - len(different),
        seconds=sum(found) / len(found) if found else None,
    )
