"""Doing it: the only part of an ablation with side effects.

    RUN/run.json      what was asked; status "running" until everything below is whole, then "complete" (written last)
    RUN/items.jsonl   one line a video: its stages and their cost
    RUN/scores.jsonl  one line a score
    RUN/store/        clips and stage records        RUN/cache/  features of the metrics

Killed at any moment, the same call goes on: a finished stage is found in the store by the hash of what it depends on,
finished features in the cache, and the three files above are written from these alone, whole or not at all. Who
computes the stages (`executors`) changes nothing in them.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ablations import others
from ablations.executors import Executor, Setup
from ablations.executors.work import Engine, Halted
from ablations.grid import Grid
from ablations.grid_file import FULL
from ablations.plan import Item, Plan, Planned, expand, plan
from ablations.progress import Progress
from ablations.schedule import Schedule
from ablations.score import describe_metrics, score
from magicvideo import public
from magicvideo.errors import InputError, WriteError
from magicvideo.files import read_json, write_json, write_jsonl
from magicvideo.index import Index, pack
from magicvideo.runs import environment
from magicvideo.shared import StorePlace, store_place

Row = dict[str, Any]

HOPELESS = 10
"""So many stages that fail before one succeeds are no matter of single videos."""
NEW = 64
"""After fewer new stages most features are kept already: one process reads them before others have started."""
ROWS_EVERY = 30.0
"""Seconds between two writings of `items.jsonl` while videos are being made."""


@dataclass(frozen=True)
class Outcome:
    """What this call did: stages it computed, uses of stages that were there, and videos that could not be made."""

    run: Path
    computed: int
    reused: int
    failed: int = 0


def pocket_engine(threads: int = 1) -> Engine:
    """The reference pipeline with the weights in force."""
    from magicvideo.keys import stage_keys
    from magicvideo.pipeline import Pipeline

    return Engine(partial(Pipeline, threads=threads), stage_keys)


def plan_run(grid: Grid, out: Path, engine: Engine | None = None, store: str | None = None) -> Plan:
    """What `execute` would find and compute; writes nothing. A folder with another grid is an `InputError`."""
    _earlier(grid, out)
    return plan(expand(grid), store_place(store, out / "store").open(), (engine or pocket_engine()).keys)


def execute(
    grid: Grid,
    out: Path,
    engine: Engine | None = None,
    progress: bool = True,
    setup: Setup | None = None,
    store: str | None = None,
) -> Outcome:
    """Run or continue a grid in the folder `out`, then score it.

    `store` is a folder or an fsspec address that several runs and machines may share; by default the run has its own.
    A video that cannot be made keeps its reason in `items.jsonl`. Raises `InputError` when `out` holds another grid or
    something else, or is being worked on; when no video can be made; and `WriteError` when nothing can be written.
    """
    setup = setup or Setup()
    setup.check()
    engine = engine or pocket_engine(setup.threads)
    place = store_place(store, out / "store")
    with _alone(out):
        earlier = _earlier(grid, out)
        record = {**_record(grid, created=earlier.get("created")), **_where(place, out)}
        write_json(out / "run.json", record)
        opened = place.open()
        opened.sweep()
        schedule = Schedule(expand(grid), engine.keys, Index.of(opened).stage)
        _generate(schedule, setup, engine, place, out, progress)
        rows = item_rows(list(schedule.planned())) + others.rows(grid, opened)
        write_jsonl(out / "items.jsonl", rows)
        opened.sweep()
        pack(opened)
        cache = out / "cache"
        workers = setup.workers if not cache.exists() or schedule.computed >= NEW else 1
        scores, about = score(grid, rows, opened, cache, progress, workers, setup.threads)
        write_jsonl(out / "scores.jsonl", scores)
        metrics = {name: {**known, **about[name]} for name, known in record["metrics"].items()}
        write_json(out / "run.json", {**record, "metrics": metrics, "status": "complete"})
    uses = sum(len(row["stages"]) for row in rows)
    return Outcome(out, schedule.computed, uses - schedule.computed, sum(row["clip"] is None for row in rows))


def _generate(schedule: Schedule, setup: Setup, engine: Engine, place: StorePlace, out: Path, progress: bool) -> None:
    """Make every video that is missing. Starts no worker if there is nothing to do."""
    if schedule.finished:
        return
    todo = plan(schedule.items, place.open(), engine.keys)
    for name, arm in {p.item.arm.name: p.item.arm for p in todo.items}.items():
        left = {step.stage for p in todo.items if p.item.arm.name == name for step in p.steps if step.record is None}
        public.ready(arm.config, sorted(left))
    executor = setup.make(engine, place, todo.compute)
    try:
        with Progress(todo, executor.workers, shown=progress) as bar:
            _work_off(schedule, executor, bar, out)
    finally:
        executor.close()


def _work_off(schedule: Schedule, executor: Executor, bar: Progress, out: Path) -> None:
    written = time.monotonic()
    while not schedule.finished:
        while executor.free and (batch := schedule.batch(_size(schedule, executor))):
            executor.submit(batch)
        for answer in executor.answers(timeout=schedule.pause()):
            if isinstance(answer, Halted):
                raise WriteError(f"{answer.reason}. Finished work is kept; the same command continues")
            schedule.take(answer)
            bar.heard(answer)
        _refuse_hopeless(schedule)
        if time.monotonic() - written > ROWS_EVERY:
            write_jsonl(out / "items.jsonl", item_rows(list(schedule.planned())))
            written = time.monotonic()


def _size(schedule: Schedule, executor: Executor) -> int:
    """Stages for one batch: no more than leave something for every worker."""
    return max(1, min(executor.batch, schedule.ready // executor.workers))


def _refuse_hopeless(schedule: Schedule) -> None:
    """If nothing succeeds, it is the set-up that is wrong, and one message says more than a table without values."""
    if schedule.succeeded:
        return
    reasons = list(schedule.failed.values())
    if reasons and (schedule.finished or len(reasons) >= HOPELESS):
        raise InputError(f"no video could be made ({len(reasons)} stages failed). The first: {reasons[0]}")


def item_rows(items: Sequence[Planned]) -> list[Row]:
    """Lines of `items.jsonl`. `reused` is true where an item before it in the grid's order needed the same stage.

    So the seconds of all stages that are not reused are the run's cost, however often it was interrupted. An item that
    could not be made has the stages before the one that failed, no clip, and the reason.
    """
    seen, rows = set[str](), list[Row]()
    for planned in items:
        stages = {}
        for step in planned.steps:
            assert step.record is not None
            about = asdict(step.record)
            stages[about.pop("stage")] = {**about, "reused": step.key in seen}
            seen.add(step.key)
        clip = list(stages.values())[-1]["digest"] if planned.reason is None else None
        failed = {} if planned.reason is None else {"reason": planned.reason}
        rows.append({**_place(planned.item), "stages": stages, "clip": clip, **failed})
    return rows


def _where(place: StorePlace, out: Path) -> Row:
    """The store as `run.json` names it: relative to the run if it is inside, and the address if there is one."""
    inside = place.root == out / "store"
    shared = {} if place.address is None else {"shared_store": place.address}
    return {"store": "store" if inside else str(place.root), **shared}


def _place(item: Item) -> Row:
    prompt = item.prompt
    return {"arm": item.arm.name, "prompt_id": prompt.id, "prompt": prompt.prompt, "seed": item.seed}


def _record(grid: Grid, created: str | None) -> Row:
    """`run.json` while the run is going on."""
    return {
        "kind": "ablation",
        "name": grid.name,
        "question": grid.question,
        "created": created or datetime.now(UTC).isoformat(timespec="seconds"),
        "grid": grid.data,
        "base": FULL,
        "arms": [
            {
                "name": a.name,
                "switch": a.switch,
                "title": a.title,
                "against": a.against,
                "off": None if a.off is None else list(a.off),
                **({} if a.videos is None else {"videos": str(a.videos)}),
                "config": a.config.model_dump(mode="json"),
            }
            for a in grid.arms
        ],
        "factors": list(grid.factors),
        "truth": grid.truth,
        "score_stages": list(grid.score_stages),
        "prompts": [asdict(p) for p in grid.prompts],
        "seeds": list(grid.seeds),
        "suite": grid.suite,
        "metrics": describe_metrics(grid),
        "environment": environment(),
        **public.record(*(a.config for a in grid.arms if a.videos is None)),
        "status": "running",
    }


def _earlier(grid: Grid, out: Path) -> Row:
    """The folder's `run.json` if it is this grid's, {} for a new folder; anything else is an `InputError`."""
    path = out / "run.json"
    if not path.is_file():
        _refuse_foreign(out)
        return {}
    found, asked = read_json(path), _record(grid, None)
    if not isinstance(found, dict) or found.get("kind") != "ablation":
        raise InputError(f"{path}: not an ablation's record; choose another --out folder")
    differ = ["arms"] if _untitled(found.get("arms")) != _untitled(asked["arms"]) else []
    differ += [f for f in ("prompts", "seeds", "suite", "truth", "score_stages") if found.get(f) != asked[f]]
    differ += [f for f in ("metrics",) if list(found.get(f, {})) != list(asked[f])]
    if differ:
        raise InputError(
            f"{out} holds another grid ({found.get('name')!r}, from {found.get('created')}): "
            f"{', '.join(differ)} differ. Choose another --out folder, or delete this one"
        )
    return found


def _untitled(arms: Any) -> Any:
    """An arm is the same by whatever words a version of this program or a grid's author calls it."""
    return [{k: v for k, v in arm.items() if k != "title"} for arm in arms] if isinstance(arms, list) else arms


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out needs a folder")
    others = [p.name for p in out.iterdir() if not p.name.startswith(".")] if out.exists() else []
    if others:
        raise InputError(f"{out} is not empty and holds no run ({min(others)}, ...); choose another --out folder")


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock ends with the process, however it ends."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write to {out}: {reason}. Choose another --out folder") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{out} is being worked on by another process; wait for it or stop it") from None
        yield
