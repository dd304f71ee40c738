"""Trains the autoencoder through noisy latents, then its decoder alone with little noise.

The first phase shapes the latent space (noise up to 0.7 of its standard deviation); the second wins back sharpness with
the encoder frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magicvideo import weights
from magicvideo.models.autoencoder import Autoencoder, noisy
from magicvideo.train import data
from magicvideo.train.loop import Training

STEPS = 1500
TUNE = 2000
NOISE, TUNE_NOISE = 0.7, 0.1
SMALL_SHARE, TUNE_SMALL_SHARE = 0.6, 0.7
"""Share of the steps that show pictures of 64 pixels, the others of 128."""


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Both phases; writes `autoencoder` with its held-out PSNR at 64 and 128 pixels."""
    model = Autoencoder().to(memory_format=torch.channels_last)
    first = Training(
        "autoencoder", model, steps or STEPS, 1e-3, batches(SMALL_SHARE), lambda b: _loss(model, b, NOISE), ema=0.995
    )
    first.run(resume)
    for part in (model.encoder, model.standardise):
        part.requires_grad_(False)
    tuned = steps or TUNE

    def tune_loss(batch: Tensor) -> dict[str, Tensor]:
        model.standardise.eval()
        return _loss(model, batch, TUNE_NOISE)

    shown = batches(TUNE_SMALL_SHARE)
    second = Training("autoencoder-decoder", model, tuned, 3e-4, shown, tune_loss, seed=1, ema=0.995, muon_lr=0.01)
    second.run(resume)
    figures = measure(model)
    recipe = {
        "data": "world images 64 and 128, train split, seeds 0 and 1",
        "steps": [first.steps, second.steps],
        "seconds": round(first.seconds + second.seconds),
        "noise": [NOISE, TUNE_NOISE],
        "decoder": f"alone in the last {second.steps} steps",
    }
    weights.save("autoencoder", model.state_dict(), recipe, figures)
    return {"steps": first.steps + second.steps, "seconds": recipe["seconds"], "figures": figures}


@torch.no_grad()
def measure(model: Autoencoder, count: int = 300) -> dict[str, Any]:
    """Held-out PSNR in dB, plain and textured scenes apart, at both sizes."""
    scenes = data.held_out(count)
    times = np.linspace(0, 1, count)
    textured = torch.tensor([s.texture == "ribbed" for s in scenes])
    figures: dict[str, Any] = {}
    for size in (64, 128):
        truth = data.images(scenes, list(times), size)
        back = torch.cat([model.decode(model.encode(x)) for x in truth.split(50)])
        values = data.psnr(back, truth)
        figures[f"psnr_{size}_plain"] = data.mean_interval(values[~textured])
        figures[f"psnr_{size}_textured"] = data.mean_interval(values[textured])
    return figures


def batches(small: float) -> Callable[[np.random.Generator], Tensor]:
    """A function that draws a batch: 64 pictures of 64 pixels with probability `small`, else 16 of 128."""

    def batch(rng: np.random.Generator) -> Tensor:
        size, count = (64, 64) if rng.uniform() < small else (128, 16)
        return data.images(data.scenes(rng, count), list(rng.uniform(0, 1, count)), size)

    return batch


def _loss(model: Autoencoder, images: Tensor, noise: float) -> dict[str, Tensor]:
    back = model.decode(noisy(model.encode(images), noise)).float()
    return {"mse": 20 * (back - images).square().mean(), "l1": 0.2 * (back - images).abs().mean()}
