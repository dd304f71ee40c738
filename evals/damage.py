"""Known damage at five strengths, planted to learn what a metric answers to.

Every kind keeps number of frames, size and frame rate, so that whatever is compared frame by frame still can be. What
is random is drawn from the clip's digest: the same clip is always damaged in the same way, and one draw serves all
strengths of a kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from io import BytesIO

import av
import numpy as np

from evals.train import degrade
from magicvideo.clip import VideoClip, from_floats, resize

Rng = np.random.Generator
SIDE = 64
"""Blur is given in pixels of a shorter side of so many."""
LEAST_FRAMES = 3


@dataclass(frozen=True)
class Damage:
    """One kind of damage: `plant` takes a clip, a strength and a generator."""

    name: str
    title: str
    what: str
    """What a strength is."""
    strengths: tuple[float, float, float, float, float]
    plant: Callable[[VideoClip, float, Rng], VideoClip]

    def __call__(self, clip: VideoClip, strength: float) -> VideoClip:
        """The damaged clip; needs three frames at least."""
        seed = int.from_bytes(sha256(f"{self.name}:{clip.digest}".encode()).digest()[:8], "big")
        return self.plant(clip, strength, np.random.default_rng(seed))


def _reorder(change: Callable[[degrade.Array, float, Rng], degrade.Array]) -> Callable[..., VideoClip]:
    """`change` of the frames' order alone, done on bytes: no rounding."""

    def plant(clip: VideoClip, strength: float, rng: Rng) -> VideoClip:
        numbers = np.arange(len(clip), dtype=np.float32)
        return VideoClip(clip.frames[change(numbers, strength, rng).astype(int)], clip.fps)

    return plant


def _floats(change: Callable[[degrade.Array, float, Rng], degrade.Array]) -> Callable[..., VideoClip]:
    return lambda clip, strength, rng: from_floats(change(clip.floats(), strength, rng), clip.fps)


def _blur(clip: VideoClip, strength: float, rng: Rng) -> VideoClip:
    return from_floats(degrade.blur(clip.floats(), strength * min(clip.size) / SIDE), clip.fps)


def _held(numbers: degrade.Array, share: float, rng: Rng) -> degrade.Array:
    """That share of the frames after the first is lost, and the last good one shown in its place."""
    order = rng.permutation(np.arange(1, len(numbers)))
    kept = np.ones(len(numbers), bool)
    kept[order[: max(1, round(share * (len(numbers) - 1)))]] = False
    return np.maximum.accumulate(np.where(kept, numbers, 0))


def _cast(frames: degrade.Array, strength: float, rng: Rng) -> degrade.Array:
    """Each channel is shifted up or down, not all the same way."""
    signs = np.array([1.0, 1.0, -1.0]) if rng.uniform() < 0.5 else np.array([1.0, -1.0, -1.0])
    return degrade.cast(frames, strength * rng.permutation(signs))


def _crop(clip: VideoClip, share: float, rng: Rng) -> VideoClip:
    """That share of each side is cut off around the centre, and what is left enlarged to the old size."""
    h, w = clip.size
    top, left = round(h * share / 2), round(w * share / 2)
    return resize(VideoClip(clip.frames[:, :, top : h - top, left : w - left], clip.fps), h, w)


def reencode(clip: VideoClip, crf: float, rng: Rng | None = None) -> VideoClip:
    """There and back through H.264 (x264, preset medium, yuv420p, one thread) at that constant rate factor."""
    h, w = clip.size
    even = np.pad(clip.frames, ((0, 0), (0, 0), (0, h % 2), (0, w % 2)), mode="edge")
    file = BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=Fraction(clip.fps).limit_denominator(1001))
        stream.height, stream.width = even.shape[2:]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": f"{crf:g}", "preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
        for frame in even:
            picture = np.ascontiguousarray(frame.transpose(1, 2, 0))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file) as source:
        frames = np.stack([f.to_ndarray(format="rgb24") for f in source.decode(video=0)])
    return VideoClip(frames.transpose(0, 3, 1, 2)[:, :, :h, :w], clip.fps)


_KINDS = (
    ("shuffle", "Shuffled", "share of frames that change places", (0.2, 0.4, 0.6, 0.8, 1.0)),
    ("freeze", "Frozen", "share of frames, in one run, that repeat its first", (0.3, 0.45, 0.6, 0.8, 1.0)),
    ("drop", "Frames lost", "share of frames whose place the last one takes", (0.1, 0.2, 0.35, 0.5, 0.7)),
    ("flicker", "Flicker", "standard deviation of each frame's brightness", (0.02, 0.05, 0.1, 0.2, 0.4)),
    ("noise", "Noise", "standard deviation on [0,1], new in each frame", (0.01, 0.03, 0.06, 0.12, 0.2)),
    (
        "blur",
        "Blur",
        f"Gaussian's standard deviation in pixels of a shorter side of {SIDE}",
        (0.4, 0.8, 1.2, 2.0, 3.0),
    ),
    ("reencode", "Re-encoded", "CRF of x264", (20, 28, 34, 40, 46)),
    ("colour", "Colour shift", "shift of each channel on [0,1], signs drawn", (0.02, 0.05, 0.1, 0.2, 0.3)),
    ("crop", "Cropped", "share of each side that is cut off and enlarged away", (0.05, 0.1, 0.2, 0.35, 0.5)),
)
_PLANT: dict[str, Callable[[VideoClip, float, Rng], VideoClip]] = {
    "shuffle": _reorder(degrade.shuffle),
    "freeze": _reorder(degrade.freeze),
    "drop": _reorder(_held),
    "flicker": _floats(degrade.flicker),
    "noise": _floats(degrade.noise),
    "blur": _blur,
    "reencode": reencode,
    "colour": _floats(_cast),
    "crop": _crop,
}
DAMAGES = {name: Damage(name, title, what, strengths, _PLANT[name]) for name, title, what, strengths in _KINDS}
"""In the order they are shown: time, brightness, grain, colour, framing."""
