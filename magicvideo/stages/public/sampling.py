"""Samplers of public weights: diffusers' schedulers, and where denoising starts in each one's own scale.

Samplers keep latents in one of two scales. DDIM and DPM-Solver++ keep x = sqrt(abar) z + sqrt(1 - abar) eps, of unit
variance. Euler keeps x' = z + sigma eps = x sqrt(1 + sigma^2), with sigma^2 = (1 - abar) / abar. The noise prior is
written for x (`noise_prior.py`), so for Euler it is multiplied by sqrt(1 + sigma^2). Ready pipelines multiply latents
that they are given by the scheduler's `init_noise_sigma`: that for some spacings of steps, sigma for others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from magicvideo import noise_prior
from magicvideo.models.lean import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from magicvideo.presets import Stage
from magicvideo.stage_config import NoisePrior, Scheduler

Predict = Callable[[Tensor, Tensor], Tensor]
"""(latents in the network's scale, step) -> what the network predicts, guidance included."""
_CLASSES = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "dpm++": DPMSolverMultistepScheduler}


def scheduler(stage: Stage, name: Scheduler, steps: int, device: torch.device) -> Any:
    """The stage's sampler by name (`preset`: its own), its steps set."""
    chosen = stage.scheduler if name == "preset" else name
    made = _CLASSES[chosen](**{**stage.schedule, **stage.schedulers[chosen]})
    made.set_timesteps(steps, device=device)
    return made


def first_abar(sampler: Any) -> float:
    """abar where the sampler starts; 0 where its schedule ends in pure noise."""
    if isinstance(sampler, EulerDiscreteScheduler):
        return 1 / (1 + float(sampler.sigmas[0]) ** 2)
    return float(sampler.alphas_cumprod[int(sampler.timesteps[0])])


def start(sampler: Any, prior: NoisePrior, eps: Tensor, z_ref: Tensor) -> Tensor:
    """The latents denoising starts from, in the sampler's scale.

    Args:
        eps: standard Gaussian noise [1,C,T,h,w].
        z_ref: the reference's scaled latent [1,C,h,w].
    """
    if prior.kind in ("none", "mixed"):
        return noise_prior.start(prior, eps, z_ref, 1.0) * float(sampler.init_noise_sigma)
    abar = first_abar(sampler)
    x = noise_prior.start(prior, eps, z_ref, abar)
    return x / abar**0.5 if isinstance(sampler, EulerDiscreteScheduler) else x


def last_steps(sampler: Any, steps: int, strength: float) -> Tensor:
    """The last share `strength` of the schedule's steps, at least one; the sampler then begins there.

    Its own list of steps stays whole: DPM-Solver++ counts in it where the last step is.
    """
    skipped = steps - max(1, round(steps * strength))
    if hasattr(sampler, "set_begin_index"):
        sampler.set_begin_index(skipped)
    return sampler.timesteps[skipped:]


def denoise(sampler: Any, predict: Predict, x: Tensor, steps: Tensor | None = None) -> Tensor:
    """Run the sampler's steps (all, or those given). Latents stay float32, whatever the networks compute in."""
    for t in sampler.timesteps if steps is None else steps:
        told = predict(sampler.scale_model_input(x, t), t).float()
        x = sampler.step(told, t, x, return_dict=False)[0]
    return x


def guide(both: Tensor, guidance: float | Tensor) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598) of a batch that holds the untold half first; one half passes."""
    if len(both) == 1:
        return both
    untold, told = both.chunk(2)
    return untold + guidance * (told - untold)
