"""I2V by Stable Video Diffusion (arXiv 2311.15127): a picture becomes a clip, without words.

The picture is seen twice and cannot be left out: CLIP's embedding in the place of text, and its latent, a little
noised, beside every frame's. Guidance rises linearly from the first frame to the last.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magicvideo.clip import VideoClip, fit_square
from magicvideo.config import refuse_too_many
from magicvideo.stage_config import I2VConfig
from magicvideo.stages.common import noise, tensor
from magicvideo.stages.public.keyframes import image_embedding
from magicvideo.stages.public.loaded import Loaded
from magicvideo.stages.public.sampling import denoise, guide, scheduler
from magicvideo.stages.public.t2i import factor


@torch.inference_mode()
def image_to_video(loaded: Loaded, config: I2VConfig, prompt: str, reference: VideoClip, seed: int) -> VideoClip:
    """Keyframes [T,3,size,size] from the reference's first frame. The prompt names the noise and nothing else."""
    refuse_too_many(loaded.preset, "i2v", config.frames, config.window)
    unet, stage, guided = loaded.network("unet"), loaded.stage, config.guidance != 1
    picture = tensor(fit_square(reference, config.size))[:1]
    words = _with_zeros(image_embedding(loaded, reference)[:, None], guided)
    beside = _with_zeros(
        _picture_latent(loaded, picture, noise(tuple(picture.shape), seed, prompt, "i2v picture")), guided
    )
    beside = beside[:, None].expand(-1, config.frames, -1, -1, -1)
    numbers = [round(config.fps) - 1, stage.motion_bucket, stage.noise_aug]
    told_numbers = torch.tensor([numbers], dtype=loaded.dtype, device=loaded.device).expand(len(words), -1)
    rise = torch.linspace(stage.least_guidance, config.guidance, config.frames, device=loaded.device)
    sampler = scheduler(stage, config.scheduler, config.steps, loaded.device)
    side = config.size // factor(loaded)
    eps = noise((1, config.frames, unet.config.out_channels, side, side), seed, prompt, "i2v").to(loaded.device)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        both = torch.cat([x.to(loaded.dtype).expand(len(words), -1, -1, -1, -1), beside], dim=2)
        told = unet(both, t, encoder_hidden_states=words, added_time_ids=told_numbers, return_dict=False)[0]
        return guide(told, rise[None, :, None, None, None])

    with loaded.denoising(unet):
        x = denoise(sampler, predict, eps * float(sampler.init_noise_sigma))
    return loaded.decode(x[0], config.fps)


def _picture_latent(loaded: Loaded, picture: Tensor, eps: Tensor) -> Tensor:
    """The noised picture's latent [1,C,h,w], not scaled: how the network was trained to see it."""
    vae = loaded.vae()
    noised = (picture * 2 - 1 + loaded.stage.noise_aug * eps).to(loaded.device, vae.dtype)
    return vae.encode(noised).latent_dist.mode().to(loaded.dtype)


def _with_zeros(x: Tensor, guided: bool) -> Tensor:
    return torch.cat([torch.zeros_like(x), x]) if guided else x
