"""Joint image-video training of the keyframe generator, and the same without images.

Video steps show poor clips (blurred, compressed) of 64 pixels from only part of the (shape, colour) pairs; image steps
show all trained pairs, clean, most of them at 128 pixels. The second checkpoint sees as many video steps and no images,
all else equal. Each goes by rounds of a warm-up and a decay: a round can be added to what is there. Last, both learn
from clips drawn as in use (`i2v_rollout.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from magicvideo import weights
from magicvideo.errors import InputError
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Generator
from magicvideo.train import clips, i2v_rollout, t2i
from magicvideo.train.clips import Clips
from magicvideo.train.loop import FOLDER, Training


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
CLIPS = 12


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
    phase = i2v_rollout.training(coder, model, part, steps, seed=7)
    phase.run(resume)
    recipe = {
        "data": "world clips 8x64x64, blurred and compressed, of 32 (shape, colour) pairs"
        + (", images 128x128 of 56 pairs" if part == "generator" else ", no images"),
        "from": "t2i",
        "steps": [*taken, phase.steps],
        "batch": [CLIPS, i2v_rollout.DRAWN],
        "seconds": round(seconds + phase.seconds),
        "seed": 2,
    }
    weights.save(part, model.weights(), recipe, {})
    return {"steps": recipe["steps"], "seconds": recipe["seconds"], "figures": {}}


def round_of(coder: Autoencoder, model: Generator, name: str, each: Round, images: float, seed: int) -> Training:
    """One round of `model`, of as many video steps as `each` says and image steps up to that share of all."""
    return Training(
        name,
        model,
        round(each.video_steps / (1 - images)),
        each.lr,
        lambda rng: t2i.batch(rng) if rng.uniform() < images else clips.sampled(rng, CLIPS, each.turning),
        lambda b: loss(coder, model, b, each.shift),
        seed=seed,
        muon_lr=each.muon_lr,
    )


def loss(coder: Autoencoder, model: Generator, batch: Clips | t2i.Pictures, shift: float) -> dict[str, Tensor]:
    """The image loss for pictures, the clip loss for clips."""
    if isinstance(batch, t2i.Pictures):
        return t2i.loss(coder, model, batch)
    return clips.loss(coder, model, batch, shift)
