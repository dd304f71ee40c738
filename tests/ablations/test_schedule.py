"""Schedules: whatever order workers answer in, however many die, the same stages are made, each once."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from ablations.executors.work import Answer, Busy, Done, Failed, Lost, Task
from ablations.grid import load_grid
from ablations.plan import Item, expand, plan
from ablations.schedule import TRIES, Schedule
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.stage_config import STAGES


def made(task: Task) -> StageRecord:
    """A record with a digest that depends on the key alone."""
    return StageRecord(task.key, task.stage, content_key([task.key]), 0.1, 1, 8, 8, 8.0)


@pytest.fixture
def items(tiny: Path) -> tuple[Item, ...]:
    return expand(load_grid(tiny))


def run(schedule: Schedule, rng: random.Random, answer: object = None) -> Counter[str]:
    """Work everything off with batches of random size and answers in random order; counts what was asked for."""
    asked, open_tasks = Counter[str](), list[Task]()
    while not schedule.finished:
        while batch := schedule.batch(rng.randint(1, 4)):
            assert len({(t.stage, t.config.model_dump_json()) for t in batch}) == 1
            asked.update(t.key for t in batch)
            open_tasks += batch
        rng.shuffle(open_tasks)
        task = open_tasks.pop()
        found: Answer = answer(task) if callable(answer) else Done(task.key, made(task), computed=True)
        schedule.take(found)
    return asked


def outcome(schedule: Schedule) -> list[tuple[str, list[str], str | None]]:
    return [(p.item.name, [s.key for s in p.steps], p.reason) for p in schedule.planned()]


def test_every_order_makes_the_same_and_each_stage_once(items: tuple[Item, ...], fake: ModuleType) -> None:
    outcomes = []
    for seed in range(20):
        schedule = Schedule(items, fake.stage_keys, lambda key: None)
        asked = run(schedule, random.Random(seed))
        assert set(asked.values()) == {1}
        assert schedule.computed == 36
        outcomes.append(outcome(schedule))
    assert all(found == outcomes[0] for found in outcomes)
    assert [name for name, _, _ in outcomes[0]] == [item.name for item in items]


def test_it_computes_what_the_plan_says(items: tuple[Item, ...], fake: ModuleType, tmp_path: Path) -> None:
    planned = plan(items, Store(tmp_path / "s"), fake.stage_keys)
    schedule, stages = Schedule(items, fake.stage_keys, lambda key: None), Counter[str]()

    def count(task: Task) -> Answer:
        stages[task.stage] += 1
        return Done(task.key, made(task), computed=True)

    run(schedule, random.Random(0), count)
    assert stages == {stage: c.compute for stage, c in planned.counts.items()}


def test_one_worker_goes_arm_by_arm_and_stage_by_stage(items: tuple[Item, ...], fake: ModuleType) -> None:
    schedule, order = Schedule(items, fake.stage_keys, lambda key: None), list[tuple[int, int]]()
    arms = [arm.config for arm in dict.fromkeys(item.arm for item in items)]
    while batch := schedule.batch():
        order.append((arms.index(batch[0].config), STAGES.index(batch[0].stage)))
        schedule.take(Done(batch[0].key, made(batch[0]), computed=True))
    assert order == sorted(order)


def test_a_stage_that_fails_costs_the_videos_that_need_it(items: tuple[Item, ...], fake: ModuleType) -> None:
    schedule = Schedule(items, fake.stage_keys, lambda key: None)
    first = schedule.items[0]

    def fail(task: Task) -> Answer:
        if (
            task.stage == "i2v"
            and (task.prompt, task.seed) == (first.prompt.prompt, 0)
            and task.config == first.arm.config
        ):
            return Failed(task.key, "InputError: no")
        return Done(task.key, made(task), computed=True)

    run(schedule, random.Random(1), fail)
    reasons = {p.item.name: p.reason for p in schedule.planned() if p.reason}
    # the arm without V2V shares I2V with the full one; without ControlNet it is another stage
    assert set(reasons) == {first.name, first.name.replace("full", "without v2v")}
    assert set(reasons.values()) == {"i2v: InputError: no"}
    assert [len(p.steps) for p in schedule.planned() if p.reason] == [1, 1]


def test_a_lost_worker_is_forgiven_twice_and_its_stage_done_alone(items: tuple[Item, ...], fake: ModuleType) -> None:
    schedule = Schedule(items, fake.stage_keys, lambda key: None)
    batch = schedule.batch(4)
    assert len(batch) == 4
    for n, task in enumerate(batch):
        schedule.take(Lost(task.key, "the worker was killed", counts=n == 0))
    again = schedule.batch(4)
    assert [t.key for t in again] == [batch[0].key], "the suspect comes first, and alone"
    rest = schedule.batch(4)
    assert {t.key for t in rest} == {t.key for t in batch[1:]}
    for _ in range(TRIES - 1):
        schedule.take(Lost(batch[0].key, "the worker was killed"))
        schedule.batch(1)
    assert schedule.failed == {batch[0].key: f"t2i: the worker was killed, {TRIES} times"}


def test_what_another_process_computes_is_asked_for_later(items: tuple[Item, ...], fake: ModuleType) -> None:
    schedule = Schedule(items[:1], fake.stage_keys, lambda key: None)
    (task,) = schedule.batch()
    schedule.take(Busy(task.key))
    assert schedule.batch() == []
    assert not schedule.finished
    pause = schedule.pause()
    assert pause is not None
    assert 0 < pause < 1
    busy = Counter[str]()

    def sometimes(task: Task) -> Answer:
        busy[task.key] += 1
        return Busy(task.key) if busy[task.key] == 1 else Done(task.key, made(task), computed=False)

    while not schedule.finished:
        for task in schedule.batch(4):
            schedule.take(sometimes(task))
    assert schedule.computed == 0


def test_an_answer_that_comes_twice_counts_once(items: tuple[Item, ...], fake: ModuleType) -> None:
    schedule = Schedule(items[:1], fake.stage_keys, lambda key: None)
    (task,) = schedule.batch()
    for _ in range(2):
        schedule.take(Done(task.key, made(task), computed=True))
    assert schedule.computed == 1
