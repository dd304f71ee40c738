"""What metrics look at: backbones turn clips into arrays, once for all metrics that share them.

A backbone is anything with an `id` and `observe`. The shipped ones are loaded by `evals.backbones.load(name)`; torch is
imported there, never here. Arrays are kept on disk under (backbone id, clip digest), so a second evaluation costs only
what is new. Does not know metrics, prompts or files of videos.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from magicvideo.clip import Frames, VideoClip, resize
from magicvideo.errors import InputError
from magicvideo.files import atomic_path

Array = NDArray[np.float32]
Arrays = dict[str, Array]
"""Named float32 arrays of one clip, e.g. {"image": [T,D]}."""


@runtime_checkable
class Backbone(Protocol):
    """Looks at clips. `id` names network, weights (first 12 hex of their hash) and preprocessing."""

    @property
    def id(self) -> str:
        """e.g. "pocket-clip-v1:ab12cd34ef56": the cache key, and part of protocol ids."""

    @property
    def frames(self) -> Literal["per_frame", "per_clip"]:
        """Whether a frame's arrays depend on that frame alone."""

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """One dict of float32 arrays a clip, in order; clips of any length and size, batched inside."""


class TextBackbone(Backbone, Protocol):
    """`observe` gives {"image": [T,D], L2-normalised, "aesthetic": [T] in 1..10}."""

    def text(self, prompts: Sequence[str]) -> Array:
        """[N,D], L2-normalised, in the space of "image"."""


class ReaderBackbone(Backbone, Protocol):
    """`observe` gives log-probabilities {"shape": [8], "colour": [8], "background": [4], "motion": [11]}."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Its own accuracy on held-out renders, per attribute, in [0,1]."""


class VideoBackbone(Backbone, Protocol):
    """`observe` gives {"embedding": [D]}; the moments of a rendered reference set ship with the weights."""

    @property
    def reference_mean(self) -> NDArray[np.float64]:
        """[D]"""

    @property
    def reference_cov(self) -> NDArray[np.float64]:
        """[D,D], normalised by N-1."""

    @property
    def reference_n(self) -> int:
        """Clips in the reference set."""


class Perceptual(Protocol):
    """A distance between pictures of LPIPS's form (Zhang 2018)."""

    @property
    def id(self) -> str: ...

    def distance(self, a: Frames, b: Frames) -> Array:
        """a: uint8 [N,3,H,W], b: the same shape, or one picture -> [N] >= 0, 0 for equal pictures; batched inside."""

    def steps(self, frames: Frames) -> Array:
        """uint8 [T,3,H,W] -> [T-1], each frame to the next."""


class PairBackbone(Protocol):
    """Looks at a clip beside another: its reference, or its truth."""

    @property
    def id(self) -> str: ...

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        """One dict of float32 arrays for each (clip, other), in order."""


class TripleBackbone(Protocol):
    """Looks at a clip beside its reference and its truth."""

    @property
    def id(self) -> str: ...

    def observe_triples(self, triples: Sequence[tuple[VideoClip, VideoClip, VideoClip]]) -> list[Arrays]:
        """One dict of float32 arrays for each (clip, reference, truth), in order."""


@dataclass(frozen=True)
class Steps:
    """A perceptual distance as a backbone: {"distance": [T-1]}, each frame to the next."""

    perceptual: Perceptual
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    @property
    def id(self) -> str:
        return f"{self.perceptual.id}/steps"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"distance": np.asarray(self.perceptual.steps(c.frames), np.float32)} for c in clips]


@dataclass(frozen=True)
class ToReference:
    """A perceptual distance as a backbone of pairs: {"distance": [T]}, each frame to the reference's first one.

    The reference is resized to the clip (bicubic, antialiased).
    """

    perceptual: Perceptual

    @property
    def id(self) -> str:
        return f"{self.perceptual.id}/to-first-reference-frame"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        return [{"distance": self._distances(clip, reference)} for clip, reference in pairs]

    def _distances(self, clip: VideoClip, reference: VideoClip) -> Array:
        picture = resize(VideoClip(reference.frames[:1], reference.fps), *clip.size).frames
        return np.asarray(self.perceptual.distance(clip.frames, picture), np.float32)


@dataclass(frozen=True)
class ToTruth:
    """A perceptual distance as a backbone of pairs: {"distance": [T]}, each frame to the truth's of its number."""

    perceptual: Perceptual

    @property
    def id(self) -> str:
        return f"{self.perceptual.id}/to-truth"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        return [{"distance": self._distances(clip, aligned(clip, truth))} for clip, truth in pairs]

    def _distances(self, clip: VideoClip, truth: VideoClip) -> Array:
        return np.asarray(self.perceptual.distance(clip.frames, truth.frames), np.float32)


def aligned(clip: VideoClip, truth: VideoClip) -> VideoClip:
    """The truth at the clip's size (bicubic, antialiased). Raises `InputError` for another number of frames."""
    if len(truth) != len(clip):
        raise InputError(f"the truth has {len(truth)} frame(s), the clip {len(clip)}: frames are compared by number")
    return resize(truth, *clip.size)


@dataclass(frozen=True)
class StepsOfTruth:
    """A perceptual distance as a backbone of pairs: {"distance": [T-1]}, each frame of the truth to its next one."""

    perceptual: Perceptual

    @property
    def id(self) -> str:
        return f"{self.perceptual.id}/steps-of-truth"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        return Steps(self.perceptual).observe([aligned(clip, truth) for clip, truth in pairs])


@dataclass(frozen=True)
class OfReference:
    """A backbone of frames as one of pairs: {"image": [1,D]} of the reference's first frame, at its own size."""

    backbone: Backbone

    @property
    def id(self) -> str:
        return f"{self.backbone.id}/first-reference-frame"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        pictures = [VideoClip(reference.frames[:1], reference.fps) for _, reference in pairs]
        return [{"image": found["image"]} for found in self.backbone.observe(pictures)]


class FeatureCache:
    """Arrays on disk by (backbone id, clip digest): FOLDER/<id>-<hash of id>/ab/<digest>.npz, written atomically.

    A damaged file counts as absent. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def path(self, backbone_id: str, digest: str) -> Path:
        if self.folder is None:
            raise ValueError("this cache has no folder")
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", backbone_id)[:80]
        return (
            self.folder / f"{readable}-{sha256(backbone_id.encode()).hexdigest()[:12]}" / digest[:2] / f"{digest}.npz"
        )

    def has(self, backbone_id: str, digest: str) -> bool:
        """Whether there is a file; damage shows when it is read."""
        return self.folder is not None and self.path(backbone_id, digest).exists()

    def get(self, backbone_id: str, digest: str) -> Arrays | None:
        if self.folder is None:
            return None
        try:
            with self.path(backbone_id, digest).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, AttributeError, BadZipFile):
            return None

    def put(self, backbone_id: str, digest: str, arrays: Arrays) -> None:
        if self.folder is None:
            return
        with atomic_path(self.path(backbone_id, digest)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
