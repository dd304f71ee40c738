"""One side of a comparison: a run folder of `magicvideo evaluate --out`, or one arm of an ablation (RUN:ARM).

Both are read into the same frozen values: scores by metric and item, prompts, clips, and the seconds that stages took,
as metrics of their own. Items of an arm are "prompt/seed", those of an evaluation the videos' names, without the mark
that `magicvideo generate` puts behind a variant's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from evals.compare import Scored, Values, by_item, read_scores
from evals.metric import Score
from magicvideo.errors import InputError, unknown_name
from magicvideo.files import read_json, read_jsonl
from magicvideo.stage_config import STAGES
from reports.folder import AblationRun, Metric, metric_about
from reports.folder import read_run as read_ablation

SPEED = "seconds"
"""Metrics of time: `seconds` of the whole video, `seconds_t2i` and so on of its stages."""

VARIANT = re.compile(r"(-seed\d+)-(?!.*-seed\d)[^/]+$")
"""The mark behind the seed, in a name that `magicvideo generate` gave."""


@dataclass(frozen=True)
class Side:
    """What is compared. `scored` also holds the metrics of time where the run knows them."""

    name: str
    """As the user wrote it: a folder, or RUN:ARM."""
    path: Path
    scored: Scored
    about: Mapping[str, Metric]
    prompts: Mapping[str, str]
    """Prompt id -> text."""
    items: Mapping[str, str]
    """Item -> prompt id, of every video, scored or not."""
    clips: Mapping[str, Path]
    """Item -> the clip that was scored, as recorded; it need not be there any more."""
    reasons: Mapping[str, Mapping[str, str]]
    """Metric -> item -> why there is no value."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    arm: str | None = None


def read_side(text: str | Path) -> Side:
    """Read FOLDER or RUN:ARM. Raises `InputError` for what is neither, is unfinished, or has no such arm."""
    path, arm = split_name(str(text))
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. Give what `magicvideo evaluate --out` wrote, or RUN:ARM")
    if not (path / "run.json").exists():
        raise InputError(f"{path}: holds no run.json, so it is no run; make one with `magicvideo evaluate --out`")
    record = read_json(path / "run.json")
    kind = record.get("kind") if isinstance(record, dict) else None
    if kind not in ("evaluation", "ablation"):
        raise InputError(f"{path / 'run.json'}: kind is {kind!r}, expected 'evaluation' or 'ablation'")
    if kind == "ablation":
        return _of_arm(str(text), read_ablation(path), arm)
    if arm is not None:
        raise InputError(f"{text}: {path} is an evaluation and has no arms; give {path} alone")
    if record.get("status") != "complete" or not (path / "summary.json").exists():
        raise InputError(f"{path}: this evaluation is not finished; run `magicvideo evaluate` again, it goes on")
    try:
        return _of_evaluation(str(text), path, record)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: field {error} is missing or of the wrong kind; evaluate the videos again") from None


def split_name(text: str) -> tuple[Path, str | None]:
    """(folder, arm); a folder whose own name holds a colon is a folder."""
    path, colon, arm = text.rpartition(":")
    if not colon or not path or Path(text).is_dir():
        return Path(text), None
    return Path(path), arm


def _of_evaluation(name: str, path: Path, record: Mapping[str, Any]) -> Side:
    scores = read_scores(path)
    rows, told = _unmarked(read_jsonl(path / "scores.jsonl"), record["items"])
    items = {str(item["item"]): str(item["prompt_id"]) for item in told}
    made = {str(item["item"]): item["made"] for item in told if item.get("made")}
    times = _times({item: (items[item], m["seconds"], str(m.get("processor") or "")) for item, m in made.items()})
    about = {name: metric_about(name, about) for name, about in record["metrics"].items()}
    return Side(
        name=name,
        path=path,
        scored=_with_times(Scored(name, scores, by_item(rows)), times),
        about={**about, **times.about},
        prompts={str(item["prompt_id"]): str(item.get("prompt") or item["prompt_id"]) for item in told},
        items=items,
        clips={str(item["item"]): Path(str(item["clip"])) for item in told},
        reasons=_reasons(rows),
        environment=record.get("environment") or {},
        created=str(record.get("created") or ""),
    )


def _unmarked(rows: list[Any], items: list[Any]) -> tuple[list[Any], list[Any]]:
    """Score lines and items with the names that pair: of what `magicvideo generate` made, PROMPT-seedN, so that a
    variant (PROMPT-seedN-7fd721) meets its base. As they are, where two would then have one name."""
    names = {item["item"]: VARIANT.sub(r"\1", item["item"]) for item in items if item.get("made")}
    others = {item["item"] for item in items} - names.keys()
    if len({*names.values(), *others}) < len(items):
        return rows, items
    if all(name == pairs for name, pairs in names.items()):
        return rows, items
    rows, items = ([{**one, "item": names.get(one["item"], one["item"])} for one in some] for some in (rows, items))
    return rows, items


