"""The pocket reader: which shape, colour, background and motion a clip shows.

A small classifier trained on renders of the pocket world and on damaged ones (`evals.train.reader`). Its answers mean
something on pictures of that world only; on anything else it still names one of the world's attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from evals.backbones.frames import SIDE, even_indices, square
from evals.backbones.trunk import WIDTHS, FrameTrunk
from evals.features import Arrays
from magicvideo import weights
from magicvideo.clip import VideoClip
from magicvideo.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES

ATTRIBUTES = {"shape": SHAPES, "colour": COLOURS, "background": BACKGROUNDS, "motion": MOTIONS}
"""What is read, and the names its log-probabilities stand for, in order."""
FRAMES = 8
"""Frames of a clip that the reader looks at."""


class ReaderNet(nn.Module):
    """Clips float [N,8,3,64,64] in [0,1] -> logits of shape [N,8], colour [N,8], background [N,4] and motion [N,11].

    Appearance is read from each frame's last two feature maps (mean and maximum over space), averaged over frames;
    motion from a map of 8x8 places a frame, all frames side by side.
    """

    def __init__(self, training_form: bool = False) -> None:
        super().__init__()
        self.trunk = FrameTrunk(training_form)
        self.look = nn.Sequential(nn.Linear(2 * (WIDTHS[2] + WIDTHS[3]), 160), nn.ReLU())
        self.places = nn.Sequential(nn.Conv2d(WIDTHS[2], 20, 1), nn.ReLU(), nn.Flatten(), nn.Linear(20 * 64, 96))
        self.path = nn.Sequential(nn.ReLU(), nn.Linear(FRAMES * 96, 192), nn.ReLU(), nn.Linear(192, len(MOTIONS)))
        self.heads = nn.ModuleDict({k: nn.Linear(160, len(v)) for k, v in ATTRIBUTES.items() if k != "motion"})

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        n, t = clips.shape[:2]
        _, _, eighth, last = self.trunk(clips.flatten(0, 1))
        seen = self._look(eighth, last).view(n, t, -1).mean(1)
        logits = {name: head(seen) for name, head in self.heads.items()}
        logits["motion"] = self.path(self.places(eighth).view(n, -1))
        return logits

    def appearance(self, pictures: Tensor) -> Tensor:
        """Frames float [N,3,64,64] in [0,1] -> [N,160] >= 0: what shape, colour and background are told from."""
        _, _, eighth, last = self.trunk(pictures)
        return self._look(eighth, last)

    def _look(self, eighth: Tensor, last: Tensor) -> Tensor:
        pooled = [pool for x in (eighth, last) for pool in (x.mean((2, 3)), x.amax((2, 3)))]
        return self.look(torch.cat(pooled, 1))


class PocketReader:
    """Reads a whole clip: 8 frames, evenly from first to last (rounded; repeated in shorter clips), each cut to the
    centred square and brought to 64x64 (areas averaged, or enlarged bilinearly), as floats in [0,1], mapped to
    [-1,1] beside their local contrast (`trunk.with_contrast`). One forward pass a clip in float32, so a clip's numbers
    do not depend on what is observed with it.
    """

    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def __init__(self) -> None:
        self.network = ReaderNet().eval().requires_grad_(False)
        self.network.load_state_dict(weights.load("reader"))
        self.id = f"pocket-reader-v1:{weights.digest('reader')[:12]}:even{FRAMES},square{SIDE}"

    @property
    def figures(self) -> Mapping[str, float]:
        """Share read right on held-out renders, per attribute, in [0,1]: from the weights' manifest."""
        figures = weights.entry("reader")["figures"]
        return {name: float(figures[name]["value"]) for name in ATTRIBUTES}

    @torch.inference_mode()
    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """Log-probabilities {"shape": [8], "colour": [8], "background": [4], "motion": [11]} a clip, in the order of
        `magicvideo.world`'s SHAPES, COLOURS, BACKGROUNDS and MOTIONS."""
        return [self._observe(clip) for clip in clips]

    def _observe(self, clip: VideoClip) -> Arrays:
        picked = square(clip.frames[even_indices(len(clip), FRAMES)])
        logits = self.network(torch.from_numpy(picked)[None])
        return {name: torch.log_softmax(logits[name][0], 0).numpy() for name in ATTRIBUTES}
