"""Trains the pocket video encoder to tell a clip's attributes, its motion and planted damage from one embedding.

Lengths vary as the pipeline's do: keyframes alone, and interpolated clips.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evals.backbones.frames import SIDE, even_indices
from evals.backbones.reader import ATTRIBUTES
from evals.backbones.trunk import fold
from evals.backbones.video import DIM, FRAMES, VideoNet, prepare
from evals.distances import frechet_rows
from evals.train.common import as_shipped, held_out_scenes, labels, looked_at, share
from evals.train.degrade import TEMPORAL, Array, damage
from magicvideo import weights
from magicvideo.clip import VideoClip, from_floats
from magicvideo.train.loop import Training
from magicvideo.world import Scene, render, sample_scene

STEPS = 340
BATCH = 24
LENGTHS = (8, 16, 22, 32, 94)
REFERENCE = 512
"""Clips of the reference set."""
MEASURED = 128
"""Clips on each side of a measured distance."""
IGNORED = -100
KEPT = ("embed.weight", "embed.bias")
"""Stored in float32, so that the embedding can be scaled without rounding it anew."""
Moments = tuple[Tensor, Tensor]


class Told(nn.Module):
    """The encoder with a linear answer to each question; the answers are needed for training only."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = VideoNet(training_form=True)
        answers = {**{name: len(known) for name, known in ATTRIBUTES.items()}, "damage": len(TEMPORAL)}
        self.answers = nn.ModuleDict({name: nn.Linear(DIM, count) for name, count in answers.items()})

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        embedding = self.encoder(clips)
        return {name: answer(embedding) for name, answer in self.answers.items()}


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Write `video`: the encoder scaled to its reference set, that set's moments, and held-out figures."""
    told = Told()
    training = Training("video", told, steps or STEPS, 2e-3, batch, lambda b: loss(told, b), ema=0.99)
    training.run(resume)
    encoder = told.encoder
    fold(encoder)
    as_shipped(encoder, KEPT)
    figures = measure_answers(told)
    mean, cov = scaled_reference(encoder)
    figures |= {**measure_distances(encoder), "reference_n": REFERENCE}
    recipe = {
        "data": "world clips at 64, train split, seed 0; damage of evals.train.degrade.damage",
        "reference": "renders of 22 frames at 128, all combinations",
        "steps": training.steps,
        "seconds": round(training.seconds),
        "batch": BATCH,
    }
    state = {**encoder.state_dict(), "reference.mean": mean, "reference.cov": cov}
    weights.save("video", state, recipe, figures, keep=("reference.mean", "reference.cov", *KEPT))
    return {"steps": training.steps, "seconds": recipe["seconds"], "figures": figures}


