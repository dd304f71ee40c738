"""A bad file costs itself alone: crash, hang, too much memory, nonsense. The child is real, and really dies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture(scope="module")
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
    before = set(Path(tempfile.gettempdir()).iterdir())
    with Decoder() as decoder:
        decoder.decode(good)
        child = decoder._child
        new = set(Path(tempfile.gettempdir()).iterdir()) - before
        assert not [path for path in new if "frames" in path.name or "decode" in path.name]
    assert child is not None
    assert child.poll() is not None
    assert decoder._shared is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_child_whose_parent_was_killed_ends_by_itself(tmp_path: Path) -> None:
    """Stopping a child that hangs is the parent's work; a child that nobody stops must not stay for ever."""
    os.mkfifo(tmp_path / "hang.mp4")
    code = (
        "import sys; from pathlib import Path; from evals.decode import *\n"
        "with Decoder(Allowance(seconds=2, grace_seconds=0)) as decoder:\n"
        "    print(decoder._running().pid, flush=True); decoder.decode(Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "hang.mp4")], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1.0)
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and _running(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _running(child)


def _running(process: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_playlists_inside_containers_are_refused(decoder: Decoder, good: Path, clip: VideoClip, tmp_path: Path) -> None:
    """FFmpeg goes by content, not by name: such a file would make it read another one."""
    lists = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{good}\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile {good.name}\n",
        "concat.mkv": f"ffconcat version 1.0\nfile '{good}'\n",
    }
    for name, content in lists.items():
        (tmp_path / name).write_text(content)
        assert name in reason(decoder.decode(tmp_path / name))
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.mp4")
    assert "picture.mp4" in reason(decoder.decode(tmp_path / "picture.mp4"))


def test_content_decides_between_containers(decoder: Decoder, good: Path, clip: VideoClip, tmp_path: Path) -> None:
    shutil.copy(good, tmp_path / "really-matroska.mp4")
    assert decoder.decode(tmp_path / "really-matroska.mp4") == Decoded(clip, "ffv1")


@pytest.mark.parametrize("name", [b"-rf.mkv", b"concat:a.mkv", b"http:x.mkv", b"two\nlines.mkv", b"latin-\xfc.mkv"])
def test_names_that_look_like_something_else(decoder: Decoder, good: Path, clip: VideoClip, name: bytes) -> None:
    path = good.parent / os.fsdecode(name)
    shutil.copy(good, path)
    assert decoder.decode(path) == Decoded(clip, "ffv1")


def test_sizes_that_headers_claim_are_not_believed(decoder: Decoder, good: Path, clip: VideoClip) -> None:
    folder = good.parent
    frames = [Image.fromarray(f.transpose(1, 2, 0)) for f in clip.frames]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    gif = bytearray((folder / "a.gif").read_bytes())
    gif[6:10] = b"\xff\xff\xff\xff"
    (folder / "huge.gif").write_bytes(gif)
    frames[0].save(folder / "a.png")
    png = bytearray((folder / "a.png").read_bytes())
    png[16:24] = b"\x00\xff\xff\xff\x00\xff\xff\xff"
    (folder / "huge.png").write_bytes(png)
    np.save(folder / "a.npy", clip.frames)
    npy = (folder / "a.npy").read_bytes()
    (folder / "huge.npy").write_bytes(npy.replace(b"(5, 3, 16, 24)", b"(9, 3, 90000, 90000)"[:14].ljust(14)))
    (folder / "floats.npy").touch()
    np.save(folder / "floats.npy", clip.floats())
    for name in ("huge.gif", "huge.png", "huge.npy", "floats.npy"):
        assert name in reason(decoder.decode(folder / name))
    assert decoder.decode(good) == Decoded(clip, "ffv1")


def test_ten_thousand_frames(decoder: Decoder, tmp_path: Path) -> None:
    long = VideoClip(
        np.arange(10_000, dtype=np.uint32).view(np.uint8).reshape(-1, 4)[:, :3, None, None].repeat(2, 3), 24
    )
    np.save(tmp_path / "long.npy", long.frames)
    np.save(tmp_path / "longer.npy", np.zeros((10_001, 3, 1, 1), np.uint8))
    assert decoder.decode(tmp_path / "long.npy") == Decoded(VideoClip(long.frames, 8), "npy")
    assert "more than 10,000 frames" in reason(decoder.decode(tmp_path / "longer.npy"))


def test_threads_take_turns(decoder: Decoder, good: Path, clip: VideoClip) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(decoder.decode, [good] * 12)) == [Decoded(clip, "ffv1")] * 12


def test_a_child_that_cannot_start_is_a_reason(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with Decoder() as decoder:
        assert "could not be started" in reason(decoder.decode(good))
