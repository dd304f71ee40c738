"""Doing it: the only part of an ablation with side effects.

    RUN/run.json      what was asked; status "running" until everything below is whole, then "complete" (written last)
    RUN/items.jsonl   one line a video: its stages and their cost
    RUN/scores.jsonl  one line a score
    RUN/store/        clips and stage records        RUN/cache/  features of the metrics

Killed at any moment, the same call goes on: a finished stage is found in the store by the hash of what it depends on,
finished features in the cache, and the three files above are written from these alone, whole or not at all.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from ablations.grid import FULL, Grid
from ablations.plan import Item, Plan, Planned, StageKey, Step, chain, expand, plan
from ablations.score import describe_metrics, score
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json, write_jsonl
from magicvideo.runs import StageRecord, Store, environment

Row = dict[str, Any]


class PipelineLike(Protocol):
    """Makes one video; each stage's clip and record are in the store when it returns."""

    def run(self, prompt: str, seed: int) -> list[StageRecord]: ...


@dataclass(frozen=True)
class Engine:
    """How videos are made: `make` builds the pipeline of one configuration, `key` names a stage's result."""

    make: Callable[[PipelineConfig, Store], PipelineLike]
    key: StageKey


@dataclass(frozen=True)
class Outcome:
    """What this call did: stages it computed, and uses of stages that it answered from the store."""

    run: Path
    computed: int
    reused: int


def pocket_engine() -> Engine:
    """The reference pipeline with the weights in force."""
    from magicvideo.pipeline import Pipeline, stage_key

    return Engine(Pipeline, stage_key)


def plan_run(grid: Grid, out: Path, engine: Engine | None = None) -> Plan:
    """What `execute` would find and compute; writes nothing. A folder with another grid is an `InputError`."""
    _earlier(grid, out)
    return plan(expand(grid), Store(out / "store"), (engine or pocket_engine()).key)


def execute(grid: Grid, out: Path, engine: Engine | None = None, progress: bool = True) -> Outcome:
    """Run or continue a grid in the folder `out`, then score it.

    Raises `InputError` when `out` holds another grid or something else, cannot be written, or is being worked on.
    """
    engine = engine or pocket_engine()
    with _alone(out):
        earlier = _earlier(grid, out)
        record = _record(grid, created=earlier.get("created"))
        write_json(out / "run.json", record)
        store = _Watched(out / "store")
        todo = plan(expand(grid), store, engine.key)
        rows = _generate(todo, store, engine, out, progress)
        scores, about = score(grid, rows, store, cache=out / "cache", progress=progress)
        write_jsonl(out / "scores.jsonl", scores)
        metrics = {name: {**known, **about[name]} for name, known in record["metrics"].items()}
        write_json(out / "run.json", {**record, "metrics": metrics, "status": "complete"})
    return Outcome(out, store.computed, sum(len(r["stages"]) for r in rows) - store.computed)


class _Watched(Store):
    """The store, counting the stages computed through it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.computed = 0
        self.watch: Callable[[], object] = int

    def put_stage(self, record: StageRecord) -> None:
        super().put_stage(record)
        self.computed += 1
        self.watch()


def _generate(todo: Plan, store: _Watched, engine: Engine, out: Path, progress: bool) -> list[Row]:
    """Make every video that is missing; returns all rows, which are also in `items.jsonl` after each arm."""
    made = list[Planned]()
    with tqdm(total=todo.compute, unit="stage", file=sys.stderr, mininterval=0.5, disable=not progress) as bar:
        store.watch = bar.update
        for arm, group in groupby((p.item for p in todo.items), key=lambda item: item.arm):
            bar.set_description(arm.name)
            made += _one_arm(list(group), store, engine)
            rows = item_rows(made)
            write_jsonl(out / "items.jsonl", rows)
    return rows


def _one_arm(items: Sequence[Item], store: _Watched, engine: Engine) -> Iterator[Planned]:
    """The arm's items with their stages finished. The pipeline is built only if something is missing."""
    pipeline = None
    for item in items:
        planned = Planned(item, chain(item, store, engine.key))
        if not planned.done:
            pipeline = pipeline or engine.make(item.arm.config, store)
            records = pipeline.run(item.prompt.prompt, item.seed)
            planned = replace(planned, steps=tuple(Step(r.stage, r.key, r) for r in records))
        yield planned


def item_rows(items: Sequence[Planned]) -> list[Row]:
    """Lines of `items.jsonl`. `reused` is true where an item before it in the grid's order needed the same stage.

    So the seconds of all stages that are not reused are the run's cost, however often it was interrupted.
    """
    seen, rows = set[str](), list[Row]()
    for planned in items:
        stages = {}
        for step in planned.steps:
            assert step.record is not None
            about = asdict(step.record)
            stages[about.pop("stage")] = {**about, "reused": step.key in seen}
            seen.add(step.key)
        rows.append({**_place(planned.item), "stages": stages, "clip": list(stages.values())[-1]["digest"]})
    return rows


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
        "store": "store",
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
    differ = [f for f in ("arms", "prompts", "seeds", "suite", "truth", "score_stages") if found.get(f) != asked[f]]
    differ += [f for f in ("metrics",) if list(found.get(f, {})) != list(asked[f])]
    if differ:
        raise InputError(
            f"{out} holds another grid ({found.get('name')!r}, from {found.get('created')}): "
            f"{', '.join(differ)} differ. Choose another --out folder, or delete this one"
        )
    return found


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
