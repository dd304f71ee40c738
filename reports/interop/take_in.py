"""Another evaluator's results as a run folder of ours: comparable, reportable, intervals where there are videos."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.metric import Score
from evals.stats import interval
from magicvideo.errors import InputError
from magicvideo.files import sha256, write_json, write_jsonl
from magicvideo.runs import environment
from reports.interop.foreign import Foreign, Value, read


def take_in(source: Path, form: str, out: Path) -> dict[str, Any]:
    """Write the run folder `out` and return what `summary.json` holds. Raises `InputError` for a folder that is taken.

    A metric with videos gets the mean over them with a 95 % interval over prompts, as our own metrics do; what the tool
    itself gives for the set is kept in `figures`. A metric of a whole set has a value and no interval.
    """
    if (out / "run.json").exists():
        raise InputError(f"{out}: holds a run already; choose another --out")
    found = read(source, form)
    clusters = {item: found.prompts.get(item) or f"video {item}" for item in found.clips}
    scores = {metric: _score(found, metric, found.values[metric], clusters) for metric in found.values}
    scores |= {metric: _whole(found, metric, value) for metric, value in found.sets.items() if metric not in scores}
    record = _record(source, form, found, clusters, scores)
    summary = _summary(out, found, scores)
    write_json(out / "run.json", record | {"status": "running"})
    write_jsonl(out / "scores.jsonl", _rows(found, clusters))
    write_json(out / "run.json", record | {"status": "complete"})
    write_json(out / "summary.json", summary)
    return summary


def _score(found: Foreign, metric: str, values: tuple[Value, ...], clusters: dict[str, str]) -> Score:
    scored = [(v.value, clusters[v.item]) for v in values if v.value is not None]
    missing = len(values) - len(scored)
    better, protocol = found.directions.get(metric), _protocol(found, metric)
    if not scored:
        return Score(None, None, None, 0, missing, "", better, protocol)
    mean = interval([value for value, _ in scored], [cluster for _, cluster in scored])
    return Score(mean.value, mean.low, mean.high, mean.n, missing, "", better, protocol)


def _whole(found: Foreign, metric: str, value: float) -> Score:
    return Score(value, None, None, 0, 0, "", found.directions.get(metric), _protocol(found, metric))


def _protocol(found: Foreign, metric: str) -> str:
    """The file tells neither versions nor settings, so the id can only say that."""
    return f"{metric}|{found.tool}, imported: version and settings are not in its file"


def _record(
    source: Path, form: str, found: Foreign, clusters: dict[str, str], scores: dict[str, Score]
) -> dict[str, Any]:
    items = [
        {"item": item, "clip": clip, "prompt_id": clusters[item], "prompt": found.prompts.get(item)}
        for item, clip in found.clips.items()
    ]
    return {
        "kind": "evaluation",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "folder": str(source),
        "prompts": None,
        "reference": None,
        "truth": None,
        "suite": f"{form} (imported)",
        "imported": {"file": str(source), "sha256": sha256(source), "format": form, "tool": found.tool},
        "metrics": {metric: _about(found, metric, score) for metric, score in scores.items()},
        "items": items,
        "environment": environment(),
    }


def _about(found: Foreign, metric: str, score: Score) -> dict[str, Any]:
    reads = f"Measured by {found.tool}, not by us."
    if metric in found.sets:
        reads += " A number of the whole set: its file names no videos, so there is no interval and no paired test."
    return {
        "title": metric,
        "unit": "",
        "higher_is_better": score.higher_is_better,
        "reads": reads,
        "protocol": score.protocol,
    }


def _rows(found: Foreign, clusters: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"item": v.item, "prompt_id": clusters[v.item], "metric": metric, "value": v.value, "reason": v.reason}
        for metric, values in found.values.items()
        for v in values
    ]


def _summary(out: Path, found: Foreign, scores: dict[str, Score]) -> dict[str, Any]:
    unscored = [
        {"item": v.item, "reason": v.reason, "metrics": [metric]}
        for metric, values in found.values.items()
        for v in values
        if v.value is None
    ]
    figures = {metric: {f"as {found.tool} gives it": value} for metric, value in found.own.items()}
    return {
        "run": str(out),
        "metrics": {metric: score.to_dict() for metric, score in scores.items()},
        "figures": figures,
        "unscored": unscored,
        "prompts_without_video": [],
    }
