"""What is left to do: items, the stages each needs, and which of them the store already holds.

Pure: lists the store once, writes nothing, loads no model. A later stage's key needs the digests of the clips before
it; where one is not made yet, a placeholder stands for it, so that stages which two arms will share count once.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TypeVar

from ablations.arms import Arm
from ablations.grid import Grid
from ablations.prompts import Prompt
from magicvideo.config import PipelineConfig
from magicvideo.index import Index
from magicvideo.runs import StageRecord, Store
from magicvideo.stage_config import STAGES

BoundKey = Callable[[str, str, int, tuple[str, ...]], str]
"""(stage, prompt, seed, digests of the clips before it) -> the key of the stage's result, of one configuration."""
Keys = Callable[[PipelineConfig], BoundKey]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Item:
    """One video to make."""

    arm: Arm
    prompt: Prompt
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm.name}/{self.prompt.id}/{self.seed}"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of an item. `record` is None while it is not computed; `key` is then final only if the input is."""

    stage: str
    key: str
    record: StageRecord | None


@dataclass(frozen=True)
class Planned:
    """An item and its stages. `reason`: why the stage after the last one could not be made; None where none failed."""

    item: Item
    steps: tuple[Step, ...]
    reason: str | None = None

    @property
    def done(self) -> bool:
        return self.reason is None and all(step.record for step in self.steps)


@dataclass(frozen=True)
class Count:
    """Of one stage's uses: different ones to compute, different ones found in the store, and repeats of either."""

    compute: int
    found: int
    shared: int
    seconds: float | None
    """Predicted for those to compute, one after the other; None when none like them was ever timed here."""
    bytes: int | None
    """Predicted size of their clips."""
    peak_memory: int | None
    """Most resident memory that one found has needed."""


@dataclass(frozen=True)
class Plan:
    items: tuple[Planned, ...]

    @cached_property
    def counts(self) -> dict[str, Count]:
        """Stage -> counts, in the order the stages run."""
        return {stage: _count(self.items, place) for place, stage in enumerate(STAGES)}

    @property
    def compute(self) -> int:
        """Different stages left to compute: at most this many, as arms may turn out to make equal clips."""
        return sum(c.compute for c in self.counts.values())

    @property
    def uses(self) -> int:
        return sum(len(p.steps) for p in self.items)

    @property
    def seconds(self) -> float | None:
        """Predicted time to generate what is left, one stage after the other; None if one was never timed."""
        return _sum([c.seconds for c in self._left])

    @property
    def bytes(self) -> int | None:
        """Predicted size of the clips that are left to make; None if a stage's was never measured."""
        return _sum([c.bytes for c in self._left])

    @property
    def peak_memory(self) -> int | None:
        """Most resident memory that a process will need, by those found; None if a stage's was never measured."""
        peaks = [c.peak_memory for c in self._left]
        return None if None in peaks else max((p for p in peaks if p is not None), default=0)

    @property
    def _left(self) -> list[Count]:
        return [c for c in self.counts.values() if c.compute]


def expand(grid: Grid) -> tuple[Item, ...]:
    """Every (arm, prompt, seed), arm by arm with the full model first.

    Models stay loaded within an arm, and what an arm shares with an earlier one is found, not computed again. Arms that
    are folders of videos have nothing to make.
    """
    arms = [arm for arm in grid.arms if arm.videos is None]
    return tuple(Item(arm, prompt, seed) for arm in arms for prompt in grid.prompts for seed in grid.seeds)


def plan(items: Iterable[Item], store: Store, keys: Keys) -> Plan:
    """Look up every stage of every item in the store, as it is now."""
    bound, planned = dict[str, BoundKey](), list[Planned]()
    with _without_collection():
        looked = _Looked(Index.of(store))
        for item in items:
            if item.arm.name not in bound:
                bound[item.arm.name] = keys(item.arm.config)
            planned.append(Planned(item, _chain(item, bound[item.arm.name], looked)))
    return Plan(tuple(planned))


@contextmanager
def _without_collection() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: it would look through a million new objects again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Looked:
    """Steps by key, each looked up once."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.steps = dict[str, Step]()

    def step(self, stage: str, key: str, ready: bool) -> Step:
        found = self.steps.get(key)
        if found is None:
            found = Step(stage, key, self.index.stage(key) if ready else None)
            self.steps[key] = found
        return found


def _chain(item: Item, key: BoundKey, looked: _Looked) -> tuple[Step, ...]:
    """The stages of one item in order, each with its record if it is finished."""
    prompt, seed = item.prompt.prompt, item.seed
    steps, digests, ready = list[Step](), tuple[str, ...](), True
    for stage in STAGES:
        step = looked.step(stage, key(stage, prompt, seed, digests), ready)
        ready = step.record is not None
        steps.append(step)
        digests += (step.record.digest if step.record else f"pending:{step.key}",)
    return tuple(steps)


def _count(items: Sequence[Planned], place: int) -> Count:
    """One stage's uses. What is left is predicted from its own arm's finished ones, or else from all of the stage."""
    uses = [(p.steps[place], p.item.arm.name) for p in items if place < len(p.steps)]
    different = {step.key: (step.record, arm) for step, arm in reversed(uses)}
    found = [(record, arm) for record, arm in different.values() if record]
    left = Counter(arm for record, arm in different.values() if not record)
    peaks = [record.peak_memory for record, _ in found if record.peak_memory is not None]
    return Count(
        compute=left.total(),
        found=len(found),
        shared=len(uses) - len(different),
        seconds=_predicted(left, [(arm, record.seconds) for record, arm in found]),
        bytes=_whole(_predicted(left, [(arm, record.bytes) for record, arm in found if record.bytes is not None])),
        peak_memory=max(peaks, default=None),
    )


def _predicted(left: Mapping[str, int], known: Sequence[tuple[str, float]]) -> float | None:
    """The sum over what is left: each arm's mean, or that of all where an arm has none."""
    if not left:
        return 0.0
    if not known:
        return None
    by_arm = dict[str, list[float]]()
    for arm, value in known:
        by_arm.setdefault(arm, []).append(value)
    everywhere = fmean(value for _, value in known)
    return sum(n * (fmean(by_arm[arm]) if arm in by_arm else everywhere) for arm, n in left.items())


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _sum(values: Sequence[Number | None]) -> Number | None:
    """The sum; None if one is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
