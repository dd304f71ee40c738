"""V2V: motion modules and a ControlNet of their own on the generator's spatial layers, text and appearance encoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magicvideo.models.generator import Condition, Generator, denoise_clip
from magicvideo.models.reference import Control
from magicvideo.models.unet import motion_state, motion_unet

NO_REFERENCE = 0.5
"""Grey: what stands in the reference's place when it is left out; the ControlNet then sees zeros there."""


class Refiner(nn.Module):
    """Denoises clips [N,C,T,h,w]; the ControlNet sees the reference's RGB beside each enlarged keyframe's."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.motion = motion_unet(generator.spatial)
        self.control = Control(channels=6)

    def forward(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """v at training steps t [N]; the condition's control holds N*T pictures."""
        return denoise_clip(self.motion, x, t, condition)

    def encode(self, reference: Tensor, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """Control of clips: reference RGB [N,3,H,W] beside each frame of [N,T,3,H,W], all in [0,1]."""
        beside = reference.unsqueeze(1).expand_as(frames)
        return self.control(torch.cat([beside, frames], 2).flatten(0, 1))

    def weights(self) -> dict[str, Tensor]:
        """Motion modules and ControlNet; the spatial layers are the generator's."""
        own = {f"motion.{k}": v for k, v in motion_state(self.motion).items()}
        return own | {f"control.{k}": v for k, v in self.control.state_dict().items()}

    def load_weights(self, state: dict[str, Tensor]) -> None:
        """Load what `weights` gave; a missing or unexpected name is an error."""
        missing, unexpected = self.load_state_dict(state, strict=False)
        missing = [k for k in missing if k.startswith("control.") or "motion_modules" in k]
        if missing or unexpected:
            raise ValueError(f"weights do not fit: missing {missing[:3]}, unexpected {unexpected[:3]}")
