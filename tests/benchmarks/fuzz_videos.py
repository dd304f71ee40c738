"""Damaged and hostile videos by the thousand: `make fuzz`. Exits with 1 if one of them costs more than itself.

A folder of good videos and of mutations of them is evaluated as a user would; then as many tiny files as asked for. The
process must neither die nor hang, each file must have a value or a reason, and the good ones must score as they do
alone. Everything is drawn from `--seed`.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from evals import Evaluation, evaluate
from magicvideo.clip import VideoClip, write_lossless, write_preview

METRICS = ["flicker", "motion_magnitude"]
BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"udta", b"edts", b"dinf")
"""MP4 boxes that hold others."""
SIZES = (0, 1, 7, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def good_videos(folder: Path, seed: int = 0) -> list[Path]:
    """One small clip of each kind: mp4, mkv, webm, gif, avi, npy, a folder of pictures."""
    rng = np.random.default_rng(seed)
    start, drift = rng.integers(40, 200, (3, 32, 48)), rng.integers(-9, 10, (3, 32, 48))
    clip = VideoClip(np.clip(start + drift * np.arange(6)[:, None, None, None], 0, 255).astype(np.uint8), 8.0)
    folder.mkdir(parents=True, exist_ok=True)
    write_preview(folder / "good-h264.mp4", clip)
    write_lossless(folder / "good-ffv1.mkv", clip)
    _write(folder / "good-vp8.webm", clip, "libvpx", "yuv420p")
    _write(folder / "good-avi.avi", clip, "mpeg4", "yuv420p")
    _write(folder / "good-mov.mov", clip, "mpeg4", "yuv420p")
    pictures = [Image.fromarray(f.transpose(1, 2, 0)) for f in clip.frames]
    pictures[0].save(folder / "good-gif.gif", save_all=True, append_images=pictures[1:], duration=125)
    np.save(folder / "good-npy.npy", clip.frames)
    (folder / "good-png").mkdir(exist_ok=True)
    for n, picture in enumerate(pictures):
        picture.save(folder / "good-png" / f"{n}.png")
    return sorted(folder.iterdir())


def _write(path: Path, clip: VideoClip, codec: str, pixels: str) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=8)
        stream.height, stream.width = clip.size
        stream.pix_fmt = pixels
        stream.bit_rate = 4_000_000
        for frame in clip.frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


def boundaries(data: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Offsets where a box of an MP4 begins, and where its header ends, at every depth."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield from (start, start + 8)
        if size < 8:
            return
        if kind in BOXES:
            yield from boundaries(data, start + (16 if kind == b"stsd" else 8), min(end, start + size))
        start += size


def mutations(good: list[Path], folder: Path, count: int, seed: int) -> None:
    """Writes `count` damaged files: first one of each special kind, then truncations, then drawn ones."""
    rng = np.random.default_rng(seed)
    made = 0
    for make in (_specials(good, folder), _truncated(good, folder), _drawn(good, folder, rng)):
        for _ in make:
            made += 1
            if made >= count:
                return


def _specials(good: list[Path], folder: Path) -> Iterator[None]:
    """Playlists, zero frames, wrong suffixes, links, pipes and names."""
    mp4 = next(p for p in good if p.suffix == ".mp4")
    texts = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{mp4}\n#EXT-X-ENDLIST\n",
        "hls-passwd.mkv": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{mp4}'\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
        "sdp.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "script.avi": "import os\n",
        "empty.mp4": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        yield
    arrays = {
        "zero-frames.npy": np.zeros((0, 3, 8, 8), np.uint8),
        "zero-wide.npy": np.zeros((4, 3, 8, 0), np.uint8),
        "floats.npy": np.zeros((4, 3, 8, 8), np.float32),
        "flat.npy": np.zeros(100, np.uint8),
        "four-channels.npy": np.zeros((4, 8, 8, 4), np.uint8),
    }
    for name, array in arrays.items():
        np.save(folder / name, array)
        yield
    np.savez(folder / "archive", np.zeros(3))
    (folder / "archive.npz").rename(folder / "archive.npy")
    yield
    with av.open(str(folder / "no-frames.mp4"), "w") as out:
        out.add_stream("libx264", rate=8).width = 16
    yield
    files = [path for path in good if path.is_file()]
    for n, path in enumerate(files):
        other = files[(n + 3) % len(files)].suffix
        (folder / f"called-otherwise-{n}{other}").write_bytes(path.read_bytes())
        yield
    links = {
        "link.mp4": mp4,
        "broken-link.mp4": folder / "nowhere.mp4",
        "loop.mp4": folder / "loop.mp4",
        "device.mp4": Path("/dev/zero"),
        "folder.mp4": Path("/proc"),
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
        yield
    os.mkfifo(folder / "pipe.mp4")
    yield
    for name in (b"-i.mp4", b"two\nlines.mp4", b"latin-\xfc.mp4", b"%d.mp4", b"' or 1.mp4", "☆.mp4".encode()):
        (folder / os.fsdecode(name)).write_bytes(mp4.read_bytes())
        yield


def _truncated(good: list[Path], folder: Path) -> Iterator[None]:
    """Every MP4-like file, cut at every box boundary."""
    for path in good:
        if path.suffix in (".mp4", ".mov"):
            data = path.read_bytes()
            for at in sorted(set(boundaries(data))):
                (folder / f"cut-{at}-{path.name}").write_bytes(data[:at])
                yield


def _drawn(good: list[Path], folder: Path, rng: np.random.Generator) -> Iterator[None]:
    files = [path for path in good if path.is_file()]
    kinds = (_flipped, _resized, _cut, _spliced, _filled)
    n = 0
    while True:
        path, kind = files[n % len(files)], kinds[n // len(files) % len(kinds)]
        data = kind(bytearray(path.read_bytes()), rng)
        (folder / f"{kind.__name__.strip('_')}-{n:05d}{path.suffix}").write_bytes(data)
        n += 1
        yield


def _flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """1 to 64 bits, half of the time in the first 512 bytes, where headers are."""
    reach = len(data) if rng.random() < 0.5 else min(512, len(data))
    for at in rng.integers(0, reach, rng.integers(1, 65)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _resized(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A number somewhere in the headers, of two or four bytes, replaced by an absurd one."""
    for _ in range(rng.integers(1, 5)):
        at, value = int(rng.integers(0, max(1, min(2048, len(data)) - 4))), int(rng.choice(SIZES))
        form = rng.choice([">I", "<I", ">H", "<H"])
        packed = struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
        data[at : at + len(packed)] = packed
    return data


