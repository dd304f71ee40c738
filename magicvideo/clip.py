"""A clip is bytes: uint8 frames with a frame rate, named by a digest.

The only place where frames change range or are read and written. What a model produced is kept without loss
(FFV1 in Matroska) and is what metrics read; the H.264 preview is for people. Does not know torch.
"""

from __future__ import annotations

import hashlib
import os
import re
import tokenize
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from magicvideo.errors import InputError
from magicvideo.files import atomic_path

Frames = NDArray[np.uint8]
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif")
SLOWEST, FASTEST = 0.001, 10_000
"""Frames a second that containers keep; the rate itself is kept as a fraction with a denominator up to 1001."""
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
"""FFmpeg's names of the containers we read. What is in a file decides, not what it is called; everything else is
refused, above all playlists (HLS, DASH, ffconcat), which name other files to read."""
READING = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
"""How files are opened: from the disk alone, and only as one of the containers."""


@dataclass(frozen=True, eq=False)
class VideoClip:
    """Frames uint8 [T,3,H,W] RGB and frames per second. An image is T=1.

    Two clips are equal when their digests are. The rate is rounded to what a file can say, so that a clip read back
    has the same digest.
    """

    frames: Frames
    fps: float

    def __post_init__(self) -> None:
        f = self.frames
        if f.dtype != np.uint8 or f.ndim != 4 or f.shape[1] != 3 or 0 in f.shape:
            raise InputError(f"a clip needs uint8 frames [T,3,H,W], none of them 0; got {f.dtype} {list(f.shape)}")
        if not SLOWEST <= self.fps <= FASTEST:
            raise InputError(f"a clip's fps must be from {SLOWEST} to {FASTEST}, got {self.fps}")
        frozen = np.ascontiguousarray(f)
        if f.flags.writeable and np.may_share_memory(frozen, f):
            frozen = f.copy()
        frozen.flags.writeable = False
        object.__setattr__(self, "frames", frozen)
        object.__setattr__(self, "fps", float(_rate(self.fps)))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of shape, frame rate and pixels."""
        head = f"clip:{self.frames.shape}:{float(self.fps)!r}:".encode()
        digest = hashlib.sha256(head)
        digest.update(self.frames.data)
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VideoClip) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return int(self.frames.shape[2]), int(self.frames.shape[3])

    def floats(self) -> NDArray[np.float32]:
        """Frames as float32 [T,3,H,W] in [0,1]."""
        return self.frames.astype(np.float32) / np.float32(255)


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)


def from_floats(frames: NDArray[Any], fps: float) -> VideoClip:
    """A clip from floats [T,3,H,W] in [0,1]; values outside are clipped, the rest rounded (never truncated)."""
    if not np.isfinite(frames).all():
        raise ValueError("frames hold NaN or infinity")
    return VideoClip(np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8), fps)


def resize(clip: VideoClip, height: int, width: int) -> VideoClip:
    """Bicubic, antialiased (Pillow). The same clip when the size already fits."""
    if clip.size == (height, width):
        return clip
    frames = [
        np.asarray(Image.fromarray(f.transpose(1, 2, 0)).resize((width, height), Image.Resampling.BICUBIC))
        for f in clip.frames
    ]
    return VideoClip(np.stack(frames).transpose(0, 3, 1, 2), clip.fps)


def fit_square(clip: VideoClip, size: int) -> VideoClip:
    """Crop to the centred square, then resize to size x size: how a user's own material enters the pipeline."""
    h, w = clip.size
    s = min(h, w)
    top, left = (h - s) // 2, (w - s) // 2
    return resize(VideoClip(clip.frames[:, :, top : top + s, left : left + s], clip.fps), size, size)


def fit_aspect(clip: VideoClip, aspect: float) -> VideoClip:
    """Crop around the centre to width / height = `aspect`."""
    h, w = clip.size
    wide, high = min(w, max(1, round(h * aspect))), min(h, max(1, round(w / aspect)))
    top, left = (h - high) // 2, (w - wide) // 2
    return VideoClip(clip.frames[:, :, top : top + high, left : left + wide], clip.fps)


def at_rate(clip: VideoClip, fps: float, frames: int) -> VideoClip:
    """The first `frames` frames at another rate: each moment shows the frame that was on screen then."""
    times = np.arange(frames) / fps
    rows = np.minimum((times * clip.fps + 1e-6).astype(int), len(clip) - 1)
    return VideoClip(clip.frames[rows], fps)


@dataclass(frozen=True)
class Limits:
    """What `read_clip` refuses, before it holds more than that in memory."""

    frames: int = 100_000
    frame_pixels: int = 100_000_000
    pixels: int = 4_000_000_000
    """Of all frames together."""

    def check(self, path: Path, frames: int, height: int, width: int) -> None:
        """Raise `InputError` if so many frames of that size are too much."""
        for what, found, most in (
            ("frames", frames, self.frames),
            ("pixels a frame", height * width, self.frame_pixels),
            ("pixels in all", frames * height * width, self.pixels),
        ):
            if found > most:
                raise InputError(f"{path}: more than {most:,} {what}; cut it or scale it down")


def read_clip(path: Path, limits: Limits | None = None) -> VideoClip:
    """Read mp4 / mkv / webm / gif, an image, a folder of numbered images, or .npy (uint8 [T,3,H,W] or [T,H,W,3]).

    Images and image folders get 8 fps. Raises `InputError` naming the file for anything unreadable or beyond `limits`.
    A hostile file can crash the decoder itself: read untrusted files in a child process (evals does).
    """
    limits = limits or Limits()
    if os.path.isdir(path):  # unlike Path's, these say False for names no file can have
        return _read_image_folder(path, limits)
    if not os.path.exists(path):
        raise InputError(f"no such file: {path}")
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return VideoClip(_read_image(path, limits)[None], 8.0)
    if suffix == ".npy":
        return _read_npy(path, limits)
    if suffix in VIDEO_SUFFIXES:
        return _read_video(path, limits)
    raise InputError(f"{path}: unknown kind of file; known: {', '.join(VIDEO_SUFFIXES + IMAGE_SUFFIXES)}, .npy")


