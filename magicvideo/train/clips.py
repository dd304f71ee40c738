"""The clips that keyframe generators learn from: poor, of part of the pairs, and the loss of denoising them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magicvideo.models import diffusion
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator, dropped
from magicvideo.models.text import token_ids
from magicvideo.train import data, t2i
from magicvideo.train.poor import poor
from magicvideo.world import Scene, in_video_data, render
from magicvideo.world.render import backdrop

FRAMES, SIZE = 8, 64
TURNING = ("circle", "bounce")
MOVING = 4.0
"""How much more the error counts where a clip's latents leave its first frame's."""
DROP = 0.12
"""Share of clips trained without appearance tokens, and of clips without control."""


@dataclass(frozen=True)
class Clips:
    frames: Tensor
    """float32 [N,T,3,64,64] in [0,1]; frame 0 is the reference"""
    empty: Tensor
    """float32 [N,3,64,64], the same backgrounds without the shape"""
    ids: Tensor
    """int64 [N,24]"""


def sampled(rng: np.random.Generator, count: int, turning: float = 1.0, silent: float = t2i.DROP_TEXT) -> Clips:
    """Poor clips of the pairs that training videos show, with paraphrased captions, a share `silent` of them empty.

    Motions that turn are shown `turning` times as often as others.
    """
    scenes = list[Scene]()
    while len(scenes) < count:
        scene = data.scenes(rng, 1)[0]
        rare = turning > 1 and scene.motion not in TURNING and rng.uniform() >= 1 / turning
        if in_video_data(scene.shape, scene.colour) and not rare:
            scenes.append(scene)
    times = np.linspace(0, 1, FRAMES)
    shown = [np.concatenate([render(s, times, SIZE), backdrop(s, SIZE)[None]]) for s in scenes]
    frames = torch.from_numpy(np.stack([poor(each, rng) for each in shown]))
    return Clips(frames[:, :-1], frames[:, -1], token_ids(t2i.captions(scenes, rng, silent)))


def condition(model: Generator, clips: Clips) -> Condition:
    """What the generator is told of clips; appearance and control are each left out for a share of them."""
    reference = clips.frames[:, 0]
    whole = Condition(model.text(clips.ids), model.appearance(reference), model.control(reference))
    keep = torch.rand(2, len(reference)) >= DROP
    return dropped(whole, keep[0], keep[1])


@torch.no_grad()
def latents(coder: Autoencoder, frames: Tensor) -> Tensor:
    """Frames [N,T,3,H,W] in [0,1] -> latents [N,C,T,H/8,W/8]."""
    n, count = frames.shape[:2]
    each = coder.encode(frames.flatten(0, 1)).float()
    return each.unflatten(0, (n, count)).transpose(1, 2).contiguous()


def loss(coder: Autoencoder, model: Generator, clips: Clips, shift: float) -> dict[str, Tensor]:
    """Mean squared error of v, most where a clip moves; training steps are drawn around 1000 sigmoid(shift)."""
    x0 = latents(coder, clips.frames)
    t = diffusion.draw_steps(x0.shape[0], shift)
    noise = torch.randn_like(x0)
    v = model.clip(diffusion.add_noise(x0, noise, t), t, condition(model, clips))
    error = (v.float() - diffusion.velocity(x0, noise, t)).square()
    weight = t2i.where_changed(x0, x0[:, :, :1], MOVING)
    return {"clip": (error * weight).mean(), "plain": error.mean().detach()}
