"""Sampling that can be learned from: drawn as in use, with a gradient in some of its steps.

No gradient goes through a step's input (DRTune: Wu et al. 2024, arXiv 2405.00760): through all steps it grows without
bound.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from magicvideo.models import diffusion
from magicvideo.models.generator import Condition


def draw(
    denoise: Callable[[Tensor, Tensor, Condition], Tensor],
    start: Tensor,
    told: Condition,
    untold: Condition,
    steps: int,
    guidance: float,
    learning: bool,
) -> Tensor:
    """Latents drawn from `start` [N,...] in guided steps, as `stages.common.guided` and `diffusion.sample` draw them.

    While learning the first step, one of the next two and one of the last three keep their gradient, on the told half
    of guidance and not on their input; the default is six steps.
    """
    taught = {0, 1 + int(torch.randint(2, ())), 3 + int(torch.randint(3, ()))} if learning else set[int]()
    taken = iter(range(steps))

    def predict(x: Tensor, t: Tensor) -> Tensor:
        seen, at = x.detach(), t.expand(len(x))
        with torch.set_grad_enabled(next(taken) in taught):
            asked = denoise(seen, at, told).float()
        with torch.no_grad():
            plain = denoise(seen, at, untold).float()
        return plain + guidance * (asked - plain)

    return diffusion.sampled(predict, start, steps)
