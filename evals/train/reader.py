"""Trains the pocket reader on renders and on mildly damaged ones (blur, noise, JPEG, rescaling), like generated clips.

A quarter of the clips have their colour channels exchanged and teach shape, background and motion only, so that a
shape is not told by the colours it was seen in. A few show one picture, as a reference image is read: they teach no
motion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evals.backbones.frames import SIDE, even_indices, square
from evals.backbones.reader import ATTRIBUTES, FRAMES, ReaderNet
from evals.backbones.trunk import fold
from evals.train.common import as_shipped, held_out_scenes, labels, looked_at, share
from evals.train.degrade import Array, soften
from magicvideo import weights
from magicvideo.train.loop import Training
from magicvideo.world import Scene, render, sample_scene

STEPS = 1800
BATCH = 32
LENGTHS = (8, 9, 12, 16, 22, 32, 64, 94)
EXCHANGED = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
PICTURES = 0.3
"""Share of clips that show a single picture."""
IGNORED = -100


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Write `reader` with its accuracies on held-out (shape, colour) pairs, clean and damaged."""
    network = ReaderNet(training_form=True).to(memory_format=torch.channels_last)
    training = Training("reader", network, steps or STEPS, 2e-3, batch, lambda b: loss(network, b), ema=0.99)
    training.run(resume)
    fold(network)
    as_shipped(network)
    figures = measure(network)
    recipe = {
        "data": "world clips at 64, train split, seed 0; damage of evals.train.degrade.soften",
        "steps": training.steps,
        "seconds": round(training.seconds),
        "batch": BATCH,
    }
    weights.save("reader", network.state_dict(), recipe, figures)
    return {"steps": training.steps, "seconds": recipe["seconds"], "figures": figures}


def batch(rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Clips float32 [32,8,3,64,64] and each attribute's labels [32]; a label that is not taught is `IGNORED`."""
    scenes = [sample_scene(rng, "train") for _ in range(BATCH)]
    clips = np.stack([render(scene, sampled_times(rng), SIDE) for scene in scenes])
    target = {name: labels([getattr(s, name) for s in scenes], known) for name, known in ATTRIBUTES.items()}
    for i in range(BATCH):
        if rng.uniform() < 0.25:
            clips[i] = clips[i][:, EXCHANGED[rng.integers(len(EXCHANGED))]]
            target["colour"][i] = IGNORED
        if rng.uniform() < PICTURES:
            clips[i] = clips[i][rng.integers(FRAMES)]
            target["motion"][i] = IGNORED
        clips[i] = soften(clips[i], rng)
    return torch.from_numpy(clips), target


def sampled_times(rng: np.random.Generator) -> Array:
    """Times [8] at which a clip of a drawn length is looked at, from a first to a last moment that vary a little."""
    length = int(rng.choice(LENGTHS))
    share_of_clip = even_indices(length, FRAMES) / (length - 1)
    first, last = rng.uniform(0, 0.06), rng.uniform(0.94, 1)
    return np.asarray(first + (last - first) * share_of_clip, np.float32)


def loss(network: nn.Module, drawn: tuple[Tensor, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Cross-entropy of each attribute; the share of clips with every attribute right as a curve."""
    clips, target = drawn
    logits = {name: value.float() for name, value in network(clips).items()}
    terms = {name: F.cross_entropy(logits[name], target[name]) for name in ATTRIBUTES}
    hits = [(logits[n].argmax(1) == target[n]) | (target[n] == IGNORED) for n in ATTRIBUTES]
    return {**terms, "right": torch.stack(hits).all(0).float().mean()}


def measure(network: nn.Module, count: int = 512) -> dict[str, Any]:
    """Share read right of each attribute on held-out pairs: clips of 22 frames at 128, and the same damaged."""
    rng = np.random.default_rng(30_000)
    scenes = held_out_scenes(count)
    figures: dict[str, Any] = {}
    for suffix, damaged in (("", False), ("_damaged", True)):
        right = {name: np.zeros(count, np.bool_) for name in ATTRIBUTES}
        for i, scene in enumerate(scenes):
            for name, value in _read(network, scene, rng if damaged else None).items():
                right[name][i] = value == getattr(scene, name)
        figures |= {name + suffix: share(hits) for name, hits in right.items()}
    return figures


@torch.inference_mode()
def _read(network: nn.Module, scene: Scene, rng: np.random.Generator | None) -> dict[str, str]:
    if rng is None:
        frames = square(looked_at(scene, 22, FRAMES, 128).frames)
    else:
        frames = soften(looked_at(scene, 22, FRAMES, SIDE).floats(), rng)
    logits = network(torch.from_numpy(frames)[None])
    return {name: known[int(logits[name][0].argmax())] for name, known in ATTRIBUTES.items()}
