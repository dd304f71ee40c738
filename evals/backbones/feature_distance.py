"""Distances of LPIPS's form (Zhang 2018, arXiv 1801.03924, equation 1): what their networks share.

A network gives a picture's features, unit length over channels at every place; the distance of two pictures is a sum
over layers of means over space of weighted squared differences. So a picture that is compared with others goes
through the network once: with its neighbours, its reference and its truth, if they are asked for one after the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b

import lpips
import numpy as np
import torch
from torch import Tensor

from evals.backbones.frames import CHUNK
from evals.features import Array
from magicvideo.clip import Frames
from magicvideo.errors import InputError

CHUNK_PIXELS = 4 << 20
REMEMBERED_BYTES = 256 << 20
"""Of features that a network keeps of the pictures it saw last."""
Features = list[Tensor]
"""One [N,C,h,w] a layer."""


class FeatureDistance(ABC):
    """Pictures go through the network in chunks that depend on their size alone."""

    least_side = 1
    """Smaller pictures are an `InputError`."""

    @cached_property
    def _memory(self) -> _Memory:
        return _Memory()

    @abstractmethod
    def features(self, frames: Frames) -> Features:
        """uint8 [N,3,H,W] -> each layer's features, of unit length over channels."""

    @abstractmethod
    def between(self, a: Features, b: Features) -> Tensor:
        """Features of N pictures and of N others, or of one -> float32 [N] >= 0."""

    @torch.inference_mode()
    def distance(self, a: Frames, b: Frames) -> Array:
        """a: uint8 [N,3,H,W], b: the same shape, or one picture [1,3,H,W] -> float32 [N] >= 0; 0 for equal pictures."""
        if a.shape[1:] != b.shape[1:] or len(b) not in (1, len(a)) or a.dtype != np.uint8 or b.dtype != np.uint8:
            raise ValueError(f"needs two uint8 arrays of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        self._check(a)
        one = self._seen(b) if len(b) == 1 else None
        return _joined([self.between(self._seen(a[i:j]), one or self._seen(b[i:j])) for i, j in _chunks(a)])

    @torch.inference_mode()
    def steps(self, frames: Frames) -> Array:
        """uint8 [T,3,H,W] -> float32 [T-1], each frame to the next; each goes through the network once."""
        self._check(frames)
        parts, last = list[Tensor](), None
        for i, j in _chunks(frames):
            now = self._seen(frames[i:j])
            if last is not None:
                now = [torch.cat(both) for both in zip(last, now, strict=True)]
            parts.append(self.between([layer[:-1] for layer in now], [layer[1:] for layer in now]))
            last = [layer[-1:] for layer in now]
        return _joined(parts)

    def _seen(self, frames: Frames) -> Features:
        """The features of these pictures, remembered by their content."""
        key = blake2b(np.ascontiguousarray(frames).data, digest_size=16, salt=_salt(frames)).digest()
        found = self._memory.get(key)
        if found is None:
            found = self.features(frames)
            self._memory.put(key, found)
        return found

    def _check(self, frames: Frames) -> None:
        h, w = frames.shape[2:]
        if min(h, w) < self.least_side:
            raise InputError(f"{w} x {h} pixels: this distance needs {self.least_side} a side at least")


class _Memory:
    """Features by key, those used last, of at most `REMEMBERED_BYTES` together."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Features] = OrderedDict()
        self._bytes = 0

    def get(self, key: bytes) -> Features | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: bytes, features: Features) -> None:
        self._kept[key] = features
        self._bytes += _size(features)
        while self._bytes > REMEMBERED_BYTES:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(features: Features) -> int:
    return sum(layer.nbytes for layer in features)


def _salt(frames: Frames) -> bytes:
    """Pictures of other sizes may have the same bytes."""
    return np.array(frames.shape[2:], np.int64).tobytes()


def baseline(a: Features, b: Features) -> Tensor:
    """The form without learned weights: squared differences summed over channels, mean over space, sum over layers."""
    return torch.stack(
        [
            lpips.spatial_average(((one - two) ** 2).sum(1, keepdim=True)).flatten()
            for one, two in zip(a, b, strict=True)
        ]
    ).sum(0)


def _chunks(frames: Frames) -> Iterator[tuple[int, int]]:
    h, w = frames.shape[2:]
    step = max(1, min(CHUNK, CHUNK_PIXELS // (h * w)))
    return ((i, min(i + step, len(frames))) for i in range(0, len(frames), step))


def _joined(parts: list[Tensor]) -> Array:
    return torch.cat(parts).float().cpu().numpy() if parts else np.zeros(0, np.float32)
