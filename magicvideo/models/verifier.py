"""Whether a picture shows what its prompt says, judged on its latent: T2I draws again where the verifier doubts.

Pictures and prompts are embedded apart and compared, as in CLIP (Radford et al. 2021, arXiv 2103.00020), trained with
the sigmoid loss of SigLIP (Zhai et al. 2023, arXiv 2303.15343), so that one pair has a logit of its own. Choosing among
drawn pictures by such a network is how DALL-E was sampled (Ramesh et al. 2021, arXiv 2102.12092). It shares no weight
and no training picture with the metrics' networks in `evals`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magicvideo.models.autoencoder import LATENT_CHANNELS, Block
from magicvideo.models.text import PAD, TextEncoder, token_ids

WIDTHS = (48, 80, 112)
LAYERS = (0, 2, 5, 7)
"""Of the body, those whose features are looked at: its first convolution and the last block of each width."""
TEXT_WIDTH = 64
EMBEDDING = 96
BELIEVED = 1.5
"""The logit from which a picture is believed to show its prompt: chosen on 160 prompts of the grid `targets`."""


class Verifier(nn.Module):
    """Standardised latents [N,12,h,w] of 128-pixel pictures, and prompts, to logits."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.body = nn.Sequential(
            nn.Conv2d(LATENT_CHANNELS, a, 3, padding=1),
            Block(a),
            Block(a),
            nn.Conv2d(a, b, 4, stride=2, padding=1),
            Block(b),
            Block(b),
            nn.Conv2d(b, c, 4, stride=2, padding=1),
            Block(c),
            nn.SiLU(),
        )
        self.out = nn.Linear(2 * c, EMBEDDING)
        self.text = TextEncoder(TEXT_WIDTH)
        self.words = nn.Linear(TEXT_WIDTH, EMBEDDING)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-4.0))

    def picture(self, latents: Tensor) -> Tensor:
        """Latents [N,12,h,w] -> unit vectors [N,96]: mean and largest over places."""
        found = self.body(latents)
        return F.normalize(self.out(torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1)).float(), dim=1)

    def features(self, latents: Tensor) -> list[Tensor]:
        """Latents [N,12,h,w] -> feature maps of four layers, fine to coarse: what a perceptual distance compares."""
        found, x = list[Tensor](), latents
        for n, layer in enumerate(self.body):
            x = layer(x)
            if n in LAYERS:
                found.append(x)
        return found

    def prompt(self, ids: Tensor) -> Tensor:
        """Token ids [N,24] -> unit vectors [N,96]: the mean over words."""
        known = (ids != PAD).float().unsqueeze(-1)
        mean = (self.text(ids) * known).sum(1) / known.sum(1).clamp_min(1)
        return F.normalize(self.words(mean).float(), dim=1)

    def forward(self, latents: Tensor, ids: Tensor) -> Tensor:
        """Logits [N,M] that picture n shows prompt m."""
        return self.scale.exp() * self.picture(latents) @ self.prompt(ids).T + self.bias

    def logit(self, latents: Tensor, prompt: str) -> float:
        """The logit of one picture [1,12,h,w] and its prompt."""
        return float(self(latents, token_ids([prompt])))
