"""Frames left out of a clip, made again and compared: by blending, whose error is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ablations.real_clips import PERCEPTUAL, compare, find, held_out, main, table
from evals import fetch
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.errors import InputError
from magicvideo.stage_config import VFIKind


def ramp(frames: int, step: int) -> VideoClip:
    """Grey that rises evenly: blending makes its frames exactly."""
    levels = (np.arange(frames) * step).astype(np.uint8)
    return VideoClip(np.broadcast_to(levels[:, None, None, None], (frames, 3, 16, 24)), 30.0)


def make(keys: VideoClip, kind: VFIKind) -> VideoClip:
    """Holds or blends, each frame by hand."""
    a = keys.frames.astype(float)
    between = a[:-1] if kind == "nearest" else (a[:-1] + a[1:]) / 2
    frames = np.concatenate([np.stack([a[:-1], between], 1).reshape(-1, *a.shape[1:]), a[-1:]])
    return VideoClip(np.rint(frames).astype(np.uint8), keys.fps * 2)


def test_left_out_frames_are_those_that_count() -> None:
    said = list[str]()
    found = compare({"a": ramp(5, 2), "b": ramp(7, 4)}, ["nearest", "linear"], make, said.append)
    assert found["psnr_between"]["linear"] == pytest.approx({n: 10 * np.log10(12 * 255**2) for n in "ab"})
    expected = {"a": 20 * np.log10(255 / 2), "b": 20 * np.log10(255 / 4)}
    assert found["psnr_between"]["nearest"] == pytest.approx(expected, abs=1e-4)
    assert len(said) == 2
    lines = list(table(found))
    assert len(lines) == 2 + 2 * 2
    assert lines[2].startswith("| psnr_between | nearest | ")
    assert lines[2].endswith(" | 2 |")
    assert "| psnr_between | linear | 58.92" in lines[3]


@pytest.mark.skipif(fetch.locate("efficientnet-lite0") is None, reason="needs the extra packaged")
def test_a_network_that_knows_photographs_judges_too() -> None:
    clips = {"a": VideoClip(ramp(5, 2).frames.repeat(4, axis=2).repeat(4, axis=3), 30.0)}
    found = compare(clips, ["nearest", "linear"], make, lambda _: None, PERCEPTUAL)
    assert list(found) == ["lpips_truth", "tlp", "flicker"]
    assert found["lpips_truth"]["linear"] == pytest.approx({"a": 0}, abs=1e-6)
    assert found["lpips_truth"]["nearest"]["a"] > found["lpips_truth"]["linear"]["a"]
    assert found["tlp"]["nearest"]["a"] > found["tlp"]["linear"]["a"]


def test_a_clip_is_cut_to_an_odd_number_of_frames_and_scaled() -> None:
    assert [len(held_out(ramp(n, 1), 9, 256)) for n in (3, 4, 8, 9, 20)] == [3, 3, 7, 9, 9]
    assert held_out(ramp(5, 1), 9, 12).size == (8, 12)
    with pytest.raises(InputError, match="2 frame"):
        held_out(ramp(2, 1), 9, 256)


def test_a_folder_without_videos_and_an_unknown_kind_are_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "holds no videos" in capsys.readouterr().err
    assert main([str(tmp_path), "--kinds", "liner"]) == 2
    assert "unknown kind" in capsys.readouterr().err
    write_lossless(tmp_path / "deeper" / "a.mkv", ramp(5, 2))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert list(find(tmp_path, 33, 256)) == ["deeper/a.mkv"]
