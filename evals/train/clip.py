"""Trains the pocket CLIP contrastively on frames and captions, then fits its quality head.

A batch holds every (shape, colour, background) at most once, since two equal ones would be false opposites. Motion
cannot be seen in one frame: a part of the captions says nothing of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from evals.backbones.clip import PocketClipNet, Tokenizer
from evals.backbones.frames import SIDE, in_chunks
from evals.train.common import as_shipped, held_out_scenes, share
from evals.train.degrade import Array, draw_severities, quality, soften, spoil
from magicvideo import weights
from magicvideo.train.loop import Training
from magicvideo.world import MOTIONS, VOCABULARY, Scene, caption, render, sample_scene
from magicvideo.world.captions import MOTION_PHRASES, SPEED_WORDS
from magicvideo.world.scene import COMBINATIONS, TRAINED, scene_with

STEPS = 1200
BATCH = 128
QUALITY_FRAMES = 6000
RIDGE = 1e-2
KEPT = ("quality.weight", "quality.bias")
"""Stored in float32: a sum of a thousand terms."""
Batch = tuple[Tensor, Tensor]


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Write `clip` with its held-out retrieval and the rank correlation of its quality head."""
    tokenizer = Tokenizer(VOCABULARY)
    network = PocketClipNet(len(tokenizer))
    network.quality.requires_grad_(False)
    training = Training(
        "clip",
        network,
        steps or STEPS,
        1.5e-3,
        lambda rng: batch(rng, tokenizer),
        lambda b: loss(network, b),
        weight_decay=0.05,
        ema=0.99,
    )
    training.run(resume)
    as_shipped(network, KEPT)
    fit_quality(network)
    figures = {**measure_retrieval(network, tokenizer), **measure_quality(network)}
    recipe = {
        "data": "world frames at 64 and captions, train split, seed 0",
        "steps": training.steps,
        "seconds": round(training.seconds),
        "batch": BATCH,
        "quality": f"ridge {RIDGE} on {QUALITY_FRAMES} frames; 1 + 9 * product of (1 - severity)",
        "vocabulary": list(VOCABULARY),
    }
    weights.save("clip", network.state_dict(), recipe, figures, keep=KEPT)
    return {"steps": training.steps, "seconds": recipe["seconds"], "figures": figures}


def batch(rng: np.random.Generator, tokenizer: Tokenizer) -> Batch:
    """Frames float32 [128,3,64,64] and tokens [128,24] of different training combinations."""
    chosen = [TRAINED[i] for i in rng.choice(len(TRAINED), BATCH, replace=False)]
    scenes = [scene_with(rng, s, c, b, str(rng.choice(MOTIONS))) for s, c, b in chosen]
    frames = np.concatenate([soften(render(s, rng.uniform(0, 1, 1), SIDE), rng) for s in scenes])
    return torch.from_numpy(frames), tokenizer([words(s, rng) for s in scenes])


def words(scene: Scene, rng: np.random.Generator) -> str:
    """A paraphrase; three times in ten without what one frame cannot show, motion and speed."""
    text = caption(scene, rng)
    if rng.uniform() < 0.3:
        for phrase in (*MOTION_PHRASES[scene.motion], *SPEED_WORDS[scene.speed]):
            text = text.replace(f" {phrase}", "") if phrase else text
    return text


def loss(network: PocketClipNet, drawn: Batch) -> dict[str, Tensor]:
    """CLIP's symmetric cross-entropy (Radford 2021, figure 3); the share of captions found as a curve."""
    pictures, tokens = drawn
    image, text = network.image(pictures).float(), network.text(tokens).float()
    logits = network.clip.logit_scale.exp().clamp(max=100) * image @ text.T
    target = torch.arange(len(logits))
    term = 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
    return {"contrastive": term, "found": (logits.argmax(1) == target).float().mean()}


def fit_quality(network: PocketClipNet, count: int = QUALITY_FRAMES) -> None:
    """Fit the quality head by ridge regression on standardised features; written into `network.quality`."""
    frames, target = spoiled(np.random.default_rng(40_000), count, "train")
    x = in_chunks(network.statistics, frames).astype(np.float64)
    mean, spread = x.mean(0), x.std(0) + 1e-3
    z = (x - mean) / spread
    gram = z.T @ z / count + RIDGE * np.eye(z.shape[1])
    slope = np.linalg.solve(gram, z.T @ (target - target.mean()) / count) / spread
    with torch.no_grad():
        network.quality.weight.copy_(torch.from_numpy(slope)[None])
        network.quality.bias.copy_(torch.tensor([target.mean() - mean @ slope]))


def spoiled(rng: np.random.Generator, count: int, split: Any) -> tuple[Array, NDArray[np.float64]]:
    """`count` frames [N,3,64,64] with drawn damage, and the quality [N] in 1..10 that is left."""
    frames, target = [], []
    for _ in range(count):
        severities = draw_severities(rng)
        frame = render(sample_scene(rng, split), rng.uniform(0, 1, 1), SIDE)
        frames.append(spoil(frame, severities, rng))
        target.append(quality(severities))
    return np.concatenate(frames), np.asarray(target)


def measure_retrieval(network: PocketClipNet, tokenizer: Tokenizer, count: int = 512) -> dict[str, Any]:
    """Share of held-out frames nearest to the canonical caption of their own motion, shape, colour and background among
    all 256 captions of that motion; and the same for each attribute of the caption found."""
    rng = np.random.default_rng(50_000)
    scenes = held_out_scenes(count, seed=50_001)
    frames = np.concatenate([render(s, rng.uniform(0, 1, 1), SIDE) for s in scenes])
    image = in_chunks(network.image, frames)
    captions = {motion: _captions(network, tokenizer, motion) for motion in MOTIONS}
    found = [COMBINATIONS[int((captions[s.motion] @ x).argmax())] for s, x in zip(scenes, image, strict=True)]
    truth = [(s.shape, s.colour, s.background) for s in scenes]
    right = np.asarray(found) == np.asarray(truth)
    names = ("retrieval_shape", "retrieval_colour", "retrieval_background")
    return {"retrieval": share(right.all(1)), **{name: share(right[:, i]) for i, name in enumerate(names)}}


def measure_quality(network: PocketClipNet, count: int = 512) -> dict[str, Any]:
    """Spearman's rank correlation of predicted and planted quality on held-out frames."""
    frames, target = spoiled(np.random.default_rng(60_000), count, "held_out")
    predicted = in_chunks(network.both, frames)[:, -1]
    return {"quality_spearman": {"value": round(float(spearmanr(predicted, target).statistic), 4), "n": count}}


@torch.inference_mode()
def _captions(network: PocketClipNet, tokenizer: Tokenizer, motion: str) -> Array:
    """[256,128]: every combination's canonical caption, of medium size, normal speed and no texture."""
    plain = replace(held_out_scenes(1)[0], motion=motion, size="medium", speed="normal", texture="smooth")
    texts = [caption(replace(plain, shape=s, colour=c, background=b)) for s, c, b in COMBINATIONS]
    return np.asarray(network.text(tokenizer(texts)).numpy())