def _of_arm(name: str, run: AblationRun, arm: str | None) -> Side:
    known = [a.name for a in run.arms]
    if arm is None:
        raise InputError(f"{run.path} is an ablation; name one of its arms, e.g. {run.path}:{known[0]} ({len(known)})")
    if arm not in known:
        raise unknown_name("arm", arm, known, str(run.path))
    if not run.complete:
        raise InputError(f"{run.path}: this run is not finished; `magicvideo ablate` goes on with it")
    mine = [{**row, "item": f"{row.get('prompt_id')}/{row.get('seed')}"} for row in run.scores if row["arm"] == arm]
    rows = [row for row in mine if row.get("prompt_id") is not None]
    values, reasons = by_item(rows), _reasons(rows)
    totals = {row["metric"]: row for row in mine if row.get("prompt_id") is None}
    made = {f"{item['prompt_id']}/{item['seed']}": item for item in run.items if item["arm"] == arm}
    processor = str((run.record.get("environment") or {}).get("processor") or "")
    times = _times(
        {
            item: (str(row["prompt_id"]), {s: about["seconds"] for s, about in row["stages"].items()}, processor)
            for item, row in made.items()
        }
    )
    scores = {
        metric.name: _score(
            metric, values.get(metric.name, {}), totals.get(metric.name), len(reasons.get(metric.name, {}))
        )
        for metric in run.metrics.values()
    }
    return Side(
        name=name,
        path=run.path,
        scored=_with_times(Scored(name, scores, values), times),
        about={**run.metrics, **times.about},
        prompts=run.prompts,
        items={item: str(row["prompt_id"]) for item, row in made.items()},
        clips={item: run.store.clip_path(str(row["clip"])) for item, row in made.items() if row.get("clip")},
        reasons=reasons,
        environment=run.record.get("environment") or {},
        created=str(run.record.get("created") or ""),
        arm=arm,
    )


def _score(metric: Metric, values: Values, total: Mapping[str, Any] | None, unscored: int) -> Score:
    """An arm's number: the mean of its videos, whose interval nobody asks for here, or that of the set."""
    if total is not None:
        value, low, high, n = total["value"], total.get("low"), total.get("high"), int(total.get("n") or 0)
    else:
        value, low, high, n = (fmean(v for _, v in values.values()) if values else None), None, None, len(values)
    return Score(value, low, high, n, unscored, metric.unit, metric.higher_is_better, metric.protocol)


def _reasons(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    found = dict[str, dict[str, str]]()
    for row in rows:
        if row["value"] is None:
            found.setdefault(row["metric"], {})[row["item"]] = str(row.get("reason") or "no reason recorded")
    return found


@dataclass(frozen=True)
class _Times:
    scores: Mapping[str, Score]
    about: Mapping[str, Metric]
    values: Mapping[str, Values]


def _times(made: Mapping[str, tuple[str, Mapping[str, float], str]]) -> _Times:
    """Metrics of time from item -> (prompt id, stage -> seconds, processor)."""
    values = dict[str, dict[str, tuple[str, float]]]()
    for item, (prompt, seconds, _) in made.items():
        for stage, took in seconds.items():
            values.setdefault(f"{SPEED}_{stage}", {})[item] = (prompt, float(took))
        if seconds:
            values.setdefault(SPEED, {})[item] = (prompt, float(sum(seconds.values())))
    order = [SPEED, *(f"{SPEED}_{stage}" for stage in STAGES)]
    values = {name: values[name] for name in sorted(values, key=lambda n: order.index(n) if n in order else len(order))}
    machines = "; ".join(sorted({machine or "unknown processor" for _, _, machine in made.values()}))
    about = {name: _time_about(name, machines) for name in values}
    scores = {name: _score(about[name], values[name], None, 0) for name in values}
    return _Times(scores, about, values)


def _time_about(name: str, machines: str) -> Metric:
    stage = name.removeprefix(SPEED).removeprefix("_").upper()
    return Metric(
        name=name,
        title=f"Time of {stage}" if stage else "Time of a video",
        unit="s",
        higher_is_better=False,
        reads="wall time of computing it, networks loaded; the machine must not have been busy with other work",
        protocol=f"{name}|wall time|{machines}",
    )


def _with_times(scored: Scored, times: _Times) -> Scored:
    return Scored(scored.name, {**scored.scores, **times.scores}, {**scored.values, **times.values})
