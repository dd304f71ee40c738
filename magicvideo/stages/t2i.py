"""T2I: a prompt becomes the reference image, drawn again where the verifier doubts that it shows the prompt."""

from __future__ import annotations

import math

import torch

from magicvideo.clip import VideoClip
from magicvideo.config import T2IConfig
from magicvideo.models import diffusion, pocket
from magicvideo.models.autoencoder import FACTOR, LATENT_CHANNELS
from magicvideo.models.generator import Condition
from magicvideo.models.verifier import BELIEVED
from magicvideo.stages.common import decode, guided, noise


@torch.inference_mode()
def text_to_image(config: T2IConfig, prompt: str, seed: int) -> VideoClip:
    """One picture of `config.size` pixels, as a clip with T = 1.

    Always by the jointly trained checkpoint, so that the `joint_training` switch leaves the reference as it is. Of up
    to `config.candidates` pictures, each from noise of its own, the first that the verifier believes is taken, or the
    one that it doubts least.
    """
    model, side = pocket.generator(joint_training=True), config.size // FACTOR
    denoise = guided(model.image, model, Condition(model.encode_text([prompt])), config.guidance)
    best, highest = None, -math.inf
    for n in range(config.candidates if config.verified else 1):
        x = noise((1, LATENT_CHANNELS, side, side), seed, prompt, f"t2i {n}" if n else "t2i")
        x = diffusion.sample(denoise, x, config.steps)
        logit = pocket.verifier().logit(x, prompt) if config.verified else math.inf
        if best is None or logit > highest:
            best, highest = x, logit
        if highest >= BELIEVED:
            break
    assert best is not None
    return decode(pocket.autoencoder(), best, fps=1.0)
