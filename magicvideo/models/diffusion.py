"""The diffusion that all stages share: a cosine schedule, v-prediction, DPM-Solver++.

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps
    v   = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0             (Salimans & Ho, arXiv 2202.00512)

The schedule ends where Stable Diffusion's does: sqrt(abar_T) is 0.068, not zero. With zero terminal SNR a latent
noise prior of strength 1 would do nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from magicvideo.models.lean import DPMSolverMultistepScheduler

STEPS = 1000
TERMINAL = 0.0683
"""sqrt(abar_T) of Stable Diffusion's scaled-linear betas."""


def _alphas_bar() -> Tensor:
    angle = torch.linspace(0.02, math.acos(TERMINAL), STEPS, dtype=torch.float64)
    return torch.cos(angle).square()


ALPHAS_BAR = _alphas_bar()
"""abar_t, t = 0 .. 999, float64 [1000]: cosine in the angle (Nichol & Dhariwal, arXiv 2102.09672), cut at TERMINAL."""


def draw_steps(count: int, shift: float = 0.5) -> Tensor:
    """Training steps [count]: three of four logit-normal (Esser et al., arXiv 2403.03206), one uniform.

    The median of the former is 1000 sigmoid(shift), by default 622.

    What a picture shows is decided at high noise, and the decoder forgives what is left at low noise.
    """
    often = torch.sigmoid(torch.randn(count) + shift)
    share = torch.where(torch.rand(count) < 0.25, torch.rand(count), often)
    return (share * STEPS).long().clamp(0, STEPS - 1)


def level(t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(abar_t) and sqrt(1 - abar_t) for steps t [N], shaped to multiply `like` [N,...]."""
    abar = ALPHAS_BAR.to(like.device)[t].to(torch.float32).view(-1, *[1] * (like.ndim - 1))
    return abar.sqrt(), (1 - abar).sqrt()


def add_noise(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t of clean x0 [N,...] at steps t [N]."""
    a, s = level(t, x0)
    return a * x0 + s * noise


def velocity(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The training target v at steps t [N]."""
    a, s = level(t, x0)
    return a * noise - s * x0


def clean(x: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """The x0 that a prediction v at x_t stands for."""
    a, s = level(t, x)
    return a * x - s * v


Predict = Callable[[Tensor, Tensor], Tensor]
"""(x, t) -> v for the whole batch at one step t (0-d int64)."""


@torch.no_grad()
def sample(predict: Predict, x: Tensor, steps: int, strength: float = 1.0) -> Tensor:
    """Denoise x with DPM-Solver++(2M) (arXiv 2211.01095), deterministic.

    `strength` < 1 redoes only that last share of the schedule: x must then lie at step `start_step(steps, strength)`.
    """
    return sampled(predict, x, steps, strength)


def sampled(predict: Predict, x: Tensor, steps: int, strength: float = 1.0) -> Tensor:
    """The same with the gradient of whatever `predict` gives one to: training through the sampler."""
    scheduler = _scheduler(steps)
    skipped = steps - _redone(steps, strength)
    scheduler.set_begin_index(skipped)
    for t in scheduler.timesteps[skipped:]:
        x = scheduler.step(predict(x, t).float(), t, x, return_dict=False)[0]
    return x


def start_step(steps: int, strength: float) -> int:
    """The training step at which a run of `steps` with this strength starts (999 for strength 1)."""
    return int(_scheduler(steps).timesteps[steps - _redone(steps, strength)])


def _redone(steps: int, strength: float) -> int:
    return max(1, round(steps * strength))


def _scheduler(steps: int) -> DPMSolverMultistepScheduler:
    abar = ALPHAS_BAR
    betas = 1 - abar / torch.cat([abar.new_ones(1), abar[:-1]])
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=STEPS,
        trained_betas=betas.numpy(),
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        final_sigmas_type="zero",
    )
    scheduler.set_timesteps(steps)
    return scheduler
