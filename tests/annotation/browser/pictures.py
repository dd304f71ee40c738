"""Videos whose frames can be told apart."""

from __future__ import annotations

import numpy as np

from magicvideo.clip import VideoClip

FRAMES, FPS, SIZE = 90, 15.0, 128


def moving_bar(start: int, frames: int = FRAMES, fps: float = FPS) -> VideoClip:
    """A white bar that moves by one pixel a frame."""
    pictures = np.full((frames, 3, SIZE, SIZE), 60, np.uint8)
    for k in range(frames):
        pictures[k, :, :, (start + k) % SIZE] = 255
    return VideoClip(pictures, fps)
