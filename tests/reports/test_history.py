"""Histories whose changes are planted, and baselines that stay where they were put."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_run import Evaluation, write_evaluation

from magicvideo.cli import main
from magicvideo.errors import InputError
from reports.baselines import baseline_of, pin, read_baselines
from reports.history import changes, in_words, read_history, read_values, series, since_when

RUNS, PROMPTS = 10, 24


def store(tmp_path: Path, jump: float = 0.0, runs: int = RUNS, **more: str) -> Path:
    """Runs of one metric, from run 6 on lower by `jump`; prompts differ far more than runs."""
    rng = np.random.default_rng(2)
    level = rng.normal(size=(PROMPTS, 1))
    for n in range(runs):
        value = level + 0.05 * rng.normal(size=(PROMPTS, 2)) - (jump if n >= 6 else 0)
        run = Evaluation({"m": value}, commit=f"{n:040x}", created=f"2025-11-{n + 1:02d}T12:00:00+00:00", **more)
        write_evaluation(tmp_path / f"run{n}", run)
    return tmp_path


def test_since_when_names_the_run_that_changed_it(tmp_path: Path) -> None:
    folder = store(tmp_path, jump=0.1)
    entries = read_history(folder).entries
    assert [e.run for e in entries] == [f"run{n}" for n in range(RUNS)]
    assert entries[3].name == "00000000 main"
    found = series(entries, "m", read_values(folder, entries))
    assert found.paired
    (change,) = changes(found)
    assert (change.index, change.entry.run, change.direction) == (6, "run6", "worse")
    assert change.low <= -0.1 <= change.high
    assert change.after - change.before == pytest.approx(-0.1, abs=0.03)
    assert since_when(found) == change
    assert "m is worse since 00000000 main (2025-11-07)" in in_words(found, change)


def test_without_pairs_the_prompts_own_spread_hides_it(tmp_path: Path) -> None:
    entries = read_history(store(tmp_path, jump=0.1)).entries
    alone = series(entries, "m")
    assert not alone.paired
    assert since_when(alone) is None
    assert "no change is seen in 10 run(s)" in in_words(alone, None)


def test_nothing_changes_where_nothing_was_changed(tmp_path: Path) -> None:
    folder = store(tmp_path)
    entries = read_history(folder).entries
    assert changes(series(entries, "m", read_values(folder, entries))) == ()


def test_a_young_history_says_so_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path, runs=3)
    assert main(["history", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "changes are looked for from 4 runs on; --metrics NAME shows the values of these"
    ]
    assert main(["history", str(tmp_path), "--metrics", "m"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 1 + 3


def test_other_protocols_branches_and_broken_runs(tmp_path: Path) -> None:
    folder = store(tmp_path, runs=5)
    write_evaluation(folder / "old", Evaluation({"m": np.ones((4, 1))}, protocols={"m": "m|v0"}, created="2024"))
    write_evaluation(folder / "side", Evaluation({"m": np.ones((4, 1))}, branch="side", created="2024"))
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text("{", encoding="utf-8")
    write_evaluation(folder / "cut", Evaluation({"m": np.ones((4, 1))}))
    (folder / "cut" / "summary.json").unlink()
    history = read_history(folder)
    assert set(history.broken) == {"broken", "cut"}
    assert [e.run for e in history.on("side")] == ["side"]
    found = series(history.entries, "m")
    assert [e.run for e in found.left_out] == ["old"]
    with pytest.raises(InputError, match="no run of this history"):
        series(history.entries, "other")
    with pytest.raises(InputError, match="no such folder"):
        read_history(folder / "nowhere")
    short = series(history.on("side"), "m")
    assert since_when(short) is None
    assert "starts at 4 runs" in in_words(short, None)


def test_a_baseline_is_pinned_per_branch_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path, jump=0.1)
    old, new, same = (str(folder / name) for name in ("run0", "run7", "run1"))
    assert main(["compare", old, "--pin", "main"]) == 0
    assert read_baselines(folder)["main"].run == "run0"
    assert read_baselines(folder)["main"].commit == "0" * 40
    capsys.readouterr()
    (folder / "strict.yaml").write_text("default: {margin: 0.05}\n", encoding="utf-8")
    strict = ["--gate", str(folder / "strict.yaml")]
    assert main(["compare", new, "--baseline", "main", "--pin", "main", "--json", *strict]) == 1
    assert json.loads(capsys.readouterr().out)["base"] == baseline_of(folder, "main")
    assert read_baselines(folder)["main"].run == "run0", "what does not pass is not pinned"
    (folder / "gate.yaml").write_text("default: {margin: 0.2}\n", encoding="utf-8")
    gate = ["--gate", str(folder / "gate.yaml")]
    assert main(["compare", same, "--baseline", "main", "--pin", "main", *gate]) == 0
    assert read_baselines(folder)["main"].run == "run1"
    pin(folder, "other", new)
    assert set(read_baselines(folder)) == {"main", "other"}


def test_baselines_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path / "store", runs=1)
    run = str(folder / "run0")
    assert main(["compare", run, "--baseline", "main"]) == 2
    assert "pin one" in capsys.readouterr().err
    pin(folder, "main", run)
    with pytest.raises(InputError, match="did you mean 'main'"):
        baseline_of(folder, "mian")
    with pytest.raises(InputError, match="outside the store"):
        pin(tmp_path / "elsewhere", "main", run)
    with pytest.raises(InputError, match="name of a branch"):
        pin(folder, " ", run)
    assert main(["compare", run, run, "--baseline", "main"]) == 2
    (folder / "baselines.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"baselines\.json"):
        read_baselines(folder)


def test_the_command_says_since_when_and_lists_the_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path, jump=0.1)
    assert main(["history", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "10 run(s) of main" in said
    assert "m is worse since 00000000 main (2025-11-07)" in said
    assert "from here on" not in said, "values only where a metric is named"
    assert main(["history", str(folder), "--metrics", "m"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (marked,) = (line for line in lines if "worse from here on" in line)
    assert marked.strip().startswith("2025-11-07")
    assert main(["history", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (change,) = result["metrics"]["m"]["changes"]
    assert (change["since"], change["direction"]) == ("run6", "worse")
    assert len(result["metrics"]["m"]["values"]) == RUNS


@pytest.mark.parametrize(
    ("words", "remedy"),
    [(["--branch", "mian"], "did you mean 'main'"), (["--metrics", "n"], "known: m")],
)
def test_the_command_refuses_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], remedy: str
) -> None:
    assert main(["history", str(store(tmp_path, runs=2)), *words]) == 2
    assert remedy in capsys.readouterr().err


def test_the_command_on_a_folder_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path)]) == 2
    assert "magicvideo evaluate" in capsys.readouterr().err
