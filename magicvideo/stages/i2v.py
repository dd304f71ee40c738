"""I2V: a prompt and the reference image become keyframes."""

from __future__ import annotations

import torch

from magicvideo import noise_prior
from magicvideo.clip import VideoClip, fit_square
from magicvideo.models import diffusion, pocket, windows
from magicvideo.models.autoencoder import FACTOR, LATENT_CHANNELS
from magicvideo.models.generator import Condition
from magicvideo.stage_config import I2VConfig, Mechanisms, frames_at_once
from magicvideo.stages.common import decode, encode, guided, named, noise, tensor


@torch.inference_mode()
def image_to_video(
    config: I2VConfig, mechanisms: Mechanisms, prompt: str, reference: VideoClip, seed: int
) -> VideoClip:
    """Keyframes [T,3,size,size] from the reference's first frame (cropped square and resized if need be).

    More frames than `config` denoises at once go by overlapping windows that share their noise (`models/windows.py`).
    """
    model, side = pocket.generator(mechanisms.joint_training), config.size // FACTOR
    picture = tensor(fit_square(reference, config.size))[:1]
    given = Condition(
        model.encode_text([prompt]),
        model.appearance(tensor(fit_square(reference, 64))[:1]) if mechanisms.appearance_encoder else None,
        model.control(picture) if mechanisms.controlnet else None,
    )
    eps = noise((1, LATENT_CHANNELS, config.frames, side, side), seed, prompt, "i2v")
    window = frames_at_once(config.frames, config.window)
    eps = windows.shared_noise(eps, window, named(seed, prompt, "i2v windows"))
    coder = pocket.autoencoder()
    abar_T = float(diffusion.ALPHAS_BAR[-1])
    x = noise_prior.start(mechanisms.noise_prior, eps, encode(coder, picture), abar_T)
    x = diffusion.sample(guided(windows.windowed(model.clip, window), model, given, config.guidance), x, config.steps)
    return decode(coder, x[0].transpose(0, 1), config.fps)
