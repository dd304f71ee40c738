"""Our stages beside diffusers' ready pipelines, from the same tiny checkpoints and the same noise.

A program of its own: ready pipelines need diffusers to have been imported with transformers, which the pocket models'
import hides for speed (`magicvideo/models/lean.py`). Prints one JSON object: case -> largest difference of a pixel.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AnimateDiffControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    StableVideoDiffusionPipeline,
    UNetMotionModel,
)
from PIL import Image
from tiny_weights import configured

from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.models import public as networks
from magicvideo.stage_config import Mechanisms, NoisePrior
from magicvideo.stages.common import noise
from magicvideo.stages.public import keyframes, sampling, svd, t2i
from magicvideo.stages.public.loaded import Loaded, _tokenizer, _told, loaded

PROMPT, SEED = "a red star", 3
PICTURE = VideoClip(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8), 1.0)


def made(config: PipelineConfig, stage: Any) -> Loaded:
    assert config.public is not None
    return loaded(config, stage, config.public.parts_of(stage))


def tokenizer(given: Loaded, role: str) -> Any:
    placed = given.preset.part(given.name, role)
    found = _tokenizer(_told(placed.part), tuple(given.files[placed.name]))
    found.model_max_length = placed.part.config["length"]
    return found


def fresh(given: Loaded, role: str) -> Any:
    """A network of its own, which nothing else has changed."""
    placed = given.preset.part(given.name, role)
    return networks.load(placed.part, given.files[placed.name])


def sampler(given: Loaded, name: str) -> Any:
    return sampling.scheduler(given.stage, name, 1, torch.device("cpu"))


def difference(clip: VideoClip, frames: Any) -> float:
    """Largest difference of a pixel, in 1/255; frames [T,3,H,W] in [0,1]."""
    return float(np.abs(clip.frames.astype(float) - 255 * np.asarray(frames, float)).max())


def pictures(folder: Path, preset: str, scheduler: str, guidance: float) -> float:
    config = configured(folder, preset, t2i__scheduler=scheduler, t2i__steps=3, t2i__guidance=guidance)
    given = made(config, "t2i")
    parts = {role: fresh(given, role) for role in ("unet", "vae", "text_encoder")}
    parts |= {"tokenizer": tokenizer(given, "tokenizer"), "scheduler": sampler(given, scheduler)}
    if preset == "sd15-t2i":
        more: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        ready: Any = StableDiffusionPipeline(**parts, **more)
    else:
        parts |= {"text_encoder_2": fresh(given, "text_encoder_2"), "tokenizer_2": tokenizer(given, "tokenizer_2")}
        ready = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    ready.set_progress_bar_config(disable=True)
    size = config.t2i.size
    eps = noise((1, 4, size // 8, size // 8), SEED, PROMPT, "t2i")
    theirs = ready(
        PROMPT, height=size, width=size, num_inference_steps=3, guidance_scale=guidance, latents=eps, output_type="np"
    ).images
    return difference(t2i.text_to_image(given, config.t2i, PROMPT, SEED), theirs.transpose(0, 3, 1, 2))


def clips(folder: Path, scheduler: str, guidance: float) -> float:
    config = configured(folder, "paper-sd15", i2v__scheduler=scheduler, i2v__guidance=guidance, i2v__steps=3)
    given, size, count = made(config, "i2v"), config.i2v.size, config.i2v.frames
    unet = UNetMotionModel.from_unet2d(fresh(given, "unet"), fresh(given, "motion_adapter"))
    state: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in fresh(given, "ip_adapter").state_dict().items():
        state[name.partition(".")[0]][name.partition(".")[2]] = tensor
    unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    ready: Any = AnimateDiffControlNetPipeline(
        vae=fresh(given, "vae"),
        text_encoder=fresh(given, "text_encoder"),
        tokenizer=tokenizer(given, "tokenizer"),
        unet=unet,
        motion_adapter=None,
        controlnet=fresh(given, "controlnet"),
        scheduler=sampler(given, scheduler),
    )
    ready.set_ip_adapter_scale(given.stage.appearance_scale)
    ready.set_progress_bar_config(disable=True)
    seen = keyframes.image_embedding(given, PICTURE)
    shown = Image.fromarray(keyframes.fit_square(PICTURE, size).frames[0].transpose(1, 2, 0))
    embeds = torch.stack([torch.zeros_like(seen), seen]) if guidance > 1 else seen[None]
    theirs = ready(
        PROMPT,
        num_frames=count,
        height=size,
        width=size,
        num_inference_steps=3,
        guidance_scale=guidance,
        negative_prompt=given.stage.negative_prompt,
        latents=noise((1, 4, count, size // 8, size // 8), SEED, PROMPT, "i2v"),
        ip_adapter_image_embeds=[embeds],
        conditioning_frames=[shown] * count,
        controlnet_conditioning_scale=given.stage.control_scale,
        control_guidance_end=given.stage.control_end,
        output_type="np",
    ).frames[0]
    m = Mechanisms(noise_prior=NoisePrior(kind="none"))
    ours = keyframes.image_to_video(given, config.i2v, m, PROMPT, PICTURE, SEED)
    return difference(ours, np.asarray(theirs).transpose(0, 3, 1, 2))


def stable_video(folder: Path) -> float:
    config = configured(folder, "svd", i2v__steps=3, i2v__size=64)  # smaller, and its norms see a single pixel
    made_with = made(config, "i2v")
    quiet = made_with.stage.model_copy(update={"noise_aug": 0.0, "decode_at_once": config.i2v.frames})
    preset = made_with.preset.model_copy(update={"stages": {**made_with.preset.stages, "i2v": quiet}})
    given = Loaded(preset, "i2v", made_with.files, made_with.device, made_with.dtype)
    size, count = config.i2v.size, config.i2v.frames
    ready: Any = StableVideoDiffusionPipeline(
        vae=fresh(given, "vae"),
        image_encoder=fresh(given, "image_encoder"),
        unet=fresh(given, "unet"),
        scheduler=sampler(given, "euler"),
        feature_extractor=None,
    )
    seen = keyframes.image_embedding(given, PICTURE)[:, None]
    ready._encode_image = lambda *_: torch.cat([torch.zeros_like(seen), seen])  # its resizing is not Pillow's
    ready.set_progress_bar_config(disable=True)
    theirs = ready(
        Image.fromarray(keyframes.fit_square(PICTURE, size).frames[0].transpose(1, 2, 0)),
        height=size,
        width=size,
        num_frames=count,
        num_inference_steps=3,
        max_guidance_scale=config.i2v.guidance,
        fps=round(config.i2v.fps),
        noise_aug_strength=0.0,
        latents=noise((1, count, 4, size // 8, size // 8), SEED, PROMPT, "i2v"),
        decode_chunk_size=count,
        output_type="np",
    ).frames[0]
    ours = svd.image_to_video(given, config.i2v, PROMPT, PICTURE, SEED)
    return difference(ours, np.asarray(theirs).transpose(0, 3, 1, 2))


def main(folder: Path) -> dict[str, float]:
    found = {f"sd15 {s}": pictures(folder, "sd15-t2i", s, 7.5) for s in ("ddim", "euler", "dpm++")}
    found["sdxl"] = pictures(folder, "paper-sd15", "euler", 5.0)
    found["sdxl unguided"] = pictures(folder, "paper-sd15", "ddim", 1.0)
    found |= {f"animatediff {s}": clips(folder, s, 7.5) for s in ("ddim", "euler", "dpm++")}
    found["animatediff unguided"] = clips(folder, "ddim", 1.0)
    found["svd"] = stable_video(folder)
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
