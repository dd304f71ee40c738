"""The I3D of FVD (Unterthiner et al. 2018): Kinetics-400 logits of the TorchScript that StyleGAN-V published.

The file takes uint8-ranged floats [B,3,T,H,W] with `rescale=True, resize=True` and resizes to 224 x 224 itself
(stretched, bilinear); `return_features=True` gives the 400 logits before the softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from evals.backbones.checkpoint import script
from evals.backbones.frames import device, pixels
from evals.features import Array, Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip
from magicvideo.errors import InputError

LEAST_FRAMES = 10
"""The network's four halvings of time leave nothing of fewer."""
FRAMES = 16


class I3D:
    """Looks at the first 16 frames (all, if a clip has 10 to 15), at the clip's own size, one forward pass a clip."""

    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def __init__(self, found: Found, most: int | None = FRAMES) -> None:
        self.network = script(found).to(device())
        self.most = most
        sampling = "all-frames" if most is None else f"first{most}"
        self.id = f"i3d-k400-logits:{found.short}:inner-resize224,{sampling}"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"embedding": [400]} a clip. Raises `InputError` for a clip of fewer than 10 frames."""
        return [{"embedding": self._logits(clip.frames[: self.most])} for clip in clips]

    @torch.inference_mode()
    def _logits(self, frames: Frames) -> Array:
        if len(frames) < LEAST_FRAMES:
            raise InputError(f"{len(frames)} frame(s); I3D needs at least {LEAST_FRAMES}")
        video = pixels(frames).float().transpose(0, 1)[None]
        logits: Tensor = self.network(video, rescale=True, resize=True, return_features=True)
        return logits[0].float().cpu().numpy()
