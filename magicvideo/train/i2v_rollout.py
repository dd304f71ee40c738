"""The last phase of both keyframe generators: whole clips drawn as in use, their path compared with the true one.

A reference and a caption leave little of a path open in this world, yet a generator that only learned to take noise off
true clips strays from it within few guided steps. So clips are drawn as I2V draws them, guided and in its default
number of steps, and the steps learn from where the shape is at the end (`rollout.py`).

Only moments are compared: where the shape is, how far it spreads, how much of it there is. The squared distance of all
latents gives better paths still, and blurs: where anything is open, the mean is nearest (EXPERIMENTS.md). What a clip
looks like is left to the ordinary loss, beside it.

Motion modules and ControlNet alone learn, since T2I and V2V stand on all else. Both checkpoints see the same clips; the
noise prior, appearance and control are each left out for some of them, so that no switch is favoured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magicvideo import noise_prior
from magicvideo.models import diffusion
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator
from magicvideo.models.text import token_ids
from magicvideo.stage_config import I2VConfig
from magicvideo.train import clips, rollout
from magicvideo.train.clips import Clips
from magicvideo.train.loop import Training

STEPS, DRAWN, TRUE = 300, 4, 8
TURNING, SHIFT = 3.0, 1.6
"""As in I2V's last round."""
STRAYED, SPREAD, SHARE = 2.0, 0.5, 0.5
"""Weights of the moments, which are shares of a frame's side or area."""
NO_PRIOR = 0.5
"""Share of clips that start from noise alone; the others from the default prior."""


@dataclass(frozen=True)
class Batch:
    drawn: Clips
    """what is to be drawn, from its first frame; all with captions"""
    true: Clips
    """what the ordinary loss sees"""


def training(coder: Autoencoder, model: Generator, part: str, steps: int | None, seed: int) -> Training:
    """The phase for `model`, of which all but motion modules and ControlNet is frozen here."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("control.") or "motion_modules" in name)
    return Training(
        f"{part}-rollout",
        model,
        steps or STEPS,
        2e-4,
        batch,
        lambda shown: loss(coder, model, shown),
        seed=seed,
        muon_lr=0.005,
        warmup=20,
        decay=0.7,
        ema=0.98,
    )


def batch(rng: np.random.Generator) -> Batch:
    return Batch(clips.sampled(rng, DRAWN, TURNING, silent=0.0), clips.sampled(rng, TRUE, TURNING))


def loss(coder: Autoencoder, model: Generator, shown: Batch) -> dict[str, Tensor]:
    """How far the moments of drawn clips are from the truth's, and the clip loss on other clips."""
    x0 = clips.latents(coder, shown.drawn.frames)
    empty = clips.latents(coder, shown.drawn.empty.unsqueeze(1))
    given, eps = clips.condition(model, shown.drawn), torch.randn_like(x0)
    shifted = noise_prior.mean_shift(eps, x0[:, :, 0], float(diffusion.ALPHAS_BAR[-1]), 1.0)
    start = torch.where((torch.rand(len(x0)) < NO_PRIOR).view(-1, 1, 1, 1, 1), eps, shifted)
    made, true = moments(draw(model, start, given, learning=True), empty), moments(x0, empty)
    strayed = (made.middle - true.middle).square().sum(-1).add(1e-6).sqrt().mean()
    return {
        "strayed": STRAYED * strayed,
        "spread": SPREAD * (made.spread - true.spread).abs().mean(),
        "share": SHARE * (made.share - true.share).abs().mean(),
        **clips.loss(coder, model, shown.true, SHIFT),
    }


@dataclass(frozen=True)
class Moments:
    """Of what is seen before the background, in each frame."""

    middle: Tensor
    """[N,T,2], x and y in shares of the side"""
    spread: Tensor
    """[N,T], root mean squared distance from the middle, in shares of the side"""
    share: Tensor
    """[N,T] in [0,1], the share of the frame"""


def moments(x: Tensor, empty: Tensor) -> Moments:
    """Moments of latents [N,C,T,h,w] by how far each pixel is from that of the empty scene [N,C,1,h,w]."""
    change = (x - empty).square().mean(1)
    seen = change / (change + 1)
    h, w = seen.shape[-2:]
    across, down = torch.meshgrid((torch.arange(w) + 0.5) / w, (torch.arange(h) + 0.5) / h, indexing="xy")
    places = torch.stack([across, down], -1).to(seen).flatten(0, 1)
    weight = seen.flatten(2) / (seen.flatten(2).sum(-1, keepdim=True) + 1e-6)
    middle = weight @ places
    around = (places - middle.unsqueeze(2)).square().sum(-1)
    return Moments(middle, (weight * around).sum(-1).add(1e-6).sqrt(), seen.mean((-2, -1)))


def draw(model: Generator, start: Tensor, given: Condition, learning: bool = False) -> Tensor:
    """Latents [N,C,T,h,w] of clips, drawn from `start` as I2V does by default."""
    config = I2VConfig()
    untold = Condition(model.text(token_ids([""] * len(start))), given.appearance, given.control)
    return rollout.draw(model.clip, start, given, untold, config.steps, config.guidance, learning)
