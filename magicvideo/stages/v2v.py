"""V2V: keyframes become larger keyframes, by diffusion guided by the reference, or by bicubic interpolation."""

from __future__ import annotations

import torch
from torch import Tensor

from magicvideo.clip import VideoClip, fit_square
from magicvideo.config import Mechanisms, V2VConfig
from magicvideo.models import diffusion, pocket
from magicvideo.models.generator import Condition
from magicvideo.models.refiner import NO_REFERENCE
from magicvideo.stages.common import decode, guided, noise, tensor


def enlarge(config: V2VConfig, keyframes: VideoClip) -> VideoClip:
    """The centred square, bicubic to the stage's size: what `v2v=False` gives."""
    return fit_square(keyframes, config.size)


@torch.no_grad()
def refine(
    config: V2VConfig, mechanisms: Mechanisms, prompt: str, keyframes: VideoClip, reference: VideoClip, seed: int
) -> VideoClip:
    """Noise the enlarged keyframes up to `config.strength` of the schedule and denoise them (SDEdit, arXiv 2108.01073).

    The ControlNet sees each enlarged keyframe, and beside it the reference if `v2v_reference` and `controlnet`
    are on; appearance tokens enter if `v2v_reference` and `appearance_encoder` are on.
    """
    model, coder, net = pocket.generator(joint_training=True), pocket.autoencoder(), pocket.refiner()
    frames = tensor(enlarge(config, keyframes))[None]
    picture = tensor(fit_square(reference, config.size))[:1]
    shown = picture if mechanisms.v2v_reference and mechanisms.controlnet else torch.full_like(picture, NO_REFERENCE)
    appearance: Tensor | None = None
    if mechanisms.v2v_reference and mechanisms.appearance_encoder:
        appearance = model.appearance(tensor(fit_square(reference, 64))[:1])
    given = Condition(model.encode_text([prompt]), appearance, net.encode(shown, frames))
    x0 = coder.encode(frames[0]).transpose(0, 1)[None]
    t = torch.tensor([diffusion.start_step(config.steps, config.strength)])
    x = diffusion.add_noise(x0, noise(tuple(x0.shape), seed, prompt, "v2v"), t)
    x = diffusion.sample(guided(net, model, given, config.guidance), x, config.steps, config.strength)
    return decode(coder, x[0].transpose(0, 1), keyframes.fps)
