"""Folders, paths, arrays, tensors and clips become items; what is no video is answered, never guessed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evals import Item, evaluate
from evals.inputs import as_clip, as_items
from evals.suite import Suite
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.errors import InputError

Make = Callable[..., VideoClip]


def test_all_forms_of_a_video_are_the_same_clip(noise_clip: Make) -> None:
    clip = noise_clip(1)
    channels_last = clip.frames.transpose(0, 2, 3, 1)
    forms = [
        clip.frames, channels_last, clip.floats(), clip.floats().astype(np.float64), torch.tensor(clip.frames),
        torch.tensor(clip.floats()), torch.tensor(clip.floats()).requires_grad_(), torch.tensor(channels_last),
    ]  # fmt: skip
    assert all(as_clip(form) == clip for form in forms)
    half = as_clip(torch.tensor(clip.floats()).bfloat16())
    assert np.abs(half.frames.astype(int) - clip.frames).max() <= 1


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((4, 8, 8), np.uint8), "needs frames"),
        (np.zeros((4, 4, 8, 8), np.uint8), "needs frames"),
        (np.zeros((0, 3, 8, 8), np.uint8), "needs frames"),
        (np.zeros((4, 3, 8, 8), np.int64), "uint8 or floats"),
        (np.full((4, 3, 8, 8), -1.0), r"found -1 to -1"),
        (np.full((4, 3, 8, 8), 255.0), r"found 255 to 255"),
        (np.full((4, 3, 8, 8), np.nan), "found nan"),
    ],
)
def test_nothing_is_guessed(frames: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_clip(frames)


def test_sequences_batches_and_pairs(noise_clip: Make, tmp_path: Path) -> None:
    clips = [noise_clip(n) for n in range(3)]
    array = np.stack([clip.frames for clip in clips])
    assert [item.clip for item in as_items(array)] == clips
    assert [item.clip for item in as_items(torch.tensor(array))] == clips
    assert [item.clip for item in as_items(array[0])] == clips[:1]
    items = as_items([(clips[0], "red"), clips[1], (array[2], None)])
    assert [(i.name, i.prompt, i.prompt_id) for i in items] == [
        ("clip0", "red", "red"),
        ("clip1", None, "video clip1"),
        ("clip2", None, "video clip2"),
    ]
    assert [i.prompt for i in as_items(clips, ["a", None, "b"])] == ["a", None, "b"]
    with pytest.raises(InputError, match="2 prompts for 3 videos"):
        as_items(clips, ["a", "b"])
    with pytest.raises(InputError, match="items carry their prompts"):
        as_items([Item("a", clips[0], None, "a")], ["a"])
    for nonsense in (3, [3], ["a", object()], np.zeros((2, 2))):
        with pytest.raises(InputError):
            as_items(nonsense)


def test_paths_and_folders(noise_clip: Make, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        write_lossless(tmp_path / place / "x.mkv", noise_clip(1))
    write_lossless(tmp_path / "a" / "y.mkv", noise_clip(2))
    assert [i.name for i in as_items(tmp_path / "a")] == ["x", "y"]
    assert [i.name for i in as_items(str(tmp_path / "a" / "x.mkv"))] == ["x"]
    both = [tmp_path / "a" / "x.mkv", str(tmp_path / "b" / "x.mkv")]
    assert [i.name for i in as_items(both)] == [str(path) for path in both]


def test_results_are_tables(suite: Suite, noise_clip: Make, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no")
    videos: list[Any] = [noise_clip(n).frames for n in range(12)]
    found = evaluate([*videos, tmp_path / "bad.mp4"], suite, ["clip_score", "flicker"], progress=False,
                     prompts=[*["red", "green", "blue"] * 4, "red"])  # fmt: skip
    frame = found.frame
    assert list(frame.columns) == ["item", "prompt_id", "metric", "value", "reason"]
    assert len(frame) == 26
    assert frame.groupby("metric", observed=True).size().to_dict() == {"clip_score": 13, "flicker": 13}
    bad = frame[frame["item"] == "bad"]
    assert bad["value"].isna().all(), "missing is not zero"
    assert bad["reason"].str.contains("cannot be decoded").all()
    assert frame[frame["item"] != "bad"]["reason"].isna().all()
    for name, score in found.scores.items():
        row = found.summary.loc[name]
        assert (row["value"], row["n"], row["unscored"]) == (score.value, 12, 1)
        assert row["low"] < row["value"] < row["high"]
        assert frame[frame["metric"] == name]["value"].mean() == pytest.approx(row["value"])


def test_tables_of_nothing(suite: Suite) -> None:
    found = evaluate([], suite, progress=False)
    assert len(found.frame) == 0
    assert found.summary["value"].isna().all()
    assert (found.summary["n"] == 0).all()


def test_arrays_are_scored_without_torch() -> None:
    code = (
        "import sys, numpy as np; from evals import evaluate\n"
        "v = np.random.default_rng(0).integers(0, 256, (3, 4, 3, 8, 8), np.uint8)\n"
        "print(len(evaluate(v, metrics=['flicker'], progress=False).frame), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "False"]
