"""Trains T2I's low-rank changes by what the verifier says of the pictures that T2I draws.

The generator learned to take noise off true pictures; what counts is the picture that few guided steps end at. So whole
pictures are drawn as in use, and the steps learn from the verifier's logit at the end, as diffusion models learn from
a differentiable reward (DRaFT: Clark et al. 2023, arXiv 2309.17400). No gradient goes through a step's input: through
all steps it grows without bound, and early steps could not learn (DRTune: Wu et al. 2024, arXiv 2405.00760).

A judge that is trained against is fooled in the end, here by ever lighter backgrounds. Against it: the logit counts no
more once it is what true pictures have, the picture is shifted and made noisy before it is looked at, true pictures are
learned beside it, and at large the picture must stay the one that the generator alone draws from the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import parametrize

from magicvideo import weights
from magicvideo.models import lora
from magicvideo.models.autoencoder import FACTOR, LATENT_CHANNELS, Autoencoder
from magicvideo.models.generator import Condition, Generator
from magicvideo.models.pocket import T2I_CHANGES
from magicvideo.models.text import token_ids
from magicvideo.models.verifier import BELIEVED, Verifier
from magicvideo.stage_config import T2IConfig
from magicvideo.train import data, rollout, t2i
from magicvideo.train.loop import Training
from magicvideo.world import caption

STEPS, RANK = 300, 4
PICTURES, TRUE_PICTURES = 8, 8
CONTENT = 4.0
"""About the logit of true pictures (its median is 4.4): beyond it there is little left to win."""
FAITHFUL, AT_LARGE = 4.0, 8
"""Weight of the squared distance to the generator's own picture, both averaged over so many latent pixels a side."""
SHIFT, NOISE = 2, 0.1
"""Latent pixels by which a drawn picture is shifted at most, and the noise on it, before it is judged."""


@dataclass(frozen=True)
class Batch:
    ids: Tensor
    """int64 [N,24], what is to be drawn"""
    true: t2i.Pictures


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Train and write `t2i-lora`, low-rank changes of `generator`'s spatial layers."""
    coder, judge = t2i.load_autoencoder(), t2i.load_verifier()
    plain, model = t2i.load_generator(), t2i.load_generator()
    torch.manual_seed(5)
    lora.attach(model.spatial, RANK)
    training = Training(
        T2I_CHANGES,
        model.spatial,
        steps or STEPS,
        1.5e-3,
        batch,
        lambda drawn: loss(coder, plain, model, judge, drawn),
        warmup=20,
        weight_decay=0.0,
        decay=0.7,
        ema=0.98,
        seed=5,
    )
    training.run(resume)
    figures = {"believed": measure(model, judge), "believed_without": measure(plain, judge)}
    recipe = {
        "data": "captions of all trained pairs; world pictures 128x128 beside them",
        "from": "generator, judged by verifier",
        "rank": RANK,
        "steps": training.steps,
        "batch": PICTURES,
        "seconds": round(training.seconds),
        "seed": 5,
    }
    weights.save(T2I_CHANGES, lora.changes(model.spatial), recipe, figures)
    return {"steps": training.steps, "seconds": recipe["seconds"], "figures": figures}


def batch(rng: np.random.Generator) -> Batch:
    """Captions to draw pictures for, and true pictures of other scenes."""
    scenes = data.scenes(rng, TRUE_PICTURES)
    return Batch(_ids(data.scenes(rng, PICTURES), rng), t2i.pictures(scenes, [0.0] * TRUE_PICTURES, 128, rng))


def loss(coder: Autoencoder, plain: Generator, model: Generator, judge: Verifier, drawn: Batch) -> dict[str, Tensor]:
    """What the judge misses in drawn pictures, how far they are from `plain`'s, and the image loss on true pictures."""
    noise = _noise(len(drawn.ids))
    with torch.no_grad():
        before = draw(plain, drawn.ids, noise)
    with parametrize.cached():  # a weight and its change are added once, not once a step
        made = draw(model, drawn.ids, noise, learning=True)
        true = t2i.loss(coder, model, drawn.true)
    logits = judge(_looked_at(made), drawn.ids).diagonal()
    return {
        "judged": F.softplus(CONTENT - logits).mean(),
        "far": FAITHFUL * F.avg_pool2d(made - before, AT_LARGE).square().mean(),
        **true,
        "logit": logits.mean().detach(),
    }


def draw(model: Generator, ids: Tensor, noise: Tensor, learning: bool = False) -> Tensor:
    """Latents [N,12,16,16] of pictures for the prompts, drawn from noise of that shape as T2I does by default."""
    config = T2IConfig()
    with torch.no_grad():
        told, untold = Condition(model.text(ids)), Condition(model.text(token_ids([""] * len(ids))))
    return rollout.draw(model.image, noise, told, untold, config.steps, config.guidance, learning)


def _looked_at(latents: Tensor) -> Tensor:
    """The pictures a little shifted, their borders repeated, and a little noisy."""
    h, w = latents.shape[-2:]
    wide = F.pad(latents, (SHIFT,) * 4, mode="replicate")
    y, x = (int(torch.randint(2 * SHIFT + 1, ())) for _ in range(2))
    return wide[..., y : y + h, x : x + w] + NOISE * torch.randn_like(latents)


@torch.no_grad()
def measure(model: Generator, judge: Verifier, count: int = 128, at_once: int = 32) -> dict[str, Any]:
    """The share of first pictures, of pairs that no training saw, that the judge believes."""
    rng, believed = np.random.default_rng(85_000), list[Tensor]()
    dice = torch.Generator().manual_seed(85_000)
    for _ in range(count // at_once):
        ids = _ids(data.scenes(rng, at_once, "held_out"), rng)
        noise = _noise(at_once, dice)
        with parametrize.cached():
            believed.append(judge(draw(model, ids, noise), ids).diagonal() > BELIEVED)
    return data.mean_interval(torch.cat(believed).float())


def _noise(count: int, dice: torch.Generator | None = None) -> Tensor:
    side = T2IConfig().size // FACTOR
    return torch.randn(count, LATENT_CHANNELS, side, side, generator=dice)


def _ids(scenes: list[Any], rng: np.random.Generator) -> Tensor:
    return token_ids([caption(scene, rng) for scene in scenes])
