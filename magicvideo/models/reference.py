"""What enters from the reference image: appearance tokens, and a ControlNet on its RGB.

Both depend on the reference alone, not on the noisy latent or the step, so one pass a clip is enough.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magicvideo.models.autoencoder import LATENT_CHANNELS
from magicvideo.models.lean import ControlNetModel
from magicvideo.models.unet import APPEARANCE_TOKENS, CHANNELS, LAYERS, TEXT_WIDTH


class AppearanceEncoder(nn.Module):
    """Reference RGB [N,3,64,64] in [0,1] -> appearance tokens [N,16,128]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, 64, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(64, 96, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(96, TEXT_WIDTH, 4, stride=2, padding=1),
        )
        self.places = nn.Parameter(torch.randn(1, APPEARANCE_TOKENS, TEXT_WIDTH) * 0.02)
        self.norm = nn.LayerNorm(TEXT_WIDTH)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.body(images * 2 - 1).flatten(2).transpose(1, 2) + self.places)


class Control(nn.Module):
    """A ControlNet (arXiv 2302.05543) on RGB: `channels` / 3 pictures side by side in the channels.

    Diffusers' `ControlNetModel` with its noisy latent left out (zeros) and the step fixed, so that its residuals are
    a function of the pictures alone.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.net = ControlNetModel(
            in_channels=LATENT_CHANNELS,
            conditioning_channels=channels,
            down_block_types=("DownBlock2D",) * len(CHANNELS),
            mid_block_type="UNetMidBlock2D",
            block_out_channels=CHANNELS,
            layers_per_block=LAYERS,
            norm_num_groups=16,
            cross_attention_dim=TEXT_WIDTH,
            attention_head_dim=4,
            conditioning_embedding_out_channels=(16, 32, 64, 80),
        )

    def forward(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        """RGB [N,channels,H,W] in [0,1] -> residuals for the UNet's skips (each [N,C,h,w]) and for its middle."""
        n, _, height, width = pictures.shape
        blank = pictures.new_zeros(n, LATENT_CHANNELS, height // 8, width // 8)
        text = pictures.new_zeros(n, 1, TEXT_WIDTH)
        step = torch.zeros(n, dtype=torch.long, device=pictures.device)
        down, middle = self.net(blank, step, text, controlnet_cond=pictures * 2 - 1, return_dict=False)
        return list(down), middle
