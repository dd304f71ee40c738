"""A bad file costs itself alone: crash, hang, too much memory, nonsense. The child is real, and really dies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evals.decode import Allowance, Decoded, Decoder, codec_of
from evals.states import Unscored
from magicvideo.clip import Limits, VideoClip, write_lossless, write_preview


@pytest.fixture
def clip() -> VideoClip:
    return VideoClip(np.random.default_rng(0).integers(0, 256, (5, 3, 16, 24), np.uint8), 8.0)


@pytest.fixture
def good(tmp_path: Path, clip: VideoClip) -> Path:
    write_lossless(tmp_path / "good.mkv", clip)
    return tmp_path / "good.mkv"


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def reason(found: Decoded | Unscored) -> str:
    assert isinstance(found, Unscored)
    return found.reason


def test_frames_come_back_bit_exact_with_rate_and_codec(decoder: Decoder, good: Path, clip: VideoClip) -> None:
    assert decoder.decode(good) == Decoded(clip, "ffv1")


def test_the_child_is_kept(decoder: Decoder, good: Path) -> None:
    decoder.decode(good)
    first = decoder._child
    decoder.decode(good)
    assert first is not None
    assert decoder._child is first


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(5000)])
def test_nonsense_has_a_reason_that_names_the_file(
    decoder: Decoder, good: Path, clip: VideoClip, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    assert "bad.mp4" in reason(decoder.decode(tmp_path / "bad.mp4"))
    assert decoder.decode(good) == Decoded(clip, "ffv1")


def test_a_truncated_video_is_read_or_refused_never_fatal(decoder: Decoder, clip: VideoClip, tmp_path: Path) -> None:
    write_preview(tmp_path / "whole.mp4", clip)
    whole = (tmp_path / "whole.mp4").read_bytes()
    for share in (0.3, 0.6, 0.9):
        (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * share)])
        found = decoder.decode(tmp_path / "cut.mp4")
        assert isinstance(found, Decoded) or "cut.mp4" in found.reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_file_that_hangs_is_stopped_and_the_next_one_is_read(tmp_path: Path, good: Path, clip: VideoClip) -> None:
    os.mkfifo(tmp_path / "hang.mp4")
    with Decoder(Allowance(seconds=2.0)) as decoder:
        assert isinstance(decoder.decode(good), Decoded)
        assert "more than 2 s" in reason(decoder.decode(tmp_path / "hang.mp4"))
        assert decoder._child is None
    with Decoder() as decoder:
        assert decoder.decode(good) == Decoded(clip, "ffv1")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_child_that_dies_in_the_middle_costs_that_file_alone(
    decoder: Decoder, tmp_path: Path, good: Path, clip: VideoClip
) -> None:
    os.mkfifo(tmp_path / "killed.mp4")
    decoder.decode(good)
    child = decoder._child
    assert child is not None
    threading.Thread(target=lambda: (time.sleep(0.3), child.kill())).start()
    assert "crashed on this file (exit code -9)" in reason(decoder.decode(tmp_path / "killed.mp4"))
    assert decoder.decode(good) == Decoded(clip, "ffv1")


def test_a_child_killed_between_files_is_replaced(decoder: Decoder, good: Path, clip: VideoClip) -> None:
    decoder.decode(good)
    assert decoder._child is not None
    decoder._child.kill()
    decoder._child.wait()
    assert decoder.decode(good) == Decoded(clip, "ffv1")


@pytest.mark.parametrize(
    ("limits", "word"),
    [(Limits(frames=4), "4 frames"), (Limits(frame_pixels=100), "100 pixels a frame"), (Limits(pixels=1500), "in all")],
)
def test_what_is_too_large_is_refused(good: Path, tmp_path: Path, limits: Limits, word: str) -> None:
    np.save(tmp_path / "large.npy", np.zeros((5, 3, 16, 24), np.uint8))
    (tmp_path / "frames").mkdir()
    for n in range(5):
        Image.new("RGB", (24, 16)).save(tmp_path / "frames" / f"{n}.png")
    with Decoder(Allowance(limits=limits)) as decoder:
        for path in (good, tmp_path / "large.npy", tmp_path / "frames"):
            assert word in reason(decoder.decode(path))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is limited on Linux")
def test_a_file_that_outgrows_its_memory_is_refused_and_the_next_one_is_read(tmp_path: Path, good: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((900, 3, 500, 500), np.uint8))
    with Decoder(Allowance(memory_bytes=1 << 30, limits=Limits())) as decoder:
        assert "large.npy" in reason(decoder.decode(tmp_path / "large.npy"))
        assert isinstance(decoder.decode(good), Decoded)


def test_names_with_odd_letters(decoder: Decoder, clip: VideoClip, tmp_path: Path) -> None:
    path = tmp_path / 'ein "roter" Stern\n☆.mkv'
    write_lossless(path, clip)
    assert decoder.decode(path) == Decoded(clip, "ffv1")


def test_codecs_by_name(tmp_path: Path, clip: VideoClip, good: Path) -> None:
    write_preview(tmp_path / "a.mp4", clip)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    np.save(tmp_path / "a.npy", clip.frames)
    names = [codec_of(tmp_path / name) for name in ("good.mkv", "a.mp4", "a.jpg", "a.npy")]
    assert names == ["ffv1", "h264", "jpeg", "npy"]


def test_the_child_imports_neither_torch_nor_backbones() -> None:
    code = "import sys, evals.decode; print([m for m in ('torch', 'scipy', 'evals.backbones') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_left_behind(good: Path) -> None:
    with Decoder() as decoder:
        decoder.decode(good)
        child, folder = decoder._child, Path(decoder._folder.name)  # type: ignore[union-attr]
        assert list(folder.iterdir()) == []
    assert child is not None
    assert child.poll() is not None
    assert not folder.exists()


def test_a_child_that_cannot_start_is_a_reason(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with Decoder() as decoder:
        assert "could not be started" in reason(decoder.decode(good))
