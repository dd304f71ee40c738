"""Joint image-video training of the keyframe generator, and the same without images.

Video steps show poor clips (blurred, compressed) of 64 pixels from only part of the (shape, colour) pairs; image steps
show all trained pairs, clean, most of them at 128 pixels. The second checkpoint sees as many video steps and no images,
all else equal. Each goes by rounds of a warm-up and a decay: a round can be added to what is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from magicvideo import weights
from magicvideo.errors import InputError
from magicvideo.models import diffusion
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator, dropped
from magicvideo.models.text import token_ids
from magicvideo.train import data, t2i
from magicvideo.train.loop import FOLDER, Training
from magicvideo.train.poor import poor
from magicvideo.world import Scene, in_video_data, render


@dataclass(frozen=True)
class Round:
    """One training with its own warm-up and decay, from where the last one ended."""

    video_steps: int
    lr: float
    muon_lr: float
    images: float = 1 / 3
    """Share of the steps that show pictures, in joint training."""
    shift: float = 1.2
    """Clips are trained at higher noise than pictures: frames share what they show, and motion is decided early."""
    turning: float = 1.0
    """How many times as often as others clips show a motion that turns: a circle, a bounce."""


ROUNDS = (
    Round(1500, 8e-4, 0.02),
    Round(1600, 4e-4, 0.01),
    Round(1000, 4e-4, 0.01),
    Round(600, 6e-4, 0.015, images=2 / 3),
    Round(1000, 6e-4, 0.015, images=1 / 2, shift=1.6, turning=3.0),
)
TURNING = ("circle", "bounce")
CLIPS, FRAMES, SIZE = 12, 8, 64
MOVING = 4.0
"""How much more the error counts where a clip's latents leave its first frame's."""
DROP = 0.12
"""Share of clips trained without appearance tokens, and of clips without control."""


@dataclass(frozen=True)
class Clips:
    frames: Tensor
    """float32 [N,T,3,64,64] in [0,1]; frame 0 is the reference"""
    ids: Tensor
    """int64 [N,24]"""


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Joint training from T2I's weights; writes `generator`. `steps` counts video steps, of one round."""
    return _train("generator", resume, steps)


def train_video_only(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """As many video steps from the same start without images; writes `generator-video-only`."""
    return _train("generator-video-only", resume, steps)


def _train(part: Literal["generator", "generator-video-only"], resume: bool, steps: int | None) -> dict[str, Any]:
    coder, model = t2i.load_autoencoder(), Generator()
    start = FOLDER / t2i.PART / "generator.pt"
    if not start.exists():
        raise InputError(f"{start} is missing: joint training starts from T2I; run `magicvideo train t2i` first")
    model.load_weights(torch.load(start, weights_only=True))
    rounds = ROUNDS if steps is None else (replace(ROUNDS[0], video_steps=steps),)
    taken, seconds = list[int](), 0.0
    for number, each in enumerate(rounds, 1):
        images = each.images if part == "generator" else 0.0
        training = round_of(coder, model, f"{part}-{number}", each, images, seed=1 + number)
        training.run(resume)
        taken.append(training.steps)
        seconds += training.seconds
    recipe = {
        "data": "world clips 8x64x64, blurred and compressed, of 32 (shape, colour) pairs"
        + (", images 128x128 of 56 pairs" if part == "generator" else ", no images"),
        "from": "t2i",
        "steps": taken,
        "batch": CLIPS,
        "seconds": round(seconds),
        "seed": 2,
    }
    weights.save(part, model.weights(), recipe, {})
    return {"steps": taken, "seconds": recipe["seconds"], "figures": {}}


def round_of(coder: Autoencoder, model: Generator, name: str, each: Round, images: float, seed: int) -> Training:
    """One round of `model`, of as many video steps as `each` says and image steps up to that share of all."""
    return Training(
        name,
        model,
        round(each.video_steps / (1 - images)),
        each.lr,
        lambda rng: t2i.batch(rng) if rng.uniform() < images else clip_batch(rng, each.turning),
        lambda b: loss(coder, model, b, each.shift),
        seed=seed,
        muon_lr=each.muon_lr,
    )


def loss(coder: Autoencoder, model: Generator, batch: Clips | t2i.Pictures, shift: float) -> dict[str, Tensor]:
    """The image loss for pictures, the clip loss for clips, whose steps are drawn around 1000 sigmoid(shift)."""
    if isinstance(batch, t2i.Pictures):
        return t2i.loss(coder, model, batch)
    x0 = clip_latents(coder, batch.frames)
    t = diffusion.draw_steps(x0.shape[0], shift)
    noise = torch.randn_like(x0)
    reference = batch.frames[:, 0]
    condition = Condition(model.text(batch.ids), model.appearance(reference), model.control(reference))
    keep = torch.rand(2, x0.shape[0]) >= DROP
    v = model.clip(diffusion.add_noise(x0, noise, t), t, dropped(condition, keep[0], keep[1]))
    error = (v.float() - diffusion.velocity(x0, noise, t)).square()
    return {"clip": (error * t2i.where_changed(x0, x0[:, :, :1], MOVING)).mean(), "plain": error.mean().detach()}


@torch.no_grad()
def clip_latents(coder: Autoencoder, frames: Tensor) -> Tensor:
    """Frames [N,T,3,H,W] in [0,1] -> latents [N,C,T,H/8,W/8]."""
    n, count = frames.shape[:2]
    latents = coder.encode(frames.flatten(0, 1)).float()
    return latents.unflatten(0, (n, count)).transpose(1, 2).contiguous()


def clip_batch(rng: np.random.Generator, turning: float = 1.0) -> Clips:
    """Poor clips of the pairs that training videos show, with paraphrased captions; `turning` as in `Round`."""
    scenes = list[Scene]()
    while len(scenes) < CLIPS:
        scene = data.scenes(rng, 1)[0]
        rare = turning > 1 and scene.motion not in TURNING and rng.uniform() >= 1 / turning
        if in_video_data(scene.shape, scene.colour) and not rare:
            scenes.append(scene)
    times = np.linspace(0, 1, FRAMES)
    frames = np.stack([poor(render(s, times, SIZE), rng) for s in scenes])
    return Clips(torch.from_numpy(frames), token_ids(t2i.captions(scenes, rng)))