def _cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(0, len(data)))]


def _spliced(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A piece of the file once more at another place."""
    a, b, at = sorted(int(i) for i in rng.integers(0, len(data), 3))
    return data[:at] + data[a:b] + data[at:]


def _filled(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A stretch of noise."""
    a, b = sorted(int(i) for i in rng.integers(0, len(data), 2))
    data[a:b] = rng.bytes(b - a)
    return data


def tiny_files(folder: Path, count: int, seed: int) -> None:
    """Files of 0 to 64 bytes of noise with the suffixes of videos."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    suffixes = (".mp4", ".mkv", ".webm", ".gif", ".avi", ".mov", ".npy")
    for n in range(count):
        (folder / f"tiny-{n:05d}{suffixes[n % len(suffixes)]}").write_bytes(rng.bytes(int(rng.integers(0, 65))))


def wrong(found: Evaluation, alone: Evaluation, folder: Path) -> list[str]:
    """What must not be: files without a row, rows with neither value nor reason, good ones that score otherwise."""
    problems = []
    rows = {(row.item, row.metric): row for row in found.rows}
    names = {item for item, _ in rows}
    if len(names) != len(list(folder.iterdir())):
        problems.append(f"{len(list(folder.iterdir()))} files, {len(names)} with rows")
    for row in found.rows:
        if (row.value is None) == (row.reason is None) or (row.value is not None and not np.isfinite(row.value)):
            problems.append(f"{row}: neither value nor reason")
    for row in alone.rows:
        if rows[row.item, row.metric].value != row.value or row.value is None:
            problems.append(f"{row.item}: {row.metric} is {rows[row.item, row.metric]}, alone {row.value}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--tiny", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        good = good_videos(root / "good")
        alone = evaluate(root / "good", metrics=METRICS, progress=False)
        folder = root / "videos"
        good_videos(folder)
        mutations(good, folder, asked.files, asked.seed)
        began = time.perf_counter()
        found = evaluate(folder, metrics=METRICS, workers=asked.workers, cache=root / "cache")
        seconds = time.perf_counter() - began
        problems = wrong(found, alone, folder)
        report(found, seconds)
        tiny_files(root / "tiny", asked.tiny, asked.seed)
        began = time.perf_counter()
        empty = evaluate(root / "tiny", metrics=METRICS, workers=asked.workers, cache=root / "cache")
        seconds = time.perf_counter() - began
        problems += [f"{row} has a value" for row in empty.rows if row.value is not None]
        report(empty, seconds)
    print("\n".join(problems) or "nothing wrong")
    return 1 if problems else 0


def report(found: Evaluation, seconds: float) -> None:
    """How many files were scored, and the reasons of the others by kind."""
    rows = [row for row in found.rows if row.metric == METRICS[0]]
    reasons = Counter(_kind(row.reason) for row in rows if row.reason is not None)
    print(f"{len(rows)} files in {seconds:.1f} s: {len(rows) - sum(reasons.values())} scored")
    for reason, count in reasons.most_common():
        print(f"  {count:>5}  {reason}")


def _kind(reason: str) -> str:
    """A reason without the file's name."""
    return reason.split(": ", 1)[-1].split(" (")[0][:100]


if __name__ == "__main__":
    sys.exit(main())