def batch(rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Clips float32 [24,3,16,64,64] and labels [24] of attributes and damage.

    Motion is not asked (`IGNORED`) where shuffling or freezing destroyed it; neither is planted where nothing moves.
    """
    scenes = [sample_scene(rng, "train") for _ in range(BATCH)]
    target = {name: labels([getattr(s, name) for s in scenes], known) for name, known in ATTRIBUTES.items()}
    target["damage"] = torch.zeros(BATCH, dtype=torch.long)
    clips = []
    for i, scene in enumerate(scenes):
        kind = draw_damage(rng, scene)
        if kind in ("shuffle", "freeze"):
            target["motion"][i] = IGNORED
        target["damage"][i] = TEMPORAL.index(kind)
        clips.append(sampled(scene, kind, rng.uniform(0.3, 1), int(rng.choice(LENGTHS)), rng))
    return torch.from_numpy(np.stack(clips)).transpose(1, 2).contiguous(), target


def draw_damage(rng: np.random.Generator, scene: Scene) -> str:
    """A kind of damage that can be seen in this scene; none in three of ten."""
    if rng.uniform() < 0.3:
        return "clean"
    unseen = ("clean", "shuffle", "freeze") if scene.motion == "still" else ("clean",)
    return str(rng.choice([kind for kind in TEMPORAL if kind not in unseen]))


def sampled(scene: Scene, kind: str, severity: float, length: int, rng: np.random.Generator) -> Array:
    """[16,3,64,64]: a clip of `length` frames with planted damage, looked at as `PocketVideo` looks.

    A longer clip is damaged after sampling, which is the same kind of damage at the sampled rate.
    """
    short = min(length, FRAMES)
    times = even_indices(length, short) / (length - 1)
    frames = damage(render(scene, times, SIDE), kind, severity, rng)
    return frames[even_indices(short, FRAMES)]


def loss(told: nn.Module, drawn: tuple[Tensor, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Cross-entropy of each question; damage and motion told right as curves."""
    clips, target = drawn
    logits = {name: value.float() for name, value in told(clips).items()}
    terms = {name: F.cross_entropy(logits[name], target[name]) for name in logits}
    right = {f"{n}_right": (logits[n].argmax(1) == target[n]).float().mean() for n in ("motion", "damage")}
    return {**terms, **right}


def scaled_reference(encoder: VideoNet, count: int = REFERENCE) -> Moments:
    """Mean [96] and covariance [96,96] (N-1), float32, of rendered clips of 22 frames at 128.

    The embedding is scaled, in place, so that this covariance has trace 96.
    """
    rng = np.random.default_rng(70_000)
    clips = (looked_at(sample_scene(rng, "all"), 22, FRAMES, 128) for _ in range(count))
    points = embed(encoder, clips).astype(np.float64)
    mean, cov = points.mean(0), np.cov(points, rowvar=False)
    scale = float(DIM / np.trace(cov)) ** 0.5
    with torch.no_grad():
        for parameter in encoder.embed.parameters():
            parameter.mul_(scale)
    return torch.from_numpy(mean * scale).float(), torch.from_numpy(cov * scale**2).float()


@torch.inference_mode()
def embed(encoder: nn.Module, clips: Iterable[VideoClip]) -> Array:
    """[N,96], one forward pass a clip."""
    return np.stack([encoder(prepare(clip)[None])[0].numpy() for clip in clips])


@torch.inference_mode()
def measure_answers(told: Told, count: int = 256) -> dict[str, Any]:
    """Share of questions answered right on held-out pairs, by linear answers on the embedding."""
    rng = np.random.default_rng(80_000)
    right: dict[str, list[bool]] = {name: [] for name in (*ATTRIBUTES, "damage")}
    for scene in held_out_scenes(count):
        kind = draw_damage(rng, scene)
        frames = sampled(scene, kind, rng.uniform(0.3, 1), int(rng.choice(LENGTHS)), rng)
        logits = told(torch.from_numpy(frames).transpose(0, 1)[None])
        for name, known in {**ATTRIBUTES, "damage": TEMPORAL}.items():
            truth = kind if name == "damage" else getattr(scene, name)
            if name != "motion" or kind not in ("shuffle", "freeze"):
                right[name].append(known[int(logits[name][0].argmax())] == truth)
    return {f"told_{name}": share(np.asarray(hits)) for name, hits in right.items()}


def measure_distances(encoder: VideoNet, count: int = MEASURED) -> dict[str, Any]:
    """Frechet distance of `count` held-out clips of 16 frames to `count` others, clean and with each damage at 0.7."""
    rng = np.random.default_rng(90_000)
    scenes = [s for s in held_out_scenes(4 * count, seed=90_001) if s.motion != "still"]
    real = embed(encoder, [looked_at(scene, FRAMES, FRAMES, SIDE) for scene in scenes[:count]])
    mean, cov = real.mean(0), np.cov(real, rowvar=False)
    figures: dict[str, Any] = {}
    for kind in TEMPORAL:
        frames = [
            damage(looked_at(s, FRAMES, FRAMES, SIDE).floats(), kind, 0.7, rng) for s in scenes[count : 2 * count]
        ]
        other = embed(encoder, [from_floats(f, 8.0) for f in frames])
        figures[f"frechet_{kind}"] = {"value": round(frechet_rows(other, mean, cov), 3), "n": count}
    return figures
