"""What may be computed now: stages whose inputs are there, in batches, each different one once.

Holds no files and starts nothing: `batch` says what to do, `take` hears what came of it. Arm by arm, and within an arm
stage by stage, so that one batch needs one set of networks.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ablations.executors.work import Busy, Done, Failed, Lost, Outcome, Task
from ablations.plan import BoundKey, Item, Keys, Planned, Step
from magicvideo.runs import StageRecord
from magicvideo.stage_config import STAGES

TRIES = 3
"""Workers that a stage may cost before it counts as failed."""
BUSY_PAUSE = (0.1, 2.0)
"""Seconds until a stage that somebody else computes is asked for again: at first, and at most."""


@dataclass
class _Stage:
    """One different stage that is not finished, and the items that wait for it."""

    task: Task
    order: tuple[int, int, int]
    waiting: list[int] = field(default_factory=list)
    lost: int = 0
    pause: float = BUSY_PAUSE[0]


@dataclass
class _Made:
    """How far an item is."""

    steps: list[Step] = field(default_factory=list)
    reason: str | None = None


class Schedule:
    """The way of every item through the four stages."""

    def __init__(self, items: Sequence[Item], keys: Keys, find: Callable[[str], StageRecord | None]) -> None:
        self.items = items
        self.computed = 0
        self._find = find
        self._keys = dict[str, BoundKey]()
        self._arms = {name: n for n, name in enumerate(dict.fromkeys(item.arm.name for item in items))}
        for item in items:
            if item.arm.name not in self._keys:
                self._keys[item.arm.name] = keys(item.arm.config)
        self._made = [_Made() for _ in items]
        self._records = dict[str, StageRecord]()
        self._failed = dict[str, str]()
        self._open = dict[str, _Stage]()
        self._ready = list[tuple[tuple[int, int, int], str]]()
        self._later = list[tuple[float, str]]()
        for n in range(len(items)):
            self._advance(n)

    @property
    def finished(self) -> bool:
        return not self._open

    @property
    def failed(self) -> dict[str, str]:
        """Key -> reason of the stages that could not be made."""
        return dict(self._failed)

    @property
    def succeeded(self) -> bool:
        """Whether any stage is there, found or computed."""
        return bool(self._records)

    @property
    def ready(self) -> int:
        """Stages that may be computed now."""
        return len(self._ready)

    def batch(self, most: int = 1) -> list[Task]:
        """Up to `most` stages to compute now, of one stage of one arm; [] when everything left waits for something."""
        self._wake()
        found = list[Task]()
        while self._ready and len(found) < most:
            stage = self._open[self._ready[0][1]]
            if found and (stage.order[:2] != self._open[found[0].key].order[:2] or stage.lost):
                break
            heapq.heappop(self._ready)
            found.append(stage.task)
            if stage.lost:  # whatever it did to its worker, it does alone
                break
        return found

    def pause(self) -> float | None:
        """Seconds until something that another process computes is to be asked for again; None if nothing is."""
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None

    def take(self, outcome: Outcome) -> None:
        """Hear what came of a stage; items that waited for it go on."""
        stage = self._open.get(outcome.key)
        if stage is None:  # a worker that was taken for lost has answered after all
            return
        if isinstance(outcome, Busy):
            heapq.heappush(self._later, (time.monotonic() + stage.pause, outcome.key))
            stage.pause = min(2 * stage.pause, BUSY_PAUSE[1])
        elif isinstance(outcome, Lost):
            self._lost(stage, outcome)
        elif isinstance(outcome, Done):
            self.computed += outcome.computed
            self._records[outcome.key] = outcome.record
            self._close(stage)
        else:
            self._fail(stage, outcome)

    def planned(self) -> Iterator[Planned]:
        """The items that are through, finished or failed, in their order."""
        for item, made in zip(self.items, self._made, strict=True):
            if made.reason is not None or len(made.steps) == len(STAGES):
                yield Planned(item, tuple(made.steps), made.reason)

    def _lost(self, stage: _Stage, outcome: Lost) -> None:
        stage.lost += outcome.counts
        if stage.lost >= TRIES:
            self._fail(stage, Failed(outcome.key, f"{outcome.reason}, {stage.lost} times"))
        else:
            heapq.heappush(self._ready, (stage.order, outcome.key))

    def _fail(self, stage: _Stage, outcome: Failed) -> None:
        self._failed[outcome.key] = f"{stage.task.stage}: {outcome.reason}"
        self._close(stage)

    def _close(self, stage: _Stage) -> None:
        del self._open[stage.task.key]
        for n in stage.waiting:
            self._advance(n)

    def _advance(self, n: int) -> None:
        """Lead an item on until a stage is not there; that one is then to be computed, once for all who need it."""
        item, made = self.items[n], self._made[n]
        key_of, prompt = self._keys[item.arm.name], item.prompt.prompt
        while len(made.steps) < len(STAGES) and made.reason is None:
            stage = STAGES[len(made.steps)]
            digests = tuple(step.record.digest for step in made.steps if step.record)
            key = key_of(stage, prompt, item.seed, digests)
            made.reason = self._failed.get(key)
            record = None if made.reason else self._records.get(key) or self._look_up(key)
            if record is not None:
                made.steps.append(Step(stage, key, record))
            elif made.reason is None:
                self._await(n, Task(key, stage, item.arm.config, prompt, item.seed, digests))
                return

    def _look_up(self, key: str) -> StageRecord | None:
        found = None if key in self._open else self._find(key)
        if found is not None:
            self._records[key] = found
        return found

    def _await(self, n: int, task: Task) -> None:
        stage = self._open.get(task.key)
        if stage is None:
            order = (self._arms[self.items[n].arm.name], STAGES.index(task.stage), n)
            stage = self._open[task.key] = _Stage(task, order)
            heapq.heappush(self._ready, (order, task.key))
        stage.waiting.append(n)

    def _wake(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            key = heapq.heappop(self._later)[1]
            heapq.heappush(self._ready, (self._open[key].order, key))
