"""The latent space: an autoencoder with f = 8 and 12 channels, trained through noisy latents.

Latents are standardised by a BatchNorm without parameters, and the decoder is trained with Gaussian noise of a random
level on them: they become smooth and coarse to fine, which is what lets a small diffusion model learn shapes. No
normalisation layers in the body (GroupNorm dominates the time of a training step on a CPU).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT_CHANNELS = 12
FACTOR = 8


class Block(nn.Module):
    """Residual 3x3 block, norm-free; the last convolution starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.silu(self.a(F.silu(x))))


class Autoencoder(nn.Module):
    """RGB in [0,1] [N,3,H,W] <-> standardised latents [N,12,H/8,W/8]; H and W multiples of 8."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 128), blocks: int = 3) -> None:
        super().__init__()
        a, b, c = widths
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, a, 3, padding=1),
            nn.Conv2d(a, b, 4, stride=2, padding=1),
            Block(b),
            nn.Conv2d(b, c, 4, stride=2, padding=1),
            *(Block(c) for _ in range(blocks)),
            nn.Conv2d(c, LATENT_CHANNELS, 3, padding=1),
        )
        self.standardise = nn.BatchNorm2d(LATENT_CHANNELS, affine=False, momentum=0.01)
        self.decoder = nn.Sequential(
            nn.Conv2d(LATENT_CHANNELS, c, 3, padding=1),
            *(Block(c) for _ in range(blocks)),
            nn.Conv2d(c, b * 4, 3, padding=1),
            nn.PixelShuffle(2),
            Block(b),
            Block(b),
            nn.Conv2d(b, a * 4, 3, padding=1),
            nn.PixelShuffle(2),
            Block(a),
            nn.Conv2d(a, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def encode(self, images: Tensor) -> Tensor:
        """[N,3,H,W] in [0,1] -> latents [N,12,H/8,W/8], zero mean and unit variance over the training images."""
        return self.standardise(self.encoder(images * 2 - 1))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [N,12,h,w] -> images [N,3,8h,8w], about [0,1], not clipped."""
        return self.decoder(latents) * 0.5 + 0.5


def noisy(latents: Tensor, most: float) -> Tensor:
    """Latents plus Gaussian noise whose level is drawn uniformly from [0, most] for each item."""
    level = torch.rand(latents.shape[0], 1, 1, 1, device=latents.device) * most
    return latents + level * torch.randn_like(latents)
