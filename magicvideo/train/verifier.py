"""Trains the verifier of T2I's pictures on rendered pictures' latents and captions.

Captions lose some of their attributes at random, and every pair of a picture and a caption in a batch is labelled by
whether the picture has what the caption still names. So words must be judged one by one, which is what carries over to
pairs that training never shows. A part of the pictures is garbled, as T2I's failures are: bent so far that they have no
shape any more, while others are bent a little and keep it. Noise on the latents stands for what else sampling leaves
wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from magicvideo import weights
from magicvideo.models.autoencoder import noisy
from magicvideo.models.deformable import warp
from magicvideo.models.text import token_ids
from magicvideo.models.verifier import BELIEVED, Verifier
from magicvideo.train import data
from magicvideo.train.loop import Training
from magicvideo.train.t2i import load_autoencoder
from magicvideo.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, Scene, caption, scene_with
from magicvideo.world.captions import BACKGROUND_WORDS, COLOUR_WORDS, SHAPE_WORDS
from magicvideo.world.scene import TRAINED

PART = "verifier"
STEPS = 1900
BATCH = 128
NOISE = 0.6
POOL = 12_000
"""Pictures that are rendered and encoded once; a step draws from them."""
KEPT = 0.7
"""Probability that a caption still names an attribute."""
NAMES = {"shape": SHAPE_WORDS, "colour": COLOUR_WORDS, "background": BACKGROUND_WORDS}
GRID = 10
"""Places a side where the bending is drawn; between them it is smooth."""
BENT, GARBLED = (0.0, 1.2), (2.5, 6.0)
"""Pixels (of 128) by which places move, root mean square a direction: of pictures that keep their shape, and that lose
it. In between nobody can say."""
LOST = 0.25
"""Share of garbled pictures."""


@dataclass(frozen=True)
class Pool:
    """Scenes and their latents [N,12,16,16], float16; number i shows combination i mod len(TRAINED)."""

    scenes: list[Scene]
    latents: Tensor
    garbled: NDArray[np.bool_]
    """[N]: which show no shape"""


@dataclass(frozen=True)
class Batch:
    latents: Tensor
    """float32 [128,12,16,16]"""
    ids: Tensor
    """int64 [128,24]"""
    right: Tensor
    """float32 [128,128]: 1 where picture n has all that caption m names"""


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Write `verifier` with how many true pictures it believes, and how many of captions with one wrong word."""
    network = Verifier()
    pool = rendered(POOL if steps is None else len(TRAINED))
    training = Training(
        PART, network, steps or STEPS, 2e-3, lambda rng: batch(rng, pool), lambda b: loss(network, b), ema=0.99
    )
    training.run(resume)
    figures = measure(network)
    recipe = {
        "data": f"latents of {len(pool.scenes)} world pictures at 128, t = 0, train split, bent or garbled",
        "noise": NOISE,
        "steps": training.steps,
        "seconds": round(training.seconds),
        "batch": BATCH,
    }
    weights.save(PART, network.state_dict(), recipe, figures)
    return {"steps": training.steps, "seconds": recipe["seconds"], "figures": figures}


@torch.no_grad()
def rendered(count: int, seed: int = 70_000) -> Pool:
    """A pool of training combinations in turn."""
    rng, coder = np.random.default_rng(seed), load_autoencoder()
    chosen = [TRAINED[i % len(TRAINED)] for i in range(count)]
    scenes = [scene_with(rng, *combination, str(rng.choice(MOTIONS))) for combination in chosen]
    garbled = rng.uniform(size=count) < LOST
    far = np.where(garbled, rng.uniform(*GARBLED, count), rng.uniform(*BENT, count))
    latents = []
    for i in range(0, count, 100):
        images = data.images(scenes[i : i + 100], [0.0] * len(scenes[i : i + 100]), 128)
        latents.append(coder.encode(bent(images, far[i : i + 100], rng)).half())
    return Pool(scenes, torch.cat(latents), garbled)