def write_lossless(path: Path, clip: VideoClip) -> None:
    """FFV1 in Matroska, bit-exact on reading back; the same clip gives the same bytes."""
    options = {"level": "1"} if clip.size[1] == 1 else {}  # newer levels cut pictures into slices, two pixels at least
    _write_video(path, clip, codec="ffv1", pixel_format="bgr0", options=options)


def write_preview(path: Path, clip: VideoClip, scale: int = 1) -> None:
    """H.264 yuv420p mp4 that browsers play; `scale` repeats pixels so that small clips stay crisp on a screen.

    The same clip gives the same bytes: one thread, and no macroblock tree, with which x264 made three different files
    of one small clip in 150 tries.
    """
    frames = clip.frames.repeat(scale, axis=2).repeat(scale, axis=3) if scale > 1 else clip.frames
    h, w = frames.shape[2:]
    even = np.pad(frames, ((0, 0), (0, 0), (0, h % 2), (0, w % 2)), mode="edge")
    options = {"crf": "16", "preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
    _write_video(path, VideoClip(even, clip.fps), codec="libx264", pixel_format="yuv420p", options=options)


def write_image(path: Path, clip: VideoClip) -> None:
    """The first frame as PNG."""
    with atomic_path(path) as temporary:
        Image.fromarray(clip.frames[0].transpose(1, 2, 0)).save(temporary, format="PNG")


def _write_video(path: Path, clip: VideoClip, codec: str, pixel_format: str, options: dict[str, str]) -> None:
    container_options = {"fflags": "+bitexact"}
    if codec == "libx264":
        container_options["movflags"] = "+faststart"
    with atomic_path(path) as temporary, av.open(str(temporary), "w", options=container_options) as out:
        stream = out.add_stream(codec, rate=_rate(clip.fps))
        stream.height, stream.width = clip.size
        stream.pix_fmt = pixel_format
        stream.options = options
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for frame in clip.frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


def _read_video(path: Path, limits: Limits) -> VideoClip:
    try:
        with open_video(path) as source:
            if not source.streams.video:
                raise InputError(f"{path}: holds no video stream")
            stream = source.streams.video[0]
            limits.check(path, 1, stream.height, stream.width)
            # Decoders pad pictures, so their own limit, for frames that grow later, is a little above ours.
            stream.codec_context.options = {"max_pixels": str(2 * limits.frame_pixels + (1 << 16))}
            fps = float(stream.average_rate or stream.guessed_rate or 8)
            frames: list[Frames] = []
            for frame in source.decode(stream):
                limits.check(path, len(frames) + 1, frame.height, frame.width)
                frames.append(frame.to_ndarray(format="rgb24").transpose(2, 0, 1))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise error if isinstance(error, InputError) else InputError(f"{path}: cannot be decoded ({error})") from None
    if not frames:
        raise InputError(f"{path}: holds no frames")
    if any(f.shape != frames[0].shape for f in frames):
        raise InputError(f"{path}: frames change size")
    return _clip(path, np.stack(frames), fps)


def open_video(path: Path) -> Any:
    """PyAV's container of a video file. The path is made absolute, so that no name is taken for an option or a URL."""
    return av.open(os.path.abspath(path), options=READING)


def _clip(path: Path, frames: Any, fps: float) -> VideoClip:
    """The clip, or an `InputError` that names the file it came from."""
    try:
        return VideoClip(frames, fps)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_image(path: Path, limits: Limits) -> Frames:
    try:
        with Image.open(path) as image:
            limits.check(path, 1, image.height, image.width)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):  # 16-bit grey: Pillow's own conversion cuts at 255
                upright = Image.fromarray(np.rint(np.asarray(upright) / 257).astype(np.uint8))
            return np.asarray(upright.convert("RGB")).transpose(2, 0, 1)
    except InputError:
        raise
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as an image ({error})") from None


def _read_image_folder(path: Path, limits: Limits) -> VideoClip:
    try:
        names = [f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    files = sorted(names, key=natural_order)
    if not files:
        raise InputError(f"{path}: holds no images ({', '.join(IMAGE_SUFFIXES)})")
    frames: list[Frames] = []
    for f in files:
        frames.append(_read_image(f, limits))
        limits.check(path, len(frames), *frames[-1].shape[1:])
    odd = next((f for f, i in zip(files, frames, strict=True) if i.shape != frames[0].shape), None)
    if odd is not None:
        raise InputError(f"{odd}: another size than {files[0].name}; a clip's frames must agree")
    return VideoClip(np.stack(frames), 8.0)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """A sorting key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _read_npy(path: Path, limits: Limits) -> VideoClip:
    try:
        frames = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(f"{path}: cannot be read as an array ({error})") from None
    if not isinstance(frames, np.ndarray):
        raise InputError(f"{path}: holds an archive, not one array")
    if frames.dtype != np.uint8:
        raise InputError(f"{path}: holds {frames.dtype}; frames must be uint8, 0 to 255 (floats: round 255 x first)")
    if frames.ndim == 4 and frames.shape[1] != 3 and frames.shape[3] == 3:
        frames = frames.transpose(0, 3, 1, 2)
    if frames.ndim == 4:
        limits.check(path, frames.shape[0], frames.shape[2], frames.shape[3])
    return _clip(path, np.array(frames), 8.0)
