"""Running a grid: what is computed once, what is written, and that killing it at any moment changes nothing."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from run_checks import DIFFERENT, ROOT, USES, check_whole, numbers, stage_times

from ablations.effects import effects
from ablations.execute import execute, plan_run
from ablations.grid import load_grid
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl, write_json
from magicvideo.runs import Store


def test_the_run_folder_holds_what_was_asked_made_and_scored(finished: Path) -> None:
    run = read_json(finished / "run.json")
    assert (run["kind"], run["name"], run["status"], run["base"]) == ("ablation", "tiny", "complete", "full")
    assert [(a["name"], a["switch"]) for a in run["arms"]] == [
        ("full", None),
        ("without controlnet", "controlnet"),
        ("without v2v", "v2v"),
    ]
    assert run["arms"][1]["config"]["mechanisms"]["controlnet"] is False
    assert list(run["metrics"]) == ["flicker", "motion_magnitude"]
    assert all(m["protocol"] and m["title"] and m["reads"] for m in run["metrics"].values())
    assert run["environment"]["python"]
    items, scores = read_jsonl(finished / "items.jsonl"), read_jsonl(finished / "scores.jsonl")
    assert len(items) == 12
    assert [(s["arm"], s["prompt_id"], s["seed"]) for s in scores[::2]] == [
        (i["arm"], i["prompt_id"], i["seed"]) for i in items
    ]
    assert all((s["value"] is None) == (s["reason"] is not None) for s in scores)
    store = Store(finished / run["store"])
    for item in items:
        assert store.clip(item["clip"]).digest == item["stages"]["vfi"]["digest"] == item["clip"]


def test_reused_marks_repeats_so_that_the_rest_adds_up_to_the_cost(finished: Path) -> None:
    items = read_jsonl(finished / "items.jsonl")
    fresh = [(s["key"], s["seconds"]) for i in items for s in i["stages"].values() if not s["reused"]]
    assert len(fresh) == len({key for key, _ in fresh}) == DIFFERENT
    seconds = dict(fresh)
    for item in items:
        assert all(s["seconds"] == seconds[s["key"]] > 0 for s in item["stages"].values())
    by_arm = {i["arm"]: {name: s["reused"] for name, s in i["stages"].items()} for i in items}
    assert by_arm == {
        "full": {"t2i": False, "i2v": False, "v2v": False, "vfi": False},
        "without controlnet": {"t2i": True, "i2v": False, "v2v": False, "vfi": False},
        "without v2v": {"t2i": True, "i2v": True, "v2v": False, "vfi": False},
    }


def test_a_switch_that_adds_noise_shows_in_the_scores(finished: Path) -> None:
    """The fake without ControlNet shakes: more flicker. Without V2V it only enlarges otherwise."""
    found = effects(read_jsonl(finished / "scores.jsonl"), read_json(finished / "run.json"))
    shaken = next(e for e in found if (e.metric, e.switch) == ("flicker", "controlnet"))
    better = read_json(finished / "run.json")["metrics"]["flicker"]["higher_is_better"]
    assert shaken.difference is not None
    assert shaken.difference != 0
    assert (shaken.difference > 0) != better


def test_a_second_call_computes_nothing_and_changes_no_number(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    grid, out = load_grid(tiny), tmp_path / "run"
    execute(grid, out, fake.engine(), progress=False)
    before, created = numbers(out), read_json(out / "run.json")["created"]
    assert plan_run(grid, out, fake.engine()).compute == 0
    outcome = execute(grid, out, fake.engine(), progress=False)
    assert (outcome.computed, outcome.reused) == (0, USES)
    assert numbers(out) == before
    assert read_json(out / "run.json")["created"] == created


def test_killed_at_random_moments_it_ends_in_the_same_numbers(
    tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path
) -> None:
    out, rng = tmp_path / "run", random.Random(2)
    command = [sys.executable, fake.__file__, str(tiny), str(out), "0.01"]
    seen, killed = dict[str, int](), 0
    for part in (0.0, 0.2, 0.5, 0.8, 1.0):
        wanted = min(DIFFERENT, int(part * DIFFERENT) + rng.randrange(5))
        killed += _kill_when(command, lambda wanted=wanted: len(stage_times(out)) >= wanted and out.exists(), rng)
        now = stage_times(out)
        assert {k: now[k] for k in seen} == seen, "a finished stage was computed again"
        seen = now
        check_whole(out)
    killed += _kill_when(command, lambda: (out / "cache").exists(), rng)
    assert killed >= 5, "the kills came too late to try anything"
    assert len(stage_times(out)) == DIFFERENT
    assert {k: stage_times(out)[k] for k in seen} == seen
    seen = stage_times(out)
    outcome = execute(load_grid(tiny), out, fake.engine(), progress=False)
    assert outcome.computed == 0
    assert stage_times(out) == seen
    assert numbers(out) == numbers(finished)
    assert read_json(out / "run.json")["status"] == "complete"


def _kill_when(command: list[str], ready: Any, rng: random.Random) -> bool:
    """Start the command and SIGKILL it a moment after `ready()`; true if that ended it. It must not fail by itself."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 120
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(rng.random() * 0.05)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0), errors.decode()
    return process.returncode != 0


def test_a_folder_with_another_grid_is_refused_and_left_as_it_was(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    out = tmp_path / "run"
    execute(load_grid(tiny), out, fake.engine(), progress=False)
    before = (out / "run.json").read_bytes()
    tiny.write_text(tiny.read_text().replace("seeds: [0, 1]", "seeds: [0, 2]"))
    for act in (execute, plan_run):
        with pytest.raises(InputError, match=r"holds another grid \('tiny', from 2.*seeds differ.*--out"):
            act(load_grid(tiny), out, fake.engine())
    assert (out / "run.json").read_bytes() == before


def test_words_and_margins_may_change_without_computing_again(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    out = tmp_path / "run"
    execute(load_grid(tiny), out, fake.engine(), progress=False)
    tiny.write_text(tiny.read_text().replace("Does it hold together?", "Does it?") + "margins: {flicker: 0.5}\n")
    run = read_json(out / "run.json")
    titles = [arm["title"] for arm in run["arms"]]
    run["arms"][1]["title"] = "as an earlier version called it"
    write_json(out / "run.json", run)
    assert execute(load_grid(tiny), out, fake.engine(), progress=False).computed == 0
    run = read_json(out / "run.json")
    assert [arm["title"] for arm in run["arms"]] == titles
    assert (run["question"], run["grid"]["margins"]) == ("Does it?", {"flicker": 0.5})


def test_a_folder_with_other_things_is_refused(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match=r"not empty and holds no run \(letter.txt"):
        execute(load_grid(tiny), tmp_path / "home", fake.engine())
    with pytest.raises(InputError, match=r"cannot write to .*--out"):
        execute(load_grid(tiny), tmp_path / "home" / "letter.txt" / "run", fake.engine())


def test_two_processes_do_not_work_on_one_folder(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="being worked on by another process"):
            execute(load_grid(tiny), out, fake.engine())
    assert execute(load_grid(tiny), out, fake.engine(), progress=False).computed == DIFFERENT
