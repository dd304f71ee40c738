"""Arms that are folders of videos: matched to prompts, scored beside the pipeline's, and never a reason to stop."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ablations.effects import effects
from ablations.execute import execute
from ablations.grid import load_grid
from ablations.plan import expand
from magicvideo.clip import VideoClip, write_preview
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl
from reports.ablation import write_report

GRID = """\
name: others
base: {t2i.size: 16, i2v.size: 16, i2v.frames: 3, v2v.size: 32, vfi.factor: 2}
leave_one_out: [v2v]
arms: [{name: other, title: another system, videos: films}]
prompts:
  - {id: star, prompt: a red star moving left on a plain background}
  - {id: ring, prompt: a blue ring bouncing on a dotted background}
seeds: [0, 1]
metrics: [flicker, motion_magnitude]
"""


def film(path: Path, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    write_preview(path, VideoClip(frames, 8.0))


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    films = tmp_path / "films"
    films.mkdir()
    film(films / "star-0.mp4", 0)
    film(films / "star-1.mp4", 1)
    (films / "ring-0.mp4").write_bytes(b"no video at all")
    path = tmp_path / "g.yaml"
    path.write_text(GRID)
    return path


def test_videos_of_others_are_scored_beside_the_pipelines(grid_file: Path, tmp_path: Path, fake: ModuleType) -> None:
    grid, out = load_grid(grid_file), tmp_path / "run"
    assert {item.arm.name for item in expand(grid)} == {"full", "without v2v"}, "there is nothing to make of them"
    execute(grid, out, fake.engine(), progress=False)
    rows = {(r["prompt_id"], r["seed"]): r for r in read_jsonl(out / "items.jsonl") if r["arm"] == "other"}
    assert rows["star", 0]["codec"] == "h264"
    assert rows["star", 0]["clip"] != rows["star", 1]["clip"]
    assert "ring-0.mp4" in rows["ring", 0]["reason"]
    assert "no video of this prompt and seed" in rows["ring", 1]["reason"]
    scores = [r for r in read_jsonl(out / "scores.jsonl") if r["arm"] == "other" and r["metric"] == "flicker"]
    assert [r["value"] is not None for r in scores] == [True, True, False, False]
    record = read_json(out / "run.json")
    assert "h264" in record["metrics"]["flicker"]["protocol"], "a clip that came through a codec says so"
    found = {e.arm: e for e in effects(read_jsonl(out / "scores.jsonl"), record) if e.metric == "flicker"}
    assert (found["other"].n, found["without v2v"].n) == (2, 4)
    assert "another system" in write_report(out, "md").read_text()


def test_videos_are_found_by_the_words_in_their_names(grid_file: Path, tmp_path: Path, fake: ModuleType) -> None:
    films = tmp_path / "films"
    for name in list(films.iterdir()):
        name.unlink()
    for n in (0, 1):
        film(films / f"a red star moving left on a plain background-{n}.mp4", n)
    execute(load_grid(grid_file), tmp_path / "run", fake.engine(), progress=False)
    rows = [r for r in read_jsonl(tmp_path / "run" / "items.jsonl") if r["arm"] == "other" and r["clip"]]
    assert [(r["prompt_id"], r["seed"], Path(r["video"]).stem[-1]) for r in rows] == [
        ("star", 0, "0"),
        ("star", 1, "1"),
    ]


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("{name: other, videos: nowhere}", ["line 4", "videos", "no such folder"]),
        ("{name: other, videos: films, without: [v2v]}", ["line 4", "cannot set fields"]),
    ],
)
def test_a_wrong_folder_is_answered_with_its_place(grid_file: Path, arm: str, words: list[str]) -> None:
    grid_file.write_text(GRID.replace("{name: other, title: another system, videos: films}", arm))
    with pytest.raises(InputError) as error:
        load_grid(grid_file)
    assert all(word in str(error.value) for word in words), str(error.value)
