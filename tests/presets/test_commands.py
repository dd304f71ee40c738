"""Presets through the command: what a run writes of its weights, and grids that stand on a preset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_weights import dump

from ablations.grid import load_grid
from magicvideo.cli import main
from magicvideo.clip import read_clip
from magicvideo.errors import InputError
from magicvideo.runs import Store


def test_a_run_records_the_weights_that_it_used(
    tiny_presets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset, weights = str(tiny_presets / "svd.yaml"), str(tiny_presets.parent / "weights")
    call = ["generate", "a red star", "--preset", preset, "--weights", weights, "--out", str(tmp_path), "--json"]
    call += ["--without", "v2v", "--set", "vfi=linear"]
    assert main(call) == 0
    said = capsys.readouterr()
    assert "stabilityai/stable-video-diffusion-img2vid-xt: Stability AI Community License, https://" in said.err
    assert "the pocket model" not in said.err, "its words are no limit here"
    (item,) = json.loads(said.out)["items"]
    record = json.loads((Path(item["video"]).parent / "record.json").read_text(encoding="utf-8"))
    found = {w["repository"]: w for w in record["weights"]}
    assert set(found) == {"stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-video-diffusion-img2vid-xt"}
    assert all(len(sha) == 64 for w in found.values() for sha in w["files"].values())
    assert len(read_clip(Path(item["clip"]))) == 7
    assert Store(tmp_path / "store").has_clip(item["digest"])


def grid(folder: Path, preset: str, **more: object) -> Path:
    dump(
        folder / "grid.yaml", {"name": "g", "base": {"preset": preset}, "prompts": ["a red star"], "seeds": [0], **more}
    )
    return folder / "grid.yaml"


def test_a_grid_stands_on_a_preset(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = str(here / "fast.yaml")
    path = grid(tmp_path, preset, leave_one_out=["controlnet"], sweep={"i2v.guidance": [1, 2, 3]})
    assert [arm.config.i2v.frames for arm in load_grid(path).arms] == [3] * 4
    assert main(["ablate", str(path), "--dry-run", "--out", str(tmp_path / "run"), "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert stages["compute"] == 13, "one picture, and three stages for each of four arms"


def test_a_grid_that_leaves_out_what_its_preset_lacks(here: Path, tmp_path: Path) -> None:
    path = grid(tmp_path, str(here / "svd.yaml"), leave_one_out=["appearance_encoder"])
    with pytest.raises(InputError, match=r"grid\.yaml.*leave_one_out.*svd has no switch appearance_encoder: SVD-XT"):
        load_grid(path)
