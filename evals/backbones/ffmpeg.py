"""VMAF and XPSNR of a clip against its truth: ffmpeg's filters, from the program that the package imageio-ffmpeg brings
(extra `ffmpeg`). The program is called, never linked; both clips go to it as raw frames in a folder of their own.

Without the package every clip has that as its reason, and all other metrics are as they were. Does not know torch.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from evals.features import Array, Arrays, aligned
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

MODEL = "vmaf_v0.6.1"
SECONDS = 600
MISSING = "needs ffmpeg, which is not installed; install it with pip install 'magicvideo[ffmpeg]'"
YUV = "scale=flags=bicubic+accurate_rnd+full_chroma_int:out_color_matrix=bt709:out_range=tv,format=yuv420p,split"
"""Both filters are made for video's YUV 4:2:0 in limited range."""
GRAPH = (
    f"[0:v]{YUV}[a][b];[1:v]{YUV}[c][d];[a][c]libvmaf=model=version={MODEL}:log_path=vmaf.json:log_fmt=json:n_threads=1;"
    "[b][d]xpsnr=stats_file=xpsnr.log"
)
LUMA = re.compile(r"^n: *\d+ +XPSNR y: *(\S+)", re.MULTILINE)


class FfmpegQuality:
    """{"vmaf": [T] in 0..100, "xpsnr": [T] in dB of luma, infinite for equal frames -> `MOST`}: each frame against the
    truth's frame of its number, the truth brought to the clip's size."""

    @property
    def id(self) -> str:
        return f"ffmpeg-{_version() or 'not-installed'}:{MODEL},xpsnr-luma,yuv420p-bt709"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        """Raises `InputError` without the package, for a truth with another number of frames, and where ffmpeg fails or
        takes longer than `SECONDS`."""
        if _version() is None:
            raise InputError(MISSING)
        return [_compare(clip, aligned(clip, truth)) for clip, truth in pairs]


MOST = float(10 * np.log10(12 * 255**2))
"""58.9 dB: what rounding to 8 bits leaves, as for PSNR."""


@lru_cache(maxsize=1)
def _version() -> str | None:
    """Of the program, as it says itself; None where the package is not installed."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_version())
    except (ImportError, RuntimeError):
        return None


def _compare(clip: VideoClip, truth: VideoClip) -> Arrays:
    with TemporaryDirectory(prefix="magicvideo-") as name:
        folder = Path(name)
        _write(folder / "clip.rgb", clip)
        _write(folder / "truth.rgb", truth)
        _run(folder, clip.size)
        found: Arrays = {"vmaf": _vmaf(folder / "vmaf.json"), "xpsnr": _xpsnr(folder / "xpsnr.log")}
    if any(len(values) != len(clip) for values in found.values()):
        raise InputError(f"ffmpeg scored {len(found['vmaf'])} of {len(clip)} frame(s)")
    return found


def _write(path: Path, clip: VideoClip) -> None:
    with path.open("wb") as file:
        for frame in clip.frames:
            file.write(np.ascontiguousarray(frame.transpose(1, 2, 0)).tobytes())


def _run(folder: Path, size: tuple[int, int]) -> None:
    import imageio_ffmpeg

    height, width = size
    form = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *form, "clip.rgb", *form, "truth.rgb"]
    command += ["-lavfi", GRAPH, "-f", "null", "-"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(f"ffmpeg's VMAF and XPSNR took longer than {SECONDS} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise InputError(f"ffmpeg's VMAF and XPSNR failed on {width} x {height} pixels: {said}")


def _vmaf(log: Path) -> Array:
    frames = json.loads(log.read_text(encoding="utf-8"))["frames"]
    return np.array([frame["metrics"]["vmaf"] for frame in frames], np.float32)


def _xpsnr(log: Path) -> Array:
    values = [float(found) for found in LUMA.findall(log.read_text(encoding="utf-8"))]
    return np.minimum(np.array(values), MOST).astype(np.float32)
