"""Our runs in MLflow's and TensorBoard's own files, for those who look there.

Value, both ends of the interval and n are metrics of their own, because neither tool knows intervals. An ablation
becomes one run for each arm. Both libraries are optional and imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from magicvideo.files import read_json
from reports.evaluation import read_evaluation
from reports.folder import Metric
from reports.interop.handed import Handed

TARGETS = ("mlflow", "tensorboard")


def hand_out(run: Path, to: str, out: Path) -> list[str]:
    """Write the run to the folder `out`; names of what was written. Raises `InputError` if the library is missing."""
    handed = list(_handed(run))
    if to == "mlflow":
        from reports.interop.mlflow_folder import write
    else:
        from reports.interop.tensorboard_folder import write
    write(run, handed, out)
    return [one.name for one in handed]


def _handed(path: Path) -> Iterator[Handed]:
    record = read_json(path / "run.json")
    if isinstance(record, dict) and record.get("kind") == "ablation":
        yield from _of_ablation(path)
        return
    run = read_evaluation(path)
    scores: dict[str, float] = {}
    for name, t in run.totals.items():
        scores |= _flat(name, t.value, t.low, t.high, t.n, t.unscored)
    items = {name: tuple(found.values()) for name, found in run.values.items()}
    yield Handed(run.name, _tags(run.record), scores, items, _reads(run.metrics))


def _of_ablation(path: Path) -> Iterator[Handed]:
    from reports.ablation import derive
    from reports.folder import read_run

    found = derive(read_run(path))
    for arm in found.run.arms:
        scores: dict[str, float] = {}
        for s in found.scores:
            if s.arm == arm.name:
                scores |= _flat(s.metric, s.value, s.low, s.high, s.n, s.unscored)
        for e in found.effects:
            if e.arm == arm.name and e.difference is not None:
                scores[f"{e.metric}/difference"] = e.difference
                scores |= {} if e.p_adjusted is None else {f"{e.metric}/p_adjusted": e.p_adjusted}
        lines = [x for x in found.run.scores if x["arm"] == arm.name and x["value"] is not None]
        items = {name: tuple(float(x["value"]) for x in lines if x["metric"] == name) for name in found.run.metrics}
        tags = _tags(found.run.record) | {"arm": arm.name, "title": arm.title}
        yield Handed(f"{found.run.name}: {arm.name}", tags, scores, items, _reads(found.run.metrics))


def _flat(
    name: str, value: float | None, low: float | None, high: float | None, n: int, unscored: int
) -> dict[str, float]:
    """Missing is not zero: what is None is not written at all."""
    told = {name: value, f"{name}/low": low, f"{name}/high": high, f"{name}/n": n, f"{name}/unscored": unscored}
    return {key: float(number) for key, number in told.items() if number is not None}


def _tags(record: Mapping[str, Any]) -> dict[str, str]:
    about = record.get("environment") or {}
    told = {
        "created": record.get("created"),
        "suite": record.get("suite"),
        "commit": about.get("commit"),
        "branch": about.get("branch"),
        "dirty": about.get("dirty"),
        "command": about.get("command"),
    }
    return {key: str(value) for key, value in told.items() if value not in (None, "")}


def _reads(metrics: Mapping[str, Metric]) -> dict[str, str]:
    better = {True: "higher is better", False: "lower is better", None: "neither side is better"}
    return {
        name: f"{m.title}"
        + (f" ({m.unit})" if m.unit else "")
        + f", {better[m.higher_is_better]}; protocol {m.protocol}"
        for name, m in metrics.items()
    }
