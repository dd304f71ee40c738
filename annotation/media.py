"""Videos made alike, so that nothing but the picture tells them apart: rate, size, duration, codec, no sound, no
metadata, one date, and names that do not depend on what is in them.

The degraded copies of gold pairs are made here too.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magicvideo.clip import VideoClip, at_rate, fit_aspect, resize, write_preview
from magicvideo.errors import InputError

NAME = re.compile(r"[0-9a-f]{32}\.mp4")
SHOWN_SIDE = 512
"""Small clips repeat pixels up to about this many, so that they stay crisp on a screen."""
MOST_FPS = 60.0
EPOCH = 1_000_000_000
"""Every served file carries this date: the order of making says nothing."""
DEGRADE_BY = 8
"""A degraded copy keeps one pixel in this many along each side, and one frame in this many."""


@dataclass(frozen=True)
class Shape:
    """What is known of a clip before it is made alike."""

    frames: int
    fps: float
    height: int
    width: int

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True)
class Format:
    """What all videos of a study share. Sizes in pixels before repeating."""

    fps: float
    height: int
    width: int

    @property
    def scale(self) -> int:
        return max(1, SHOWN_SIDE // max(self.height, self.width))

    @property
    def shown(self) -> tuple[int, int]:
        """(height, width) of the served files: repeated pixels, then even."""
        h, w = self.height * self.scale, self.width * self.scale
        return h + h % 2, w + w % 2


def common(shapes: Iterable[Shape]) -> Format:
    """The highest rate (60 at most) and the size of the largest picture: nobody's detail is thrown away."""
    found = list(shapes)
    largest = max(found, key=lambda s: (s.height * s.width, s.width))
    return Format(min(MOST_FPS, max(s.fps for s in found)), largest.height, largest.width)


def frame_count(shapes: Iterable[Shape], fps: float) -> int:
    """Frames at `fps` that fit into the shortest of the clips; one at least."""
    return max(1, int(min(s.seconds for s in shapes) * fps + 1e-6))


def alike(clip: VideoClip, wanted: Format, frames: int) -> VideoClip:
    """The clip's beginning at the wanted rate (each moment the frame that was on screen) and size.

    Another aspect ratio is cropped around the centre.
    """
    picked = fit_aspect(at_rate(clip, wanted.fps, frames), wanted.width / wanted.height)
    return resize(picked, wanted.height, wanted.width)


def degrade(clip: VideoClip) -> VideoClip:
    """A copy that nobody prefers: coarse blocks, and motion in jerks."""
    h, w = clip.size
    coarse = resize(clip, max(1, h // DEGRADE_BY), max(1, w // DEGRADE_BY)).frames
    rows, columns = np.arange(h) * coarse.shape[2] // h, np.arange(w) * coarse.shape[3] // w
    held = np.arange(len(clip)) // DEGRADE_BY * DEGRADE_BY
    return VideoClip(coarse[held][:, :, rows][:, :, :, columns], clip.fps)


def write_served(path: Path, clip: VideoClip, wanted: Format) -> None:
    """H.264 without sound or metadata, dated like every other."""
    write_preview(path, clip, scale=wanted.scale)
    os.utime(path, (EPOCH, EPOCH))


def served_name(secret: bytes, *words: str) -> str:
    """A file name by keyed hash of what the video is for: without the key it says nothing."""
    return keyed(secret, "video", *words)[:32] + ".mp4"


def keyed(secret: bytes, *words: str) -> str:
    """HMAC-SHA256 (hex) of a list of words; word boundaries count."""
    message = b"".join(len(w.encode()).to_bytes(8, "big") + w.encode() for w in words)
    return hmac.new(secret, message, "sha256").hexdigest()


def find_served(folder: Path, name: str) -> Path:
    """The file of a served video. Raises `InputError` for whatever is no name of one in this folder."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError("no such video: a video's name has 32 hexadecimal digits and ends in .mp4")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise InputError("no such video in this study")
    return path
