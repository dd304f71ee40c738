"""V2V: keyframes become larger keyframes, by diffusion guided by the reference, or by bicubic interpolation."""

from __future__ import annotations

import torch
from torch import Tensor

from magicvideo.clip import VideoClip, fit_square
from magicvideo.models import diffusion, pocket, windows
from magicvideo.models.generator import Condition
from magicvideo.models.refiner import NO_REFERENCE, Refiner
from magicvideo.stage_config import Mechanisms, V2VConfig, frames_at_once
from magicvideo.stages.common import AT_ONCE, decode, encode, guided, noise, tensor


def enlarge(config: V2VConfig, keyframes: VideoClip) -> VideoClip:
    """The centred square, bicubic to the stage's size: what `v2v=False` gives."""
    return fit_square(keyframes, config.size)


@torch.inference_mode()
def refine(
    config: V2VConfig, mechanisms: Mechanisms, prompt: str, keyframes: VideoClip, reference: VideoClip, seed: int
) -> VideoClip:
    """Noise the enlarged keyframes up to `config.strength` of the schedule and denoise them (SDEdit, arXiv 2108.01073).

    The ControlNet sees each enlarged keyframe, and beside it the reference if `v2v_reference` and `controlnet`
    are on; appearance tokens enter if `v2v_reference` and `appearance_encoder` are on. Long clips go by windows, whose
    noise needs no sharing: the keyframes beneath it hold them together.
    """
    model, coder, net = pocket.generator(joint_training=True), pocket.autoencoder(), pocket.refiner()
    frames = tensor(enlarge(config, keyframes))[None]
    picture = tensor(fit_square(reference, config.size))[:1]
    shown = picture if mechanisms.v2v_reference and mechanisms.controlnet else torch.full_like(picture, NO_REFERENCE)
    appearance: Tensor | None = None
    if mechanisms.v2v_reference and mechanisms.appearance_encoder:
        appearance = model.appearance(tensor(fit_square(reference, 64))[:1])
    given = Condition(model.encode_text([prompt]), appearance, _control(net, shown, frames))
    x0 = encode(coder, frames[0]).transpose(0, 1)[None]
    t = torch.tensor([diffusion.start_step(config.steps, config.strength)])
    x = diffusion.add_noise(x0, noise(tuple(x0.shape), seed, prompt, "v2v"), t)
    by_windows = windows.windowed(net, frames_at_once(len(keyframes), config.window))
    x = diffusion.sample(guided(by_windows, model, given, config.guidance), x, config.steps, config.strength)
    return decode(coder, x[0].transpose(0, 1), keyframes.fps)


def _control(net: Refiner, shown: Tensor, frames: Tensor) -> tuple[list[Tensor], Tensor]:
    """The control of one clip's frames [1,T,3,H,W], some at a time: it looks at each frame by itself."""
    parts = [net.encode(shown, some) for some in frames.split(AT_ONCE, 1)]
    down = [torch.cat(level) for level in zip(*(d for d, _ in parts), strict=True)]
    return down, torch.cat([middle for _, middle in parts])
