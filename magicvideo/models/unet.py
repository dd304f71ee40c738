"""The denoising networks: one set of spatial layers for T2I, I2V and V2V, motion modules of their own for I2V and V2V.

`spatial_unet` is diffusers' `UNet2DConditionModel` with IP-Adapter's decoupled cross-attention (arXiv 2308.06721): text
and appearance tokens are attended to separately and added. `motion_unet` is diffusers' `UNetMotionModel` whose spatial
modules *are* those of the given spatial UNet, so an image is a one-frame video that skips the motion modules.
"""

from __future__ import annotations

from torch import Tensor, nn

from magicvideo.models.autoencoder import LATENT_CHANNELS
from magicvideo.models.lean import (
    AttnProcessor,
    IPAdapterAttnProcessor,
    MotionAdapter,
    UNet2DConditionModel,
    UNetMotionModel,
)
from magicvideo.stage_config import MOST_AT_ONCE

CHANNELS = (80, 144)
LAYERS = 1
HEADS = 4
TEXT_WIDTH = 128
APPEARANCE_TOKENS = 16
MAX_FRAMES = MOST_AT_ONCE
"""Frames a motion module can tell apart."""


def spatial_unet() -> UNet2DConditionModel:
    """Latents [N,C,h,w] with text states and appearance tokens -> v-prediction [N,C,h,w]; any even h and w."""
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=LAYERS,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=HEADS,
        norm_num_groups=16,
        use_linear_projection=True,
    )
    unet.set_attn_processor({name: _processor(unet, name) for name in unet.attn_processors})
    return unet


def motion_unet(spatial: UNet2DConditionModel) -> UNetMotionModel:
    """Latents [N,C,T,h,w] -> v-prediction of the same shape. Shares the spatial modules; starts as the image model.

    The output projection of each motion module is zeroed, so that before training every frame is what the
    spatial layers alone would make of it (diffusers leaves it random).
    """
    adapter = MotionAdapter(
        block_out_channels=CHANNELS,
        motion_layers_per_block=LAYERS,
        motion_num_attention_heads=HEADS,
        motion_norm_num_groups=16,
        motion_max_seq_length=MAX_FRAMES,
        use_motion_mid_block=False,
    )
    unet = UNetMotionModel.from_unet2d(spatial, adapter, load_weights=False)
    share_spatial(spatial, unet)
    for name, module in unet.named_modules():
        if name.endswith("proj_out") and "motion_modules" in name:
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    plain = {name: AttnProcessor() if "motion" in name else p for name, p in unet.attn_processors.items()}
    unet.set_attn_processor(plain)
    return unet


def motion_state(unet: UNetMotionModel) -> dict[str, Tensor]:
    """The motion modules' weights alone."""
    return {k: v for k, v in unet.state_dict().items() if "motion_modules" in k}


def states(text: Tensor, appearance: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """Text states [N,L,D] and appearance tokens [N,A,D] as the decoupled cross-attention takes them."""
    return text, [] if appearance is None else [appearance]


def _processor(unet: UNet2DConditionModel, name: str) -> nn.Module | AttnProcessor:
    if "attn2" not in name:
        return AttnProcessor()
    attention = unet.get_submodule(name.removesuffix(".processor"))
    width = attention.to_q.in_features
    processor = IPAdapterAttnProcessor(width, cross_attention_dim=TEXT_WIDTH, num_tokens=(APPEARANCE_TOKENS,))
    nn.init.zeros_(processor.to_v_ip[0].weight)  # appearance starts without a say
    return processor


def share_spatial(spatial: UNet2DConditionModel, motion: UNetMotionModel) -> None:
    """Make the video UNet's spatial modules those of the image UNet."""
    for name in ("conv_in", "time_proj", "time_embedding", "conv_norm_out", "conv_act", "conv_out"):
        setattr(motion, name, getattr(spatial, name))
    pairs = [(spatial.mid_block, motion.mid_block)]
    pairs += list(zip(spatial.down_blocks, motion.down_blocks, strict=True))
    pairs += list(zip(spatial.up_blocks, motion.up_blocks, strict=True))
    for one, other in pairs:
        for name in ("resnets", "attentions", "downsamplers", "upsamplers"):
            if hasattr(one, name):
                setattr(other, name, getattr(one, name))
