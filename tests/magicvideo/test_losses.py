"""Differences that trainers share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from magicvideo.train.losses import apart, laplacian, unit


def noise(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def checker(size: int) -> Tensor:
    sign = torch.ones(size)
    sign[::2] = -1
    return sign * sign[:, None]


def test_laplacian_of_equal_frames_is_zero_and_weighs_coarse_errors_more() -> None:
    flat, some = torch.zeros(1, 3, 64, 64), noise(5, 1, 3, 64, 64)
    assert laplacian(some, some) == 0
    assert laplacian(flat + 0.1, flat) > laplacian(flat + 0.1 * checker(64), flat)


def test_laplacian_with_equal_bands_counts_a_fine_error_like_a_coarse_one() -> None:
    flat = torch.zeros(1, 3, 64, 64)
    coarse, fine = (laplacian(flat + e, flat, levels=3, coarser=1) for e in (0.1, 0.1 * checker(64)))
    assert coarse == pytest.approx(0.05)
    assert fine == pytest.approx(0.05)


def test_apart_looks_at_directions_alone_and_adds_layers_up() -> None:
    one, two = noise(1, 2, 8, 4, 4), noise(2, 2, 8, 4, 4)
    assert apart([one], [3 * one]) == pytest.approx(0, abs=1e-10)
    assert apart([one, one], [two, two]) == pytest.approx(2 * float(apart([one], [two])))
    opposite = torch.cat([unit(one[:, :4]), -unit(one[:, :4])])
    assert apart([opposite[:2]], [opposite[2:]]) == pytest.approx(4, rel=1e-5)


def test_unit_keeps_gradients_small_where_there_is_nothing() -> None:
    nothing = torch.zeros(1, 4, 2, 2, requires_grad=True)
    unit(nothing).sum().backward()
    assert nothing.grad is not None
    assert nothing.grad.abs().max() <= 1e3 + 1e-3