def bent(images: Tensor, pixels: NDArray[np.float64], rng: np.random.Generator) -> Tensor:
    """Images [N,3,S,S] whose places move smoothly by about `pixels` [N], of 128 a side, each way."""
    count, side = images.shape[0], images.shape[-1]
    drawn = torch.from_numpy(rng.standard_normal((count, 2, GRID, GRID), dtype=np.float32))
    field = F.interpolate(drawn, size=(side, side), mode="bicubic", align_corners=True)
    field = field / field.square().mean((1, 2, 3), keepdim=True).sqrt()
    far = torch.from_numpy(pixels).float().view(-1, 1, 1, 1) * side / 128
    return warp(images, field.flip(1) * far, outside="reflection")


def batch(rng: np.random.Generator, pool: Pool) -> Batch:
    """Pictures of different combinations, with captions of their own that name some of the attributes."""
    turns = len(pool.scenes) // len(TRAINED)
    chosen = rng.choice(len(TRAINED), BATCH, replace=False) + len(TRAINED) * rng.integers(0, turns, BATCH)
    scenes = [pool.scenes[n] for n in chosen]
    named = rng.uniform(size=(BATCH, len(NAMES))) < KEPT
    texts = [partial(caption(s, rng), kept) for s, kept in zip(scenes, named, strict=True)]
    right = torch.from_numpy(holds(scenes, named, pool.garbled[chosen]))
    return Batch(pool.latents[chosen].float(), token_ids(texts), right)


def partial(text: str, kept: NDArray[np.bool_]) -> str:
    """A caption without the words of the attributes that are not kept."""
    left_out = {
        word for words, keep in zip(NAMES.values(), kept, strict=True) if not keep for w in words.values() for word in w
    }
    return " ".join(word for word in text.split() if word not in left_out)


def holds(scenes: list[Scene], named: NDArray[np.bool_], garbled: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[N,N]: whether picture n has what caption m names: of scene m's attributes those where `named` [N,3].

    A garbled picture [N] has its scene's colour and background, and no shape.
    """
    told = np.asarray([[getattr(s, name) for name in NAMES] for s in scenes])
    shown = told.copy()
    shown[garbled, list(NAMES).index("shape")] = ""
    return ((shown[:, None] == told[None]) | ~named[None]).all(-1).astype(np.float32)


def loss(network: Verifier, drawn: Batch) -> dict[str, Tensor]:
    """SigLIP's loss, a picture's terms summed; how many of the labels are told rightly as curves."""
    logits = network(noisy(drawn.latents, NOISE), drawn.ids).float()
    term = F.binary_cross_entropy_with_logits(logits, drawn.right, reduction="sum") / len(logits)
    believed = (logits.detach() > BELIEVED).float()
    found = (believed * drawn.right).sum() / drawn.right.sum()
    sure = (believed * drawn.right).sum() / believed.sum().clamp_min(1)
    return {"sigmoid": term, "recall": found, "precision": sure}


@torch.no_grad()
def measure(network: Verifier, count: int = 512) -> dict[str, Any]:
    """Shares of held-out pictures believed with their caption, and doubted with a caption that is wrong in one word.

    Pictures are of pairs that no training saw, encoded and not noisy; the wrong word is drawn.
    """
    coder, rng = load_autoencoder(), np.random.default_rng(80_000)
    scenes = data.held_out(count, 80_001, "held_out")
    latents = torch.cat([coder.encode(data.images(scenes[i : i + 64], [0.0] * 64, 128)) for i in range(0, count, 64)])
    believed = _logits(network, latents, scenes) > BELIEVED
    figures = {"believed": data.mean_interval(believed.float())}
    wrong = {
        "shape": [replace(s, shape=_another(s.shape, SHAPES, rng)) for s in scenes],
        "colour": [replace(s, colour=_another(s.colour, COLOURS, rng)) for s in scenes],
        "background": [replace(s, background=_another(s.background, BACKGROUNDS, rng)) for s in scenes],
    }
    for what, told in wrong.items():
        figures[f"doubted_{what}"] = data.mean_interval((_logits(network, latents, told) <= BELIEVED).float())
    return figures


def _another(word: str, words: tuple[str, ...], rng: np.random.Generator) -> str:
    return str(rng.choice([w for w in words if w != word]))


def _logits(network: Verifier, latents: Tensor, told: list[Scene]) -> Tensor:
    """[N]: each picture with the caption of its own line."""
    return network(latents, token_ids([caption(scene) for scene in told])).diagonal()
