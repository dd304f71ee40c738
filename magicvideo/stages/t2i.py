"""T2I: a prompt becomes the reference image, drawn again where the verifier doubts that it shows the prompt."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from magicvideo.clip import VideoClip
from magicvideo.models import diffusion, pocket
from magicvideo.models.autoencoder import FACTOR, LATENT_CHANNELS
from magicvideo.models.generator import Condition
from magicvideo.models.verifier import BELIEVED
from magicvideo.stage_config import T2IConfig
from magicvideo.stages.common import decode, guided, noise


@torch.inference_mode()
def text_to_image(config: T2IConfig, prompt: str, seed: int) -> VideoClip:
    """One picture of `config.size` pixels, as a clip with T = 1.

    Always by the jointly trained checkpoint, so that the `joint_training` switch leaves the reference as it is, with
    the changes that it learned from the verifier's judgement of whole pictures (`train/t2i_lora.py`). Of up to
    `config.candidates` pictures, each from noise of its own, the first that the verifier believes is taken, or the one
    that it doubts least.
    """
    model, side = pocket.image_generator(), config.size // FACTOR
    denoise = guided(model.image, model, Condition(model.encode_text([prompt])), config.guidance)

    def draw(n: int) -> Tensor:
        x = noise((1, LATENT_CHANNELS, side, side), seed, prompt, f"t2i {n}" if n else "t2i")
        return diffusion.sample(denoise, x, config.steps)

    x = _believed(map(draw, range(config.candidates)), prompt) if config.verified else draw(0)
    return decode(pocket.autoencoder(), x, fps=1.0)


def _believed(drawn: Iterable[Tensor], prompt: str) -> Tensor:
    """The first latent that the verifier believes, no further one being drawn; else the least doubted of all."""
    verifier, seen = pocket.verifier(), list[tuple[float, Tensor]]()
    for x in drawn:
        seen.append((verifier.logit(x, prompt), x))
        if seen[-1][0] >= BELIEVED:
            return x
    return max(seen, key=lambda judged: judged[0])[1]
