"""Inception v3 as FID uses it (Heusel et al. 2017): torch-fidelity's port of the 2015 TensorFlow network, through
torchmetrics. Needs the package `torch-fidelity` (extra `standard`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor
from torchmetrics.image.fid import NoTrainInceptionV3

from evals.backbones.frames import device, over_frames, pixels
from evals.features import Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip
from magicvideo.errors import InputError


class Inception:
    """Looks at each frame, stretched to 299 x 299 by TensorFlow 1's bilinear rule (not antialiased): the inputs of
    published FID values."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, found: Found) -> None:
        self.network = _network(found)
        self.id = f"inception-v3-fid:{found.short}:stretch299-tf1-bilinear,pool2048,all-frames"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"embedding": [T,2048]} a clip: pooled features of each frame."""
        return [{"embedding": over_frames(self._pooled, clip.frames)} for clip in clips]

    def _pooled(self, frames: Frames) -> Tensor:
        return self.network._torch_fidelity_forward(pixels(frames))[0]


def _network(found: Found) -> Any:
    try:
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(found.path), antialias=False)
    except ModuleNotFoundError:
        raise InputError("FID's Inception needs `torch-fidelity`: pip install -e '.[standard]'") from None
    except RuntimeError as error:
        raise InputError(f"{found.path} does not hold FID's Inception: {str(error)[:300]}") from None
    return network.requires_grad_(False).to(device())
