"""The verbs `ablate` and `demo` through the real command, on the fake pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from ablations import demo
from ablations.grid import load_grid
from magicvideo.cli import main


@pytest.fixture(autouse=True)
def _fake_engine(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablations.execute.pocket_engine", lambda threads=1: fake.engine())
    monkeypatch.setattr("ablations.cli.default_workers", lambda: 1)
    monkeypatch.setattr("ablations.demo.default_workers", lambda: 1)


def test_ablate_prints_one_object_and_writes_the_report(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["ablate", str(tiny), "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["run"] == str(out)
    assert Path(result["report"]) == out / "report.html"
    assert "Does it hold together?" in (out / "report.html").read_text()
    assert result["stages"] == {"computed": 36, "reused": 12}
    keys = {"metric", "switch", "difference", "low", "high", "p_adjusted", "verdict"}
    assert all(keys <= set(e) for e in result["effects"])
    assert len(result["effects"]) == 4
    assert "2 prompts x 2 seeds an arm" in printed.err
    assert main(["ablate", str(tiny), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"] == {"computed": 0, "reused": 48}


def test_a_dry_run_counts_and_leaves_nothing(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["ablate", str(tiny), "--out", str(out), "--dry-run", "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["stages"] == {"compute": 36, "reuse": 12}
    unknown = {"seconds": None, "bytes": None, "peak_memory": None}
    assert result["by_stage"]["i2v"] == {"compute": 8, "found": 0, "shared": 4, **unknown}
    assert "i2v: 8 to compute, 0 found, 4 shared" in printed.err
    assert not out.exists()


def test_the_run_is_named_after_the_grid_unless_told(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ablate", str(tiny), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "runs/tiny"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("controlnet, v2v", "contolnet"), "did you mean 'controlnet'"),
        (("flicker,", "flikcer,"), "did you mean 'flicker'"),
    ],
)
def test_bad_input_ends_with_2_and_a_remedy(
    edit: tuple[str, str], message: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_text(tiny.read_text().replace(*edit))
    assert main(["ablate", str(tiny), "--out", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "line" in printed.err
    assert printed.out == ""
    assert not (tmp_path / "run").exists()


def test_demo_tells_where_the_report_is_and_what_to_try(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_grid", lambda name: {"demo": tiny}[name])
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert set(result) == {"report", "run", "seconds"}
    assert Path(result["report"]).exists()
    assert str(out / "report.html") in printed.err
    assert printed.err.count("magicvideo ") == 3


def test_the_demo_grid_is_small() -> None:
    grid = load_grid(demo.find_grid("demo"))
    assert len(grid.arms) * len(grid.prompts) * len(grid.seeds) <= 100
