"""MUSIQ-SPAQ (Ke et al. 2021, arXiv 2108.05997), as VBench's imaging quality uses it, through `pyiqa` (extra `iqa`)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

from evals.backbones.frames import device, floats, over_frames
from evals.features import Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip
from magicvideo.errors import InputError

LONGEST = 512
MISSING = "MUSIQ needs the package `pyiqa`: pip install -e '.[iqa]'"
CHUNK = 4


class Musiq:
    """Looks at each frame: the longer side scaled down to 512 where it is longer (bilinear, not antialiased, as VBench
    does), in [0,1]. Without `pyiqa` every clip has that as its reason, and all other metrics are as they were."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, found: Found) -> None:
        self.network = _network(found) if find_spec("pyiqa") else None
        self.id = f"musiq-spaq:{found.short}:max{LONGEST}-bilinear,all-frames"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"musiq": [T]} a clip: predicted opinion of each frame, 0 to 100. Raises `InputError` without `pyiqa`."""
        if self.network is None:
            raise InputError(MISSING)
        return [{"musiq": over_frames(self._score, clip.frames, CHUNK).reshape(-1)} for clip in clips]

    def _score(self, frames: Frames) -> Tensor:
        assert self.network is not None
        return self.network(prepare(frames)).reshape(-1)


def prepare(frames: Frames) -> Tensor:
    """uint8 [N,3,H,W] -> float32 in [0,1], 512 pixels a side at most."""
    pictures = floats(frames)
    h, w = pictures.shape[2:]
    scale = LONGEST / max(h, w)
    if scale >= 1:
        return pictures
    size = [max(1, int(scale * side)) for side in (h, w)]
    return F.interpolate(pictures, size=size, mode="bilinear", antialias=False, align_corners=False)


def _network(found: Found) -> Any:
    from pyiqa.archs.musiq_arch import MUSIQ

    network = MUSIQ(pretrained="spaq", pretrained_model_path=str(found.path))
    return network.eval().requires_grad_(False).to(device())
