"""gate.yaml: what it means, and where its errors are."""

from __future__ import annotations

from pathlib import Path

import pytest

from magicvideo.errors import InputError
from reports.gate import DEFAULT_MARGIN, SPEED_MARGIN, Gate, Margin, Rule, load_gate, refuse_unknown


def load(tmp_path: Path, text: str) -> Gate:
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    return load_gate(path)


def test_the_default_gates_what_has_a_direction_and_no_time() -> None:
    gate = Gate()
    assert gate.rule("m", True) == Rule(DEFAULT_MARGIN, "higher", True)
    assert gate.rule("m", False) == Rule(DEFAULT_MARGIN, "lower", True)
    assert gate.rule("m", None) == Rule(DEFAULT_MARGIN, None, False)
    assert gate.rule("seconds", False, speed=True) == Rule(SPEED_MARGIN, "lower", False)


def test_every_field(tmp_path: Path) -> None:
    gate = load(
        tmp_path,
        "default: {margin: 1.5 %, gate: false}\nmetrics:\n  a: {margin: 0.01}\n  b: {direction: same}\n"
        "  c: {gate: false}\n  seconds: {}\nalpha: 0.01\nleast_pairs: 0.9\ninconclusive: fail\n",
    )
    assert gate.rule("a", True) == Rule(Margin(0.01), "higher", True)
    assert gate.rule("b", None) == Rule(Margin(0.015, "mean"), "same", True)
    assert not gate.rule("c", True).gated
    assert not gate.rule("other", True).gated
    assert gate.rule("seconds", False, speed=True).gated
    assert (gate.alpha, gate.least_pairs, gate.fail_inconclusive) == (0.01, 0.9, True)


def test_margins_are_of_the_bases_size() -> None:
    assert Margin(0.05, "mean").absolute(-2.0, 3.0) == pytest.approx(0.1)
    assert Margin(0.05).absolute(-2.0, 3.0) == 0.05
    assert Margin(0.5, "sd").absolute(-2.0, 3.0) == 1.5
    assert Margin(0.05, "mean").absolute(None, None) == Margin(0.2, "sd").absolute(1.0, None) == 0
    assert [str(m) for m in (Margin(0.02, "mean"), Margin(0.01), DEFAULT_MARGIN)] == ["2%", "0.01", "0.2 sd"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics:\n  m: {margn: 1}\n", r"line 2: metrics\.m\.margn: unknown field: did you mean 'margin'"),
        ("metrics:\n  m: {margin: -1}\n", r"line 2: metrics\.m\.margin: .*0 or more"),
        ("metrics:\n  m: {margin: true}\n", r"line 2: metrics\.m\.margin"),
        ("metrics:\n  m: {direction: up}\n", r"line 2: metrics\.m\.direction"),
        ("alpha: 0\n", "line 1: alpha"),
        ("\nleast_pairs: 90\n", "line 2: least_pairs"),
        ("inconclusive: maybe\n", "line 1: inconclusive"),
        ("metrics:\n  m: 0.1\n", r"line 2: metrics\.m"),
        ("metrics:\n  m: {}\n  m: {}\n", "line 3: the field 'm' appears twice"),
        ("metric: {}\n", "did you mean 'metrics'"),
        ("- m\n", "field: value"),
        ("a: [", "not YAML"),
    ],
)
def test_errors_name_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, text)


def test_a_metric_that_no_run_has_is_refused_with_its_line(tmp_path: Path) -> None:
    gate = load(tmp_path, "metrics:\n  flicker: {}\n  clipscore: {}\n")
    with pytest.raises(InputError, match=r"line 3: metrics\.clipscore: .*did you mean 'clip_score'"):
        refuse_unknown(gate, ["flicker", "clip_score"])
    with pytest.raises(InputError, match="neither run has"):
        refuse_unknown(Gate(named={"x": (None, None, None)}), ["flicker"])
