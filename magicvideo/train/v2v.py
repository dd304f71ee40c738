"""Trains V2V: motion modules and a ControlNet on the generator's frozen spatial layers.

The keyframes it learns to mend have I2V's own faults: true clips are noised up to a random level and the keyframe
generator guesses them back, in one step or several, which keeps the motion as it truly is and brings its blur and wrong
structure.

First it learns to denoise true clips, told by faulty keyframes. Then it learns what it does when it is used: the noise
lies on the faulty keyframes, and one step must end at the true ones, as one-step diffusion learns to restore pictures
(OSEDiff: Wu et al. 2024, arXiv 2406.08177). That is judged on latents, on decoded pixels, and by the features of T2I's
verifier, which shares nothing with the metrics' networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from magicvideo import weights
from magicvideo.models import diffusion
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator, dropped
from magicvideo.models.refiner import NO_REFERENCE, Refiner
from magicvideo.models.text import token_ids
from magicvideo.models.verifier import Verifier
from magicvideo.stage_config import V2VConfig
from magicvideo.train import clips, data, t2i
from magicvideo.train.loop import Training
from magicvideo.train.losses import apart, laplacian
from magicvideo.world import render

PART = "refiner"
STEPS, RESTORING_STEPS = 2260, 740
CLIPS, RESTORED_CLIPS, FRAMES, SIZE = 4, 2, 8, 128
MOST_FAULT = 800
"""Highest training step from which the keyframes are guessed back."""
IN_ONE_STEP, GUESS_STEPS = 0.3, 10
"""Share of batches whose keyframes are guessed in one step; the others by the last of so many sampling steps."""
MOST_STEP, USUAL_STEP, USUAL = 700, 420, 0.75
"""Highest training step V2V learns to denoise from: it never starts from more noise than strength 0.6. This share of
clips is trained up to the second, which is where the default strength starts."""
START, MOST_START = (300, 360), 500
"""Where restoring starts for the usual share of clips, around the default's step; up to the second for the others."""
ON_KEYFRAMES = 0.7
"""Share of restored clips whose noise lies on the faulty keyframes, as in use; for the others on the truth."""
LATENTS, FEATURES, PIXELS = 0.3, 0.5, 6.0
"""Weights of the terms of restoring."""
DECODED = 8
"""Frames of a batch whose pixels are looked at."""
WRONG = 4.0
"""How much more the error counts where the enlarged keyframes are not the truth: outlines, texture, I2V's mistakes."""
DROP = 0.15


