"""ffmpeg's motion-compensated interpolation as a baseline: the filter `minterpolate` of the package imageio-ffmpeg.

Frames go in and come out as raw RGB. The filter itself works in YUV 4:4:4, so that what it makes is off by a level here
and there, and so would be the key frames: the stage puts those back. Scene-change detection is off, since a fast shape
would pass for a cut. Does not know torch.
"""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from magicvideo.clip import Frames
from magicvideo.errors import InputError

PAD = 3
"""Times that the first and last frame are repeated: the filter looks ahead and gives no frame near the ends."""
FILTER = "format=yuv444p,minterpolate=fps={fps}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
SECONDS = 600


def ffmpeg_package() -> str:
    """Name and version of the ffmpeg that interpolates. Raises `InputError` where it is not installed."""
    try:
        return f"imageio-ffmpeg {version('imageio-ffmpeg')}"
    except PackageNotFoundError:
        raise InputError(
            "vfi=minterpolate needs ffmpeg, which is not installed; install it with pip install 'magicvideo[ffmpeg]'"
        ) from None


def minterpolate(keys: Frames, factor: int) -> Frames:
    """Key frames uint8 [T,3,H,W] -> [factor*(T-1)+1,3,H,W]. Its frames at the keys' places are not bit-exact."""
    ffmpeg_package()
    import imageio_ffmpeg

    t, _, h, w = keys.shape
    padded = np.concatenate([keys[:1].repeat(PAD, 0), keys, keys[-1:].repeat(PAD, 0)])
    raw = np.ascontiguousarray(padded.transpose(0, 2, 3, 1)).tobytes()
    form = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-threads", "1", "-filter_threads", "1"]
    command += [*form, "-s", f"{w}x{h}", "-r", "1", "-i", "-", "-vf", FILTER.format(fps=factor), *form, "-"]
    done = subprocess.run(command, input=raw, capture_output=True, check=False, timeout=SECONDS)
    made = np.frombuffer(done.stdout, np.uint8)
    if done.returncode != 0 or made.size % (3 * h * w):
        raise InputError(f"ffmpeg's minterpolate failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    first, count = PAD * factor, factor * (t - 1) + 1
    return made.reshape(-1, h, w, 3)[first : first + count].transpose(0, 3, 1, 2)
