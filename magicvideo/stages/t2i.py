"""T2I: a prompt becomes the reference image."""

from __future__ import annotations

import torch

from magicvideo.clip import VideoClip
from magicvideo.config import T2IConfig
from magicvideo.models import diffusion, pocket
from magicvideo.models.autoencoder import FACTOR, LATENT_CHANNELS
from magicvideo.models.generator import Condition
from magicvideo.stages.common import decode, guided, noise


@torch.inference_mode()
def text_to_image(config: T2IConfig, prompt: str, seed: int) -> VideoClip:
    """One picture of `config.size` pixels, as a clip with T = 1.

    Always by the jointly trained checkpoint, so that the `joint_training` switch leaves the reference as it is.
    """
    model, side = pocket.generator(joint_training=True), config.size // FACTOR
    given = Condition(model.encode_text([prompt]))
    x = noise((1, LATENT_CHANNELS, side, side), seed, prompt, "t2i")
    x = diffusion.sample(guided(model.image, model, given, config.guidance), x, config.steps)
    return decode(pocket.autoencoder(), x, fps=1.0)
