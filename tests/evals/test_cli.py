"""`magicvideo evaluate`, called as a user calls it, on metrics that need no weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless, write_preview

Make = Callable[..., VideoClip]
LIGHT = ["--metrics", "flicker,motion_magnitude"]


@pytest.fixture
def videos(tmp_path: Path, noise_clip: Make) -> Path:
    """mp4, mkv, npy and a folder of pictures."""
    folder = tmp_path / "videos"
    folder.mkdir()
    write_preview(folder / "a.mp4", noise_clip(1))
    write_lossless(folder / "b.mkv", noise_clip(2))
    np.save(folder / "c.npy", noise_clip(3).frames)
    (folder / "d").mkdir()
    for n, frame in enumerate(noise_clip(4).frames):
        Image.fromarray(frame.transpose(1, 2, 0)).save(folder / "d" / f"{n:03d}.png")
    return folder


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"id": name, "prompt": f"prompt {name}"}) + "\n" for name in "abcd"))
    return path


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def as_json(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    code, out, err = call(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_json_is_one_object_with_every_field(
    capsys: pytest.CaptureFixture[str], videos: Path, prompts: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    found = as_json(capsys, videos, "--prompts", prompts, *LIGHT, "--out", run)
    assert found["run"] == str(run)
    assert list(found["metrics"]) == ["flicker", "motion_magnitude"]
    for score in found["metrics"].values():
        assert set(score) == {
            "value", "low", "high", "n", "unscored", "unit", "higher_is_better", "protocol",
        }  # fmt: skip
        assert (score["n"], score["unscored"]) == (4, 0)
        assert "source=h264+lossless" in score["protocol"]
    assert found["unscored"] == []


def test_the_run_folder_holds_what_was_asked_and_found(
    capsys: pytest.CaptureFixture[str], videos: Path, prompts: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    found = as_json(capsys, videos, "--prompts", prompts, *LIGHT, "--out", run)
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "complete"
    assert [item["prompt"] for item in record["items"]] == [f"prompt {name}" for name in "abcd"]
    assert record["metrics"]["flicker"]["protocol"] == found["metrics"]["flicker"]["protocol"]
    assert json.loads((run / "summary.json").read_text()) == found
    rows = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    mean = np.mean([row["value"] for row in rows if row["metric"] == "flicker"])
    assert mean == pytest.approx(found["metrics"]["flicker"]["value"])
    again = as_json(capsys, videos, "--prompts", prompts, *LIGHT, "--out", run)
    assert again == found, "a second run from the cache says the same"


def test_the_table_goes_to_standard_output_without_json(capsys: pytest.CaptureFixture[str], videos: Path) -> None:
    code, out, _ = call(capsys, videos, *LIGHT)
    assert code == 0
    assert "flicker" in out
    assert "95 % interval" in out
    assert "diagonals/s" in out


def test_videos_without_prompts_are_noted_and_scored(
    capsys: pytest.CaptureFixture[str], videos: Path, prompts: Path
) -> None:
    prompts.write_text('{"id": "a", "prompt": "x"}\n{"file": "c.npy", "prompt": "y"}\n{"id": "zz", "prompt": "z"}\n')
    code, _, err = call(capsys, videos, "--prompts", prompts, *LIGHT)
    assert code == 0
    assert "2 video(s) without a prompt" in err
    assert "b.mkv, d" in err
    assert "1 prompt(s)" in err
    assert "zz" in err


def test_unreadable_and_one_frame_videos_keep_their_reasons(
    capsys: pytest.CaptureFixture[str], videos: Path, noise_clip: Make
) -> None:
    (videos / "broken.mp4").write_bytes(b"not a video")
    write_lossless(videos / "short.mkv", noise_clip(9, frames=1))
    found = as_json(capsys, videos, *LIGHT)
    assert found["metrics"]["flicker"]["n"] == 4
    assert found["metrics"]["flicker"]["unscored"] == 2
    reasons = {entry["item"]: entry for entry in found["unscored"]}
    assert "broken.mp4: cannot be decoded" in reasons["broken"]["reason"]
    assert reasons["short"]["reason"] == "1 frame(s); needs at least 2"
    assert reasons["short"]["metrics"] == ["flicker", "motion_magnitude"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "flikker"], "did you mean 'flicker'"),
        (["--metrics", ","], "--metrics names none"),
        (["--suite", "poket"], "did you mean 'pocket'"),
        (["--prompts", "absent.jsonl"], "no such prompt file"),
        (["--reference", "absent"], "no such folder"),
    ],
)
def test_bad_options_are_answered_with_2(
    capsys: pytest.CaptureFixture[str], videos: Path, words: list[str], message: str
) -> None:
    code, out, err = call(capsys, videos, *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no prompts"),
        ('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n', "lines 1 and 2 share the id 'a'"),
        ('{"id": "zz", "prompt": "x"}\n', "no prompt belongs to any video"),
    ],
)
def test_bad_prompt_files_are_answered_with_2(
    capsys: pytest.CaptureFixture[str], videos: Path, prompts: Path, content: str, message: str
) -> None:
    prompts.write_text(content)
    code, _, err = call(capsys, videos, "--prompts", prompts, *LIGHT)
    assert code == 2
    assert message in err


def test_folders_without_videos_are_answered_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    code, _, err = call(capsys, tmp_path / "none", *LIGHT)
    assert code == 2
    assert "holds no videos" in err


def test_a_folder_where_nothing_can_be_scored_is_answered_with_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no")
    code, _, err = call(capsys, tmp_path, *LIGHT)
    assert code == 2
    assert "nothing could be scored" in err
    assert "a.mp4" in err


def test_an_output_folder_that_cannot_be_written_is_answered_before_the_work(
    capsys: pytest.CaptureFixture[str], videos: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    code, out, err = call(capsys, videos, *LIGHT, "--out", tmp_path / "file")
    assert (code, out) == (2, "")
    assert "cannot write" in err
    assert "scoring" not in err
    if os.access("/proc", os.R_OK) and not os.access("/proc/run", os.W_OK):
        assert call(capsys, videos, *LIGHT, "--out", "/proc/run")[0] == 2


def test_references_are_matched_by_name(capsys: pytest.CaptureFixture[str], videos: Path, tmp_path: Path) -> None:
    references = tmp_path / "references"
    references.mkdir()
    Image.new("RGB", (8, 8)).save(references / "other.png")
    code, _, err = call(capsys, videos, "--reference", references, *LIGHT)
    assert code == 0
    assert "no reference has the name of a video" in err


def test_as_a_command(videos: Path) -> None:
    words = [sys.executable, "-m", "magicvideo.cli", "evaluate", str(videos), *LIGHT, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["flicker"]["n"] == 4
    assert "scoring" in done.stderr


def test_names_that_are_no_utf8_come_through(capsys: pytest.CaptureFixture[str], videos: Path, tmp_path: Path) -> None:
    (videos / os.fsdecode(b"latin-\xfc\n.mp4")).write_bytes(b"no video")
    found = as_json(capsys, videos, *LIGHT, "--out", tmp_path / "run")
    assert [entry["item"] for entry in found["unscored"]] == ["latin-\\xfc\n"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "scores.jsonl").read_text("utf-8").splitlines()]
    assert {row["item"] for row in rows} == {"a", "b", "c", "d", "latin-\\xfc\n"}
    code, out, _ = call(capsys, videos, *LIGHT)
    assert code == 0
    assert "\\udcfc\\n.mp4: cannot be decoded" in out


def test_vbench_names_bring_their_prompts(capsys: pytest.CaptureFixture[str], videos: Path, tmp_path: Path) -> None:
    for n, name in enumerate(("a.mp4", "b.mkv")):
        (videos / name).rename(videos / f"a red star-{n}{Path(name).suffix}")
    (videos / "c.npy").unlink()
    for picture in (videos / "d").iterdir():
        picture.unlink()
    code, _, err = call(capsys, videos, *LIGHT, "--out", tmp_path / "run", "--workers", "2")
    assert code == 0
    assert "read as vbench's layout" in err
    items = json.loads((tmp_path / "run" / "run.json").read_text())["items"]
    assert [(item["item"], item["prompt_id"]) for item in items] == [
        ("a red star-0", "a red star"),
        ("a red star-1", "a red star"),
    ]
