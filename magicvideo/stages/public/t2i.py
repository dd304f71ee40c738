"""T2I by Stable Diffusion or Stable Diffusion XL: a prompt becomes the reference image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from magicvideo.clip import VideoClip
from magicvideo.stage_config import T2IConfig
from magicvideo.stages.common import noise
from magicvideo.stages.public.loaded import Loaded
from magicvideo.stages.public.sampling import denoise, guide, scheduler
from magicvideo.stages.public.text import Text, encode


@torch.inference_mode()
def text_to_image(loaded: Loaded, config: T2IConfig, prompt: str, seed: int) -> VideoClip:
    """One picture of `config.size` pixels, as a clip with T = 1. A guidance of 1 costs one pass a step."""
    unet, text = loaded.network("unet"), encode(loaded, prompt, config.guidance != 1)
    sampler = scheduler(loaded.stage, config.scheduler, config.steps, loaded.device)
    side = config.size // factor(loaded)
    eps = noise((1, unet.config.in_channels, side, side), seed, prompt, "t2i").to(loaded.device)
    given = _sizes(loaded, text, config.size)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        both = x.to(loaded.dtype).expand(len(text.states), -1, -1, -1)
        told = unet(both, t, encoder_hidden_states=text.states, added_cond_kwargs=given, return_dict=False)[0]
        return guide(told, config.guidance)

    with loaded.denoising(unet):
        x = denoise(sampler, predict, eps * float(sampler.init_noise_sigma))
    return loaded.decode(x, fps=1.0)


def factor(loaded: Loaded) -> int:
    """Pixels a side that one latent stands for."""
    return int(2 ** (len(loaded.network("vae").config.block_out_channels) - 1))


def _sizes(loaded: Loaded, text: Text, size: int) -> dict[str, Any] | None:
    """What SDXL is told beside the text: original size, crop, target size (arXiv 2307.01952)."""
    if text.pooled is None:
        return None
    numbers = torch.tensor([[size, size, 0, 0, size, size]], dtype=loaded.dtype, device=loaded.device)
    return {"text_embeds": text.pooled, "time_ids": numbers.expand(len(text.states), -1)}