@dataclass(frozen=True)
class Pairs:
    small: Tensor
    """float32 [N,T,3,64,64], the true keyframes"""
    large: Tensor
    """float32 [N,T,3,128,128], the same at the stage's size"""
    ids: Tensor
    """int64 [N,24]"""


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Train and write `refiner`. `steps` counts those of either phase."""
    coder, generator, judge = t2i.load_autoencoder(), t2i.load_generator(), t2i.load_verifier()
    model = Refiner(generator)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("control.") or "motion_modules" in name)
    phases = [
        Training(
            f"{PART}-denoising",
            model,
            steps or STEPS,
            1e-3,
            lambda rng: _pairs(rng, data.scenes(rng, CLIPS)),
            lambda pairs: denoising(coder, generator, model, pairs),
            seed=3,
            ema=0.995,
        ),
        Training(
            PART,
            model,
            steps or RESTORING_STEPS,
            6e-4,
            lambda rng: _pairs(rng, data.scenes(rng, RESTORED_CLIPS)),
            lambda pairs: restoring(coder, generator, judge, model, pairs),
            seed=31,
            ema=0.99,
            muon_lr=0.012,
            warmup=40,
        ),
    ]
    for phase in phases:
        phase.run(resume)
    figures = measure(coder, generator, model)
    recipe = {
        "data": "world clips 8x128x128, all trained pairs; keyframes guessed back by the generator",
        "from": "generator",
        "steps": [phase.steps for phase in phases],
        "batch": [CLIPS, RESTORED_CLIPS],
        "seconds": round(sum(phase.seconds for phase in phases)),
        "seed": 3,
    }
    weights.save(PART, model.weights(), recipe, figures)
    return {"steps": recipe["steps"], "seconds": recipe["seconds"], "figures": figures}


@torch.no_grad()
def measure(coder: Autoencoder, generator: Generator, model: Refiner, count: int = 48) -> dict[str, Any]:
    """PSNR in dB to the truth, held-out pairs: refined keyframes, and bicubic ones through the same autoencoder."""
    rng = np.random.default_rng(20_000)
    values: dict[str, list[Tensor]] = {"refined": [], "bicubic": []}
    for _ in range(count // CLIPS):
        pairs, refined, enlarged = refine_held_out(coder, generator, model, rng)
        for name, latents in (("refined", refined), ("bicubic", enlarged)):
            values[name].append(data.psnr(clip_frames(coder, latents), pairs.large))
    return {f"psnr_{name}": data.mean_interval(torch.cat(v)) for name, v in values.items()}


@torch.no_grad()
def refine_held_out(
    coder: Autoencoder, generator: Generator, model: Refiner, rng: np.random.Generator
) -> tuple[Pairs, Tensor, Tensor]:
    """Held-out clips, and of their faulty keyframes the latents [N,C,T,h,w]: refined by the default, only enlarged."""
    config = V2VConfig()
    pairs = _pairs(rng, data.scenes(rng, CLIPS, "held_out"))
    frames, given = _given(coder, generator, model, pairs)
    enlarged = clips.latents(coder, frames)
    t = torch.full((CLIPS,), diffusion.start_step(config.steps, config.strength))
    noisy = diffusion.add_noise(enlarged, torch.randn_like(enlarged), t)
    return pairs, diffusion.sample(_predictor(model, given), noisy, config.steps, config.strength), enlarged


def clip_frames(coder: Autoencoder, latents: Tensor) -> Tensor:
    """Latents [N,C,T,h,w] -> frames [N,T,3,H,W]."""
    return coder.decode(_each(latents)).unflatten(0, (len(latents), latents.shape[2]))


def _each(latents: Tensor) -> Tensor:
    """Latents of clips [N,C,T,h,w] -> of their frames [N*T,C,h,w]."""
    return latents.transpose(1, 2).flatten(0, 1)


def _predictor(model: Refiner, given: Condition) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, t: model(x, t.expand(x.shape[0]), given)


def denoising(coder: Autoencoder, generator: Generator, model: Refiner, pairs: Pairs) -> dict[str, Tensor]:
    """Mean squared error of v on true clips, most where the keyframes are wrong."""
    frames, given = _given(coder, generator, model, pairs)
    x0 = clips.latents(coder, pairs.large)
    n = x0.shape[0]
    t = (torch.rand(n) * torch.where(torch.rand(n) < USUAL, USUAL_STEP, MOST_STEP)).long()
    noise = torch.randn_like(x0)
    v = model(diffusion.add_noise(x0, noise, t), t, given)
    error = (v.float() - diffusion.velocity(x0, noise, t)).square()
    weight = t2i.where_changed(x0, clips.latents(coder, frames), WRONG)
    return {"clip": (error * weight).mean(), "plain": error.mean().detach()}


def restoring(
    coder: Autoencoder, generator: Generator, judge: Verifier, model: Refiner, pairs: Pairs
) -> dict[str, Tensor]:
    """How far one step ends from the truth: in latents, in what `judge` sees of them, in the pixels of some frames."""
    frames, given = _given(coder, generator, model, pairs)
    x0, enlarged = clips.latents(coder, pairs.large), clips.latents(coder, frames)
    n = x0.shape[0]
    t = torch.where(torch.rand(n) < USUAL, torch.randint(*START, (n,)), torch.randint(MOST_START, (n,)))
    in_use = (torch.rand(n) < ON_KEYFRAMES).view(-1, 1, 1, 1, 1)
    x = diffusion.add_noise(torch.where(in_use, enlarged, x0), torch.randn_like(x0), t)
    made = diffusion.clean(x, model(x, t, given).float(), t)
    error = (made - x0).square()
    ours, true = _each(made), _each(x0)
    some = torch.randperm(len(ours))[:DECODED]
    pixels = laplacian(coder.decode(ours[some]).float(), pairs.large.flatten(0, 1)[some], levels=3, coarser=1)
    return {
        "latents": LATENTS * (error * t2i.where_changed(x0, enlarged, WRONG)).mean(),
        "features": FEATURES * apart(judge.features(ours), judge.features(true)),
        "pixels": PIXELS * pixels,
        "plain": error.mean().detach(),
    }


def _given(coder: Autoencoder, generator: Generator, model: Refiner, pairs: Pairs) -> tuple[Tensor, Condition]:
    """Faulty keyframes enlarged [N,T,3,128,128], and the condition that V2V sees of them.

    In training a share of clips sees no reference picture and a share no appearance tokens.
    """
    n = pairs.small.shape[0]
    with torch.no_grad():
        frames = faulty(coder, generator, pairs)
        text = generator.text(pairs.ids)
        appearance = generator.appearance(pairs.small[:, 0])
    reference = pairs.large[:, 0]
    keep = torch.ones(2, n, dtype=torch.bool)
    if model.training:
        keep = torch.rand(2, n) >= DROP
    shown = torch.where(keep[0][:, None, None, None], reference, torch.full_like(reference, NO_REFERENCE))
    given = Condition(text, appearance, model.encode(shown, frames))
    return frames, dropped(given, keep[1], torch.ones(n, dtype=torch.bool))


@torch.no_grad()
def faulty(coder: Autoencoder, generator: Generator, pairs: Pairs) -> Tensor:
    """The true keyframes as the generator guesses them back from noise, enlarged by bicubic interpolation."""
    x0 = clips.latents(coder, pairs.small)
    n = x0.shape[0]
    reference = pairs.small[:, 0]
    given = Condition(generator.text(pairs.ids), generator.appearance(reference), generator.control(reference))
    noise = torch.randn_like(x0)
    if torch.rand(()) < IN_ONE_STEP:
        t = torch.randint(50, MOST_FAULT, (n,))
        x = diffusion.add_noise(x0, noise, t)
        guess = diffusion.clean(x, generator.clip(x, t, given).float(), t)
    else:
        strength = float(torch.rand(())) * MOST_FAULT / diffusion.STEPS
        x = diffusion.add_noise(x0, noise, torch.full((n,), diffusion.start_step(GUESS_STEPS, strength)))
        guess = diffusion.sample(lambda x, t: generator.clip(x, t.expand(n), given), x, GUESS_STEPS, strength)
    small = coder.decode(_each(guess)).float().clamp(0, 1)
    large = F.interpolate(small, size=(SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
    return large.unflatten(0, (n, FRAMES))


def _pairs(rng: np.random.Generator, scenes: list[Any]) -> Pairs:
    ids = token_ids(t2i.captions(scenes, rng))
    times = np.linspace(0, 1, FRAMES)
    large = np.stack([render(s, times, SIZE) for s in scenes])
    return Pairs(data.clips(scenes, FRAMES, SIZE // 2), torch.from_numpy(large), ids)
