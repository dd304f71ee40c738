"""Muon: momentum whose matrices are made orthogonal before each step, and AdamW for all that is not a matrix.

Muon is Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon) with the Newton-Schulz coefficients given there.
A convolution's weight counts as the matrix [out, in * kh * kw]. torch's own `Muon` takes two-dimensional weights only.
On the autoencoder 300 steps reached the loss that AdamW had after 1,100 (EXPERIMENTS.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from magicvideo.models.arithmetic import product_type

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
APART = ("words", "places", "conv_in", "conv_out", "to_v_ip", "lora")
"""Embeddings, first and last layers, low-rank changes, and what starts at zero by design stay with AdamW."""


class Muon(torch.optim.Optimizer):
    """W <- W - lr * sqrt(max(1, rows / columns)) * orthogonal(gradient + momentum), for weights of two or more axes."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float = 0.02, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameters in _alike(p for p in group["params"] if p.grad is not None):
                self._step(parameters, group["lr"], group["momentum"])

    def _step(self, parameters: list[nn.Parameter], lr: float, momentum: float) -> None:
        ahead = []
        gradients = [p.grad for p in parameters if p.grad is not None]
        for p, gradient in zip(parameters, gradients, strict=True):
            memory = self.state[p].setdefault("memory", torch.zeros_like(p))
            memory.lerp_(gradient, 1 - momentum)
            ahead.append(torch.lerp(gradient, memory, momentum).flatten(1))
        updates = orthogonal(torch.stack(ahead))
        rows, columns = updates.shape[1:]
        for p, update in zip(parameters, updates, strict=True):
            p.add_(update.view_as(p), alpha=-lr * max(1.0, rows / columns) ** 0.5)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices [N,rows,columns] with their singular values brought near one (between about 0.7 and 1.2).

    Newton-Schulz: X <- P X with P = aI + bG + cG^2 of the Gram matrix G = X X^T on the shorter side. Where one side is
    much longer the steps run on G alone (P and G commute, so G <- P G P) and the product of all P meets X once.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = _by_gram(x) if x.shape[-1] > 3 * x.shape[-2] else _plainly(x)
    return x.mT if tall else x


def _plainly(x: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    y = x.to(product_type(x.device.type))
    for _ in range(STEPS):
        gram = y @ y.mT
        y = a * y + (b * gram + c * gram @ gram) @ y
    return y.to(x.dtype)


def _by_gram(x: Tensor) -> Tensor:
    """In float32: rounding must not make G's small eigenvalues negative."""
    a, b, c = COEFFICIENTS
    gram = x @ x.mT
    one = torch.eye(gram.shape[-1], device=x.device).expand_as(gram)
    product = one
    for _ in range(STEPS):
        p = torch.baddbmm(a * one + b * gram, gram, gram, alpha=c)
        product = p @ product
        gram = p @ gram @ p
    dtype = product_type(x.device.type)
    return (product.to(dtype) @ x.to(dtype)).to(x.dtype)


def optimizers(module: nn.Module, lr: float, adam_lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the trained weights that are matrices, AdamW for the rest."""
    trained = {k: p for k, p in module.named_parameters() if p.requires_grad}
    matrices = [p for k, p in trained.items() if p.ndim >= 2 and not any(word in k for word in APART)]
    rest = [p for p in trained.values() if not any(p is m for m in matrices)]
    found: list[torch.optim.Optimizer] = [Muon(matrices, lr)] if matrices else []
    if rest:
        found.append(torch.optim.AdamW(rest, lr=adam_lr, weight_decay=weight_decay, betas=(0.9, 0.99)))
    return found


def _alike(parameters: Iterable[nn.Parameter]) -> Iterable[list[nn.Parameter]]:
    """Weights grouped by the shape of their matrix: equal ones are made orthogonal in one product."""
    groups = defaultdict(list)
    for p in parameters:
        groups[p.shape[0], p.shape.numel()].append(p)
    return groups.values()
