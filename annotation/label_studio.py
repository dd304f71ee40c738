"""Label Studio's JSON export of pairwise tasks, read and written.

A task's `data` names the pair: `prompt` (or `prompt_id`), `left_system` and `right_system` (or `left` and `right`). An
annotation's result is either that of the tag Pairwise ({"type": "pairwise", "value": {"selected": "left"}}; left is the
first name of the tag's `toName`) or that of Choices ({"type": "choices", "value": {"choices": ["same"]}}); `from_name`
is the criterion. Pairwise has no answer "same": "none" is what it says after a second click on the same side, and is
read as Same. Cancelled annotations are skipped.

Sources: https://labelstud.io/guide/task_format, https://labelstud.io/tags/pairwise, and the tag's own code
(label-studio 0.4.0, src/tags/control/Pairwise.js), which gives the three values of `selected`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from annotation.table import OVERALL, Place
from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json

NAMES = {"prompt": ("prompt_id", "prompt"), "left": ("left_system", "left"), "right": ("right_system", "right")}
WORDS = {"left": "left", "right": "right", "same": "same", "none": "same", "tie": "same"}
PLAIN = ("pairwise", "pw", "choice", "preference")
"""Names of a control tag that stand for no particular criterion."""


def read(path: Path) -> tuple[pd.DataFrame, Place]:
    """One row a result: annotator, prompt, left, right, choice, criterion, seconds."""
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise InputError(f"{path}: not a list of tasks; export from Label Studio as JSON (not JSON-MIN)")
    rows = [row for number, task in enumerate(tasks) for row in _votes(task, f"{path}, task {number + 1}")]
    places = [row.pop("where") for row in rows]
    return pd.DataFrame(rows), lambda row: str(places[row])


def write(path: Path, frame: pd.DataFrame) -> None:
    """One task a (prompt, left, right), one annotation a vote, in the form of the tag Pairwise."""
    tasks = []
    plain = frame.astype(object).where(frame.notna(), None)
    for number, (key, votes) in enumerate(plain.groupby(["prompt", "left", "right"], observed=True), start=1):
        prompt, left, right = (str(name) for name in key)
        data = {"prompt": prompt, "left_system": left, "right_system": right}
        annotations = [_annotation(row) for row in votes.to_dict("records")]
        tasks.append({"id": number, "data": data, "annotations": annotations})
    write_json(path, tasks)


def _votes(task: Any, where: str) -> Iterator[dict[str, Any]]:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise InputError(f"{where}: no 'data'; export from Label Studio as JSON (not JSON-MIN)")
    pair = {name: _field(task["data"], known, where) for name, known in NAMES.items()}
    for annotation in task.get("annotations") or []:
        if annotation.get("was_cancelled"):
            continue
        person = {"annotator": _person(annotation.get("completed_by"), where), "seconds": annotation.get("lead_time")}
        for result in annotation.get("result") or []:
            choice = _choice(result, where)
            if choice is not None:
                name = str(result.get("from_name", ""))
                criterion = OVERALL if name.lower() in PLAIN or not name else name
                yield {**person, **pair, "choice": choice, "criterion": criterion, "where": where}


def _field(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> str:
    found = next((str(data[name]) for name in known if data.get(name) not in (None, "")), None)
    if found is None:
        raise InputError(f"{where}: data has no {known[0]!r} (nor {known[1]!r}); add it to the task's data")
    return found


def _person(value: Any, where: str) -> str:
    """A number, or an object with an id or an address, by version."""
    if isinstance(value, dict):
        value = value.get("id") or value.get("email")
    if value in (None, ""):
        raise InputError(f"{where}: an annotation without 'completed_by'; export with annotators")
    return str(value)


def _choice(result: Mapping[str, Any], where: str) -> str | None:
    """None for results of other tags, such as a comment."""
    value = result.get("value") or {}
    if result.get("type") == "pairwise":
        said = value.get("selected")
        if said is None:
            raise InputError(
                f"{where}: a pairwise result without 'selected': no side was chosen; remove the annotation"
            )
    elif result.get("type") == "choices" and len(value.get("choices") or []) == 1:
        said = value["choices"][0]
    else:
        return None
    choice = WORDS.get(str(said).strip().lower())
    if choice is None:
        raise InputError(f"{where}: {said!r} is none of {', '.join(WORDS)}; rename the choice")
    return choice


def _annotation(row: Mapping[Any, Any]) -> dict[str, Any]:
    selected = "none" if row["choice"] == "same" else row["choice"]
    result = {
        "from_name": row.get("criterion") or OVERALL,
        "to_name": "left,right",
        "type": "pairwise",
        "value": {"selected": selected},
    }
    return {
        "completed_by": str(row["annotator"]),
        "lead_time": row.get("seconds"),
        "was_cancelled": False,
        "result": [result],
    }
