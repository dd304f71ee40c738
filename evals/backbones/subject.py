"""The pocket reader's look at a frame: what it concludes shape, colour and background from, as an embedding.

Its trunk was trained to tell the world's objects apart wherever they are, so a moving object keeps its embedding and
another object has another one. It means something on pictures of that world only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from evals.backbones.frames import SIDE, in_chunks, square
from evals.backbones.reader import ReaderNet
from evals.features import Arrays
from magicvideo import weights
from magicvideo.clip import VideoClip


class PocketSubject:
    """{"image": [T,160] of length 1}: each frame cut to the centred square and brought to 64x64 as the reader's are,
    then its layer before shape, colour and background are told. Chunks of 32 frames in float32, a clip at a time."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self) -> None:
        self.network = ReaderNet().eval().requires_grad_(False)
        self.network.load_state_dict(weights.load("reader"))
        self.id = f"pocket-subject-v1:{weights.digest('reader')[:12]}:look,square{SIDE}"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"image": in_chunks(self._embed, square(clip.frames))} for clip in clips]

    def _embed(self, pictures: Tensor) -> Tensor:
        """Float [N,3,64,64] in [0,1] -> [N,160] of length 1."""
        return F.normalize(self.network.appearance(pictures), dim=-1)
