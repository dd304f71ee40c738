"""Trains the spatial layers and the text encoder on captioned images: what joint training starts from.

First frames of 64 pixels at any time, which cost a quarter of the work and teach words, colours and outlines; then
pictures of 128 pixels at t = 0, as the reference image must be, with a third of the steps still at 64, so that the
spatial layers keep the keyframes' size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magicvideo import weights
from magicvideo.models import diffusion
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator
from magicvideo.models.text import token_ids
from magicvideo.models.verifier import Verifier
from magicvideo.train import data
from magicvideo.train.loop import FOLDER, Training
from magicvideo.world import Scene, caption
from magicvideo.world.render import backdrop

SMALL_STEPS, STEPS = 1800, 1500
SMALL_BATCH, BATCH = 128, 40
SMALL_SHARE = 0.33
"""Share of small pictures in the second phase."""
DROP_TEXT = 0.1
SHAPE = 6.0
"""How much more the error counts where the shape is: a twentieth of the latents, and what words say most about."""
PART = "t2i"
"""Kept under `training/` only: what ships is the generator that joint training makes of it."""


@dataclass(frozen=True)
class Pictures:
    images: Tensor
    """float32 [N,3,S,S] in [0,1]"""
    empty: Tensor
    """the same backgrounds without the shape"""
    ids: Tensor
    """int64 [N,24]"""


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Train and write `t2i` (text and spatial layers) under `training/t2i`."""
    coder, model = load_autoencoder(), Generator()
    freeze_all_but(model, ("text.", "spatial."))
    phases = [
        Training(f"{PART}-small", model, steps or SMALL_STEPS, 1e-3, small, lambda b: loss(coder, model, b), decay=0.0),
        Training(PART, model, steps or STEPS, 1e-3, batch, lambda b: loss(coder, model, b), seed=1, decay=0.6),
    ]
    for phase in phases:
        phase.run(resume)
    torch.save(model.weights(), FOLDER / PART / "generator.pt")
    seconds = round(sum(phase.seconds for phase in phases))
    return {"steps": [phase.steps for phase in phases], "seconds": seconds, "figures": {}}


def load_autoencoder() -> Autoencoder:
    """The trained autoencoder, frozen."""
    coder = Autoencoder().to(memory_format=torch.channels_last)
    coder.load_state_dict(weights.load("autoencoder"))
    return coder.eval().requires_grad_(False)


def load_generator() -> Generator:
    """The jointly trained generator, frozen."""
    model = Generator()
    model.load_weights(weights.load("generator"))
    return model.eval().requires_grad_(False)


def load_verifier() -> Verifier:
    """The trained verifier, frozen."""
    judge = Verifier()
    judge.load_state_dict(weights.load("verifier"))
    return judge.eval().requires_grad_(False)


def freeze_all_but(model: torch.nn.Module, prefixes: tuple[str, ...]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefixes) and ".processor." not in name)


def batch(rng: np.random.Generator) -> Pictures:
    """Pictures of 128 pixels, or some of 64, with paraphrased captions; some captions are left empty for guidance."""
    if rng.uniform() < SMALL_SHARE:
        return small(rng)
    scenes = data.scenes(rng, BATCH)
    return pictures(scenes, [0.0] * BATCH, 128, rng)


def small(rng: np.random.Generator) -> Pictures:
    """Single frames of 64 pixels at any time."""
    scenes = data.scenes(rng, SMALL_BATCH)
    return pictures(scenes, list(rng.uniform(0, 1, SMALL_BATCH)), 64, rng)


def pictures(scenes: list[Scene], times: list[float], size: int, rng: np.random.Generator) -> Pictures:
    """One frame a scene at its own time, with paraphrased captions, some of them empty."""
    empty = torch.from_numpy(np.stack([backdrop(scene, size) for scene in scenes]))
    return Pictures(data.images(scenes, times, size), empty, token_ids(captions(scenes, rng)))


def captions(scenes: list[Scene], rng: np.random.Generator, silent: float = DROP_TEXT) -> list[str]:
    """Paraphrases, a share of them empty."""
    return ["" if rng.uniform() < silent else caption(s, rng) for s in scenes]


def loss(coder: Autoencoder, model: Generator, pictures: Pictures) -> dict[str, Tensor]:
    """Mean squared error of v on the pictures' latents, most where the shape is."""
    with torch.no_grad():
        x0 = coder.encode(pictures.images).float()
        weight = where_changed(x0, coder.encode(pictures.empty).float(), SHAPE)
    t = diffusion.draw_steps(x0.shape[0])
    noise = torch.randn_like(x0)
    v = model.image(diffusion.add_noise(x0, noise, t), t, Condition(model.text(pictures.ids)))
    error = (v.float() - diffusion.velocity(x0, noise, t)).square()
    return {"image": (error * weight).mean(), "image_plain": error.mean().detach()}


def where_changed(x0: Tensor, before: Tensor, more: float) -> Tensor:
    """Weights [N,1,...] of mean 1 for latents [N,C,...]: up to `1 + more` times where they leave `before`, 1 elsewhere.

    Most of a picture is background, and most of a clip what its reference already tells.
    """
    change = (x0 - before).square().mean(1, keepdim=True)
    weight = 1 + more * change / (change + 0.5)
    return weight / weight.flatten(1).mean(1).view(-1, *[1] * (x0.ndim - 1))
