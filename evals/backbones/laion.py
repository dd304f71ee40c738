"""LAION's aesthetic heads on CLIP ViT-L/14: the linear one of 2022, and the MLP of the "improved" predictor (V2).

Both read the L2-normalised image embedding and predict a rating of about 1 to 10. They are two metrics: their values
differ on one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.frames import over_frames
from evals.backbones.openclip import OpenClip
from evals.features import Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip

DIM = 768


class Mlp(nn.Module):
    """Embeddings [N,768] of length 1 -> ratings [N]. Five linear layers without activations between them; dropout is
    theirs while training, and stands here for the numbering of the checkpoint's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(DIM, 1024),
            nn.Dropout(0.2),
            nn.Linear(1024, 128),
            nn.Dropout(0.2),
            nn.Linear(128, 64),
            nn.Dropout(0.1),
            nn.Linear(64, 16),
            nn.Linear(16, 1),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.layers(embeddings).squeeze(1)


class Laion:
    """Looks at each frame as `OpenClip` does."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, clip: Found, linear: Found, mlp: Found) -> None:
        self.clip = OpenClip(clip)
        self.linear = filled(nn.Linear(DIM, 1), tensors(linear), linear)
        self.mlp = filled(Mlp(), tensors(mlp), mlp)
        self.id = f"laion-aesthetic:linear-{linear.short},mlp-{mlp.short}:{self.clip.id}"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"linear": [T], "mlp": [T]} a clip: predicted ratings of each frame, roughly 1 to 10, not clipped."""
        return [self._observe(clip) for clip in clips]

    def _observe(self, clip: VideoClip) -> Arrays:
        both = over_frames(self._ratings, clip.frames)
        return {"linear": both[:, 0].copy(), "mlp": both[:, 1].copy()}

    def _ratings(self, frames: Frames) -> Tensor:
        image = self.clip.image(frames)
        return torch.stack([self.linear(image).squeeze(1), self.mlp(image)], 1)
