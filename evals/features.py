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
        """a, b: uint8 [N,3,H,W], the same shape -> [N] >= 0, 0 for equal pictures; batched inside."""
