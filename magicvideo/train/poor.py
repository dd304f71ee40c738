"""Makes rendered clips as poor as found video: blurred and compressed, a whole clip alike.

The paper's reason for joint image-video training is that its videos are fewer, less varied and less beautiful than its
images (MagicVideo-V2, section 2.2). `world.in_video_data` makes them less varied; this makes them less beautiful.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

BLUR = (0.3, 0.8)
"""Standard deviation of the Gaussian blur in pixels of a 64-pixel frame, drawn for each clip."""
QUALITY = (40, 80)
"""JPEG quality, drawn for each clip; colour at half resolution, as in video."""


def poor(frames: NDArray[np.floating[Any]], rng: np.random.Generator) -> NDArray[np.float32]:
    """Frames float32 [T,3,H,W] in [0,1] -> the same blurred and compressed by one drawn amount."""
    sigma, quality = float(rng.uniform(*BLUR)), int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    levels = np.rint(frames.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
    made = np.stack([_frame(frame, sigma, quality) for frame in levels]).transpose(0, 3, 1, 2)
    return made.astype(np.float32) / np.float32(255)


def _frame(frame: NDArray[np.uint8], sigma: float, quality: int) -> NDArray[np.uint8]:
    soft = cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    done, code = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
