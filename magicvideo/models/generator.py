"""What one joint training learns: text, spatial layers, appearance, control, the keyframes' motion modules.

A checkpoint holds the shared spatial layers once. T2I runs `image`, I2V runs `clip`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magicvideo.models.reference import AppearanceEncoder, Control
from magicvideo.models.text import TextEncoder, token_ids
from magicvideo.models.unet import motion_unet, spatial_unet, states


@dataclass(frozen=True)
class Condition:
    """What the denoiser is told. Text [N,L,D]; appearance [N,A,D] or None; control residuals of N pictures or None."""

    text: Tensor
    appearance: Tensor | None = None
    control: tuple[list[Tensor], Tensor] | None = None


class Generator(nn.Module):
    """The denoiser with its encoders. Latents are standardised; v-prediction at training steps t [N]."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextEncoder()
        self.spatial = spatial_unet()
        self.motion = motion_unet(self.spatial)
        self.appearance = AppearanceEncoder()
        self.control = Control()

    def encode_text(self, prompts: list[str]) -> Tensor:
        """Prompts -> text states [N,L,D]."""
        device = self.text.places.device
        return self.text(token_ids(prompts).to(device))

    def image(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """v for single pictures [N,C,h,w]: the spatial layers alone."""
        given = states(condition.text, condition.appearance)
        return self.spatial(x, t, encoder_hidden_states=given, return_dict=False)[0]

    def clip(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """v for clips [N,C,T,h,w]; the condition's control holds one picture a clip, given to all frames."""
        return denoise_clip(self.motion, x, t, condition)

    def weights(self) -> dict[str, Tensor]:
        """The state dict with the shared spatial layers once."""
        state = self.state_dict()
        return {k: v for k, v in state.items() if not k.startswith("motion.") or "motion_modules" in k}

    def load_weights(self, state: dict[str, Tensor]) -> None:
        """Load what `weights` gave; a missing or unexpected name is an error."""
        missing, unexpected = self.load_state_dict(state, strict=False)
        missing = [k for k in missing if not k.startswith("motion.") or "motion_modules" in k]
        if missing or unexpected:
            raise ValueError(f"weights do not fit: missing {missing[:3]}, unexpected {unexpected[:3]}")


def denoise_clip(unet: nn.Module, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
    """v for clips [N,C,T,h,w] by a motion UNet. Text and appearance are repeated over frames.

    Control residuals of N pictures go to all frames of their clip; residuals of N*T pictures go one to each.
    """
    frames = x.shape[2]
    text = condition.text.repeat_interleave(frames, 0)
    appearance = None if condition.appearance is None else condition.appearance.repeat_interleave(frames, 0)
    down, middle = None, None
    if condition.control is not None:
        each = frames if condition.control[1].shape[0] == x.shape[0] else 1
        down = [r.repeat_interleave(each, 0) for r in condition.control[0]]
        middle = condition.control[1].repeat_interleave(each, 0)
    return unet(
        x,
        t,
        encoder_hidden_states=states(text, appearance),
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
        return_dict=False,
    )[0]


def dropped(condition: Condition, keep_appearance: Tensor, keep_control: Tensor) -> Condition:
    """Appearance and control zeroed where the masks [N] say False: how training learns to do without.

    Zero tokens and zero residuals do exactly what None does.
    """
    appearance, control = condition.appearance, condition.control
    if appearance is not None:
        appearance = appearance * keep_appearance[:, None, None]
    if control is not None:
        each = keep_control.repeat_interleave(control[1].shape[0] // keep_control.shape[0])
        mask = each[:, None, None, None].to(control[1].dtype)
        control = ([r * mask for r in control[0]], control[1] * mask)
    return Condition(condition.text, appearance, control)


def join(one: Condition, other: Condition) -> Condition:
    """Two conditions as one batch, for guidance."""
    appearance = None
    if one.appearance is not None and other.appearance is not None:
        appearance = torch.cat([one.appearance, other.appearance])
    control = None
    if one.control is not None and other.control is not None:
        down = [torch.cat(pair) for pair in zip(one.control[0], other.control[0], strict=True)]
        control = (down, torch.cat([one.control[1], other.control[1]]))
    return Condition(torch.cat([one.text, other.text]), appearance, control)
