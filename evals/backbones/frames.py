"""How clips enter the pocket backbones: frames cut to a square, brought to one size, as floats.

Everything here depends on one clip alone, so a clip's numbers never depend on what is observed with it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magicvideo.clip import Frames

SIDE = 64
"""Side in pixels of what every pocket network sees."""
CHUNK = 32
"""Frames a forward pass; fixed, so that a clip always meets the same arithmetic."""


def even_indices(length: int, count: int) -> NDArray[np.int64]:
    """`count` frame numbers from the first to the last of `length`, evenly, rounded; repeated if there are too few."""
    return np.rint(np.linspace(0, length - 1, count)).astype(np.int64)


def square(frames: Frames, side: int = SIDE) -> NDArray[np.float32]:
    """uint8 [T,3,H,W] -> float32 [T,3,side,side] in [0,1].

    The centred square (of the shorter side) is cut out; larger ones are averaged over areas (OpenCV's INTER_AREA),
    smaller ones enlarged bilinearly, and a square that fits already is left as it is. Not rounded to 8 bits between.
    """
    t, _, h, w = frames.shape
    s = min(h, w)
    top, left = (h - s) // 2, (w - s) // 2
    out = np.empty((t, 3, side, side), np.float32)
    how = cv2.INTER_AREA if s > side else cv2.INTER_LINEAR
    for target, frame in zip(out, frames[:, :, top : top + s, left : left + s], strict=True):
        picture = np.ascontiguousarray(frame.transpose(1, 2, 0), np.float32) / np.float32(255)
        if s != side:
            picture = cv2.resize(picture, (side, side), interpolation=how)
        target[:] = picture.transpose(2, 0, 1)
    return out


@torch.inference_mode()
def in_chunks(network: Callable[[Tensor], Tensor], frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a network over [N,...] in chunks of `CHUNK` and join what it gives, [N,...] float32."""
    parts = [network(part).float() for part in torch.from_numpy(frames).split(CHUNK)]
    return torch.cat(parts).numpy()


@torch.inference_mode()
def over_frames(look: Callable[[Frames], Tensor], frames: Frames, most: int = CHUNK) -> NDArray[np.float32]:
    """`look` at uint8 [T,3,H,W] in chunks of `most` frames, and join what it gives, [T,...] float32."""
    parts = [look(frames[i : i + most]).float().cpu() for i in range(0, len(frames), most)]
    return torch.cat(parts).numpy()


def floats(frames: Frames) -> Tensor:
    """uint8 [N,3,H,W] -> float32 in [0,1], where networks run."""
    return pixels(frames).float() / 255


def pixels(frames: Frames) -> Tensor:
    """A copy as a uint8 tensor, where networks run: a clip's own frames cannot be written, which torch asks for."""
    return torch.from_numpy(frames.copy()).to(device())


def device() -> torch.device:
    """Where public networks run: the GPU if there is one. The pocket ones stay on the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
