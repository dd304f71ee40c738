"""Trains the spatial layers and the text encoder on captioned images: what joint training starts from.

Pictures of 128 pixels show t = 0, as the reference image must; a fifth of the steps shows single frames of 64 pixels at
any time, so that the spatial layers know the keyframes' size too.
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
from magicvideo.train import data
from magicvideo.train.loop import Training
from magicvideo.world import caption

STEPS = 1900
DROP_TEXT = 0.1
PART = "t2i"
"""Kept under `training/` only: what ships is the generator that joint training makes of it."""


@dataclass(frozen=True)
class Pictures:
    images: Tensor
    """float32 [N,3,S,S] in [0,1]"""
    ids: Tensor
    """int64 [N,24]"""


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Train and write `t2i` (text and spatial layers) under `training/t2i`."""
    coder, model = load_autoencoder(), Generator()
    freeze_all_but(model, ("text.", "spatial."))
    training = Training(PART, model, steps or STEPS, 1e-3, batch, lambda b: loss(coder, model, b))
    training.run(resume)
    torch.save(model.weights(), training.folder / PART / "generator.pt")
    return {"steps": training.steps, "seconds": round(training.seconds), "figures": {}}


def load_autoencoder() -> Autoencoder:
    """The trained autoencoder, frozen."""
    coder = Autoencoder().to(memory_format=torch.channels_last)
    coder.load_state_dict(weights.load("autoencoder"))
    return coder.eval().requires_grad_(False)


def freeze_all_but(model: torch.nn.Module, prefixes: tuple[str, ...]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(prefixes) and ".processor." not in name)


def batch(rng: np.random.Generator) -> Pictures:
    """Images with paraphrased captions; some captions are left empty for guidance."""
    size, count = (64, 64) if rng.uniform() < 0.2 else (128, 32)
    scenes = data.scenes(rng, count)
    times = np.zeros(count) if size == 128 else rng.uniform(0, 1, count)
    return Pictures(data.images(scenes, list(times), size), token_ids(captions(scenes, rng)))


def captions(scenes: list[Any], rng: np.random.Generator) -> list[str]:
    """Paraphrases, a share of them empty."""
    return ["" if rng.uniform() < DROP_TEXT else caption(s, rng) for s in scenes]


def loss(coder: Autoencoder, model: Generator, pictures: Pictures) -> dict[str, Tensor]:
    """Mean squared error of v on the pictures' latents."""
    with torch.no_grad():
        x0 = coder.encode(pictures.images).float()
    t = diffusion.draw_steps(x0.shape[0])
    noise = torch.randn_like(x0)
    v = model.image(diffusion.add_noise(x0, noise, t), t, Condition(model.text(pictures.ids)))
    return {"image": (v.float() - diffusion.velocity(x0, noise, t)).square().mean()}
