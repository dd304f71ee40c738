"""Comparisons on runs whose answer is known: verdicts, refusals, forms, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from evaluation_run import Evaluation, write_evaluation

from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json
from reports import compare_forms as forms
from reports.compare import Compared, compare
from reports.gate import Gate, Margin
from reports.sides import read_side

PROMPTS, SEEDS = 40, 2
NASTY = ["<script>alert(1)</script>", "| a | *b* `c`", "\u202eevil \x00\x07", "مرحبا", "🦊" * 60, "x" * 400]


def values(seed: int = 0, level: float = 0.5, spread: float = 0.1) -> np.ndarray:
    return level + spread * np.random.default_rng(seed).normal(size=(PROMPTS, 1)) + np.zeros((1, SEEDS))


def noise(seed: int, size: float) -> np.ndarray:
    return size * np.random.default_rng(seed).normal(size=(PROMPTS, SEEDS))


def compared(
    tmp_path: Path, base: Evaluation, candidate: Evaluation, gate: Gate | None = None, **more: Any
) -> Compared:
    sides = [read_side(write_evaluation(tmp_path / name, run)) for name, run in (("base", base), ("new", candidate))]
    return compare(*sides, gate, **more)


def test_verdicts_follow_direction_and_margin(tmp_path: Path) -> None:
    base = {name: values(i) for i, name in enumerate(("up", "down", "good", "same", "either", "loose"))}
    shift = {"up": -0.05, "down": 0.05, "good": 0.05, "same": 0.0, "either": 0.05, "loose": -0.05}
    new = {name: base[name] + shift[name] + noise(i + 9, 0.005) for i, name in enumerate(base)}
    directions = {"down": False, "either": None}
    gate = Gate(named={"loose": (Margin(0.2), None, None)})
    found = compared(tmp_path, Evaluation(base, directions), Evaluation(new, directions), gate)
    assert {line.name: line.verdict for line in found.lines} == {
        "up": "regressed",
        "down": "regressed",
        "good": "improved",
        "same": "equivalent",
        "either": "changed",
        "loose": "equivalent",
    }
    assert [f.metric for f in found.failures] == ["up", "down"]
    assert not found.passed
    up = found.line("up")
    assert up.numbers.difference == pytest.approx(-0.05, abs=0.003)
    assert (up.numbers.n, up.numbers.clusters, up.family) == (80, 40, 5)
    assert found.line("either").family == 1, "what is not gated is corrected by itself"
    assert [c.difference for c in up.changes] == sorted(c.difference for c in up.changes)
    assert [c.difference for c in found.line("down").changes] == sorted(
        (c.difference for c in found.line("down").changes), reverse=True
    )
    with pytest.raises(KeyError):
        found.line("absent")


def test_a_sure_loss_that_is_smaller_than_the_margin_is_no_regression(tmp_path: Path) -> None:
    base = {"m": values()}
    new = {"m": base["m"] - 0.02 + noise(1, 0.04)}
    (line,) = compared(tmp_path, Evaluation(base), Evaluation(new), Gate(margin=Margin(0.025))).lines
    assert line.numbers.verdict == "worse"
    assert line.verdict == "inconclusive"
    (line,) = compared(tmp_path, Evaluation(base), Evaluation(new), Gate(margin=Margin(0.01))).lines
    assert line.verdict == "regressed"


def test_a_metric_that_must_not_move_regresses_either_way(tmp_path: Path) -> None:
    base = {"motion": values()}
    gate = Gate(named={"motion": (Margin(0.02), "same", None)})
    for shift in (-0.1, 0.1):
        new = {"motion": base["motion"] + shift + noise(1, 0.01)}
        found = compared(tmp_path, Evaluation(base, {"motion": None}), Evaluation(new, {"motion": None}), gate)
        assert found.lines[0].verdict == "regressed"
        worst, _ = forms.worst_and_best(found.lines[0])
        assert all(np.sign(c.difference) == np.sign(shift) for c in worst)


def test_a_run_is_equivalent_to_itself_whatever_the_margin(tmp_path: Path) -> None:
    found = compared(tmp_path, Evaluation({"m": values()}), Evaluation({"m": values()}), Gate(margin=Margin(0.0)))
    assert found.lines[0].verdict == "equivalent"
    assert found.passed


def test_inconclusive_says_what_would_have_shown_and_what_would_settle_it(tmp_path: Path) -> None:
    base = {f"m{i}": values(i) for i in range(4)}
    new = {name: v + noise(i + 5, 0.2) for i, (name, v) in enumerate(base.items())}
    found = compared(tmp_path, Evaluation(base), Evaluation(new), Gate(margin=Margin(0.01)))
    line = found.line("m0")
    assert line.verdict == "inconclusive"
    assert line.detectable is not None
    assert line.numbers.detectable is not None
    assert line.detectable > line.numbers.detectable, "four metrics are looked at"
    assert line.prompts_needed is not None
    assert line.prompts_needed > PROMPTS
    again = compared(tmp_path, Evaluation(base), Evaluation(new), Gate(margin=Margin(0.01), fail_inconclusive=True))
    assert {f.metric for f in again.failures} >= {"m0"}
    few = {name: v[:5] for name, v in base.items()}
    line = compared(tmp_path, Evaluation(few), Evaluation({k: v - 0.3 for k, v in few.items()})).line("m0")
    assert (line.verdict, line.detectable) == ("inconclusive", None)
    assert "5 prompts can show nothing here, however large; 8 can" in line.note


def test_unlike_protocols_are_refused_unless_left_out(tmp_path: Path) -> None:
    base = Evaluation({"a": values(), "b": values(1)})
    new = Evaluation({"a": values(), "b": values(1)}, protocols={"b": "b|v2"})
    with pytest.raises(InputError, match=r"(?s)b: two protocols.*base: b\|v1\n.*new: b\|v2\n.*--metrics a"):
        compared(tmp_path, base, new)
    assert [line.name for line in compared(tmp_path, base, new, metrics=["a"]).lines] == ["a"]


def test_a_gate_or_list_that_names_what_one_run_lacks_is_refused(tmp_path: Path) -> None:
    base, new = Evaluation({"a": values(), "b": values()}), Evaluation({"a": values()})
    assert compared(tmp_path, base, new).notes == ("only one of the runs has b",)
    with pytest.raises(InputError, match=r"base has it, .*new does not"):
        compared(tmp_path, base, new, Gate(named={"b": (None, None, None)}))
    with pytest.raises(InputError, match="did you mean 'b'"):
        compared(tmp_path, base, new, metrics=["bb"])
    with pytest.raises(InputError, match="share no metric"):
        compared(tmp_path, base, Evaluation({"c": values()}))


def test_a_number_of_the_whole_set_is_shown_and_never_claimed(tmp_path: Path) -> None:
    base = Evaluation({"a": values()}, {"fvd": False}, sets={"fvd": (10.0, 9.0, 11.0)})
    new = Evaluation({"a": values()}, {"fvd": False}, sets={"fvd": (90.0, 89.0, 91.0)})
    found = compared(tmp_path, base, new, Gate(fail_inconclusive=True, least_pairs=1.0))
    line = found.line("fvd")
    assert (line.numbers.difference, line.numbers.low, line.verdict) == (80.0, None, "inconclusive")
    assert "without pairs" in line.note
    assert found.passed


def test_videos_that_lost_their_score_do_not_pass_unseen(tmp_path: Path) -> None:
    base, broken = values(), values()
    broken[:10] = np.nan
    found = compared(tmp_path, Evaluation({"a": base}), Evaluation({"a": broken}), Gate(least_pairs=0.9))
    assert found.failures[0].text == "has a score for 60 of the 80 videos that are scored in the base, less than 90%"
    assert found.line("a").unpaired == 20
    assert compared(tmp_path, Evaluation({"a": base}), Evaluation({"a": broken})).passed


def test_runs_without_a_common_video_are_told_what_they_have(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "a", Evaluation({"m": values()}))
    other = write_evaluation(tmp_path / "b", Evaluation({"m": values()}))
    record = read_json(other / "run.json")
    for item in record["items"]:
        item["item"] = f"x{item['item']}"
    write_json(other / "run.json", record)
    with pytest.raises(InputError, match=r"no video is in both: .*'p000-seed0' and 79 more, .*'xp000-seed0'"):
        compare(read_side(tmp_path / "a"), read_side(other))


def test_a_fifth_slower_is_seen_where_the_gate_asks(tmp_path: Path) -> None:
    took = {"t2i": 1 + 0.1 * values(3), "i2v": 4 + 0.1 * values(4)}
    slower = {"t2i": took["t2i"], "i2v": took["i2v"] * (1.2 + noise(5, 0.05))}
    base, new = (Evaluation({"m": values()}, seconds=s) for s in (took, slower))
    found = compared(tmp_path, base, new)
    assert found.passed, "times are shown, and gated only by name"
    assert found.line("seconds_i2v").verdict == "regressed"
    assert found.line("seconds_t2i").verdict == "equivalent"
    gated = compared(tmp_path, base, new, Gate(named={"seconds": (Margin(0.1, "mean"), None, None)}))
    assert [f.metric for f in gated.failures] == ["seconds"]
    elsewhere = Evaluation({"m": values()}, seconds=slower, processor="another")
    found = compared(tmp_path, base, elsewhere)
    assert [line.name for line in found.lines] == ["m"]
    assert "different processors" in found.notes[0]
    with pytest.raises(InputError, match="two protocols"):
        compared(tmp_path, base, elsewhere, Gate(named={"seconds": (None, None, None)}))


def test_forms_show_users_text_as_text(tmp_path: Path) -> None:
    v = values()[:18]
    prompts = [f"{NASTY[i % len(NASTY)]} {i}" for i in range(18)]
    base = Evaluation({"m": v, "n": v}, prompts=prompts)
    new = Evaluation({"m": v - 0.2 + noise(1, 0.01)[: len(v)], "n": v}, prompts=prompts)
    found = compared(tmp_path, base, new)
    assert found.line("m").verdict == "regressed"
    page = forms.markdown(found)
    assert "<script>" not in page
    assert page.count("\n| ▼ | m |") == 1
    case = ElementTree.fromstring(forms.junit(found)).find("testcase[@name='m']/failure")
    assert case is not None
    assert "script" in str(case.text) or "evil" in str(case.text)
    assert "\u202e" not in forms.table(found)
    assert json.loads(json.dumps(forms.as_json(found), allow_nan=False))["passed"] is False


def test_junit_counts_what_it_holds(tmp_path: Path) -> None:
    base = {"bad": values(), "fine": values(1), "open": values(2)}
    new = {"bad": base["bad"] - 0.1, "fine": base["fine"], "open": base["open"] + noise(3, 0.3)}
    suite = ElementTree.fromstring(forms.junit(compared(tmp_path, Evaluation(base), Evaluation(new))))
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {"bad": ["failure"], "fine": [], "open": ["skipped"]}


def test_the_command_fails_on_a_regression_and_writes_its_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_evaluation(tmp_path / "base", Evaluation({"m": values()}))
    write_evaluation(tmp_path / "new", Evaluation({"m": values() - 0.1}))
    gate = tmp_path / "gate.yaml"
    gate.write_text("metrics:\n  m: {margin: 5%}\n", encoding="utf-8")
    words = ["compare", str(tmp_path / "base"), str(tmp_path / "new"), "--gate", str(gate), "--json"]
    out = ["--md", str(tmp_path / "o.md"), "--junit", str(tmp_path / "o.xml")]
    assert main([*words, *out]) == 1
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert result["metrics"]["m"]["verdict"] == "regressed"
    assert result["metrics"]["m"]["margin"] == pytest.approx(0.05 * values().mean())
    assert "m regressed" in told.err
    assert "Does not pass" in (tmp_path / "o.md").read_text(encoding="utf-8")
    assert ElementTree.parse(tmp_path / "o.xml").getroot().get("failures") == "1"
    gate.write_text("metrics:\n  m: {margin: 0.2}\n", encoding="utf-8")
    assert main(words) == 0
    gate.write_text("metrics:\n\n  m: {margin: much}\n", encoding="utf-8")
    assert main(words) == 2
    assert "gate.yaml, line 3: metrics.m.margin" in capsys.readouterr().err


def test_an_arm_of_an_ablation_is_a_side_too(make_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(
        prompts={f"p{i}": f"prompt {i}" for i in range(12)},
        shifts={"without v2v": {"clip_score": -0.2}},
        noise=0.05,
    )
    assert main(["compare", f"{run}:full", f"{run}:without v2v", "--json"]) == 1
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["clip_score"]["verdict"] == "regressed"
    assert metrics["clip_score"]["n"] == 24
    assert metrics["seconds_v2v"]["verdict"] == "improved"
    assert not metrics["seconds_v2v"]["gated"]
    assert main(["compare", str(run), f"{run}:full"]) == 2
    assert "name one of its arms" in capsys.readouterr().err
    assert main(["compare", f"{run}:full", f"{run}:without vfi"]) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "summary.json").unlink(), "not finished"),
        (lambda run: (run / "run.json").unlink(), "no run"),
        (lambda run: write_json(run / "run.json", {"kind": "study"}), "kind is 'study'"),
        (lambda run: write_json(run / "run.json", {"kind": "evaluation", "status": "complete"}), "missing"),
        (lambda run: (run / "scores.jsonl").write_text('{"metric": "m"\n'), "line 1"),
    ],
)
def test_what_is_no_run_is_told_apart(tmp_path: Path, spoil: Any, message: str) -> None:
    run = write_evaluation(tmp_path / "run", Evaluation({"m": values()}))
    spoil(run)
    with pytest.raises(InputError, match=message):
        read_side(run)


def test_nothing_to_compare_with_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_evaluation(tmp_path / "run", Evaluation({"m": values()}))
    assert main(["compare", str(run)]) == 2
    assert "with what?" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "none"), str(run)]) == 2
    assert main(["compare", str(run), str(run), "--metrics", ","]) == 2


def test_five_hundred_prompts_and_twelve_metrics_take_a_second(tmp_path: Path) -> None:
    """Processor time, so that a busy machine does not fail it; torch is not loaded."""
    rng = np.random.default_rng(0)
    base = {f"m{i}": rng.normal(size=(500, 1)) for i in range(12)}
    for name in ("base", "new"):
        write_evaluation(tmp_path / name, Evaluation({k: v + 0.1 * rng.normal(size=v.shape) for k, v in base.items()}))
    began = time.process_time()
    compare(read_side(tmp_path / "base"), read_side(tmp_path / "new"))
    assert time.process_time() - began < 2
    code = "import sys, reports.compare_cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_evaluations_of_generated_videos_know_what_they_cost(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, size=(4, 3, 16, 16), dtype=np.uint8)
    for run, factor in (("base", 1.0), ("new", 1.2)):
        for n in range(8):
            place = tmp_path / run / f"star-seed{n}"
            write_lossless(place / "clip.mkv", VideoClip(frames, 8.0))
            stages = {"t2i": {"seconds": factor}, "i2v": {"seconds": 3 * factor}}
            record = {"prompt": f"star {n}", "stages": stages, "made": {"processor": "one"}}
            write_json(place / "record.json", record if n else {"prompt": "no record of its cost"})
        words = ["evaluate", str(tmp_path / run), "--metrics", "flicker", "--out", str(tmp_path / f"{run}-run")]
        assert main(words) == 0
    found = compare(read_side(tmp_path / "base-run"), read_side(tmp_path / "new-run"))
    line = found.line("seconds")
    assert (line.numbers.n, line.numbers.base, line.numbers.value) == (7, 4.0, pytest.approx(4.8))
    assert found.line("seconds_i2v").numbers.difference == pytest.approx(0.6)
    assert found.line("flicker").verdict == "equivalent"


def test_a_variants_videos_meet_the_defaults(tmp_path: Path) -> None:
    """`magicvideo generate` marks a variant's folders; what else is called so keeps its name."""
    names = ["a-red-star-seed0", "a-seed3-grows-seed1", "other-seed0-x"]
    made = {"seconds": {"t2i": 1.0}, "processor": "p"}

    def run(folder: str, marked: list[str], whose: list[bool]) -> Path:
        path = write_evaluation(tmp_path / folder, Evaluation({"m": np.arange(3.0)[:, None]}))
        record = read_json(path / "run.json")
        renamed = dict(zip([item["item"] for item in record["items"]], marked, strict=True))
        for item, own in zip(record["items"], whose, strict=True):
            item |= {"item": renamed[item["item"]]} | ({"made": made} if own else {})
        write_json(path / "run.json", record)
        text = (path / "scores.jsonl").read_text()
        rows = [json.loads(line) for line in text.splitlines()]
        lines = [json.dumps(row | {"item": renamed[row["item"]]}) for row in rows]
        (path / "scores.jsonl").write_text("\n".join(lines))
        return path

    ours = [True, True, False]
    base = read_side(run("base", names, ours))
    variant = read_side(run("variant", [f"{names[0]}-7fd721", f"{names[1]}-7fd721", names[2]], ours))
    assert list(base.items) == list(variant.items) == list(variant.clips) == names
    assert variant.scored.values["m"].keys() == variant.scored.values["seconds"].keys() | {names[2]} == set(names)
    assert compare(base, variant).line("m").numbers.n == 3
    both = [names[0], f"{names[0]}-7fd721", names[2]]
    assert list(read_side(run("both", both, ours)).items) == both, "two videos never get one name"
