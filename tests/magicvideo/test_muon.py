"""Muon's update against the definition: singular values near one, the gradient's own singular vectors, both routes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from magicvideo.train import muon


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rows", "columns"), [(24, 30), (30, 24), (16, 200), (200, 16)])
def test_singular_values_come_near_one(rows: int, columns: int) -> None:
    values = torch.linalg.svdvals(muon.orthogonal(matrix(rows, columns)))
    assert values.max() < 1.3
    assert values.median() > 0.65


@pytest.mark.parametrize(("rows", "columns"), [(24, 30), (16, 200)])
def test_singular_vectors_are_kept(rows: int, columns: int) -> None:
    x = matrix(rows, columns)
    u, _, vh = torch.linalg.svd(x, full_matrices=False)
    turned = u.mT @ muon.orthogonal(x) @ vh.mT
    away = turned - torch.diag_embed(torch.diagonal(turned, dim1=1, dim2=2))
    assert away.abs().max() < 0.03


def test_both_routes_agree() -> None:
    x = matrix(16, 80)
    x = x / x.norm()
    torch.testing.assert_close(muon._by_gram(x), muon._plainly(x), atol=0.03, rtol=0)


def test_a_matrix_of_almost_one_rank_does_not_blow_up() -> None:
    x = matrix(32, 400)
    x = x[..., :1] @ x[..., :1, :] + 0.01 * x
    assert torch.linalg.svdvals(muon.orthogonal(x)).max() < 1.3


def test_a_convolution_counts_as_a_matrix_and_the_rest_goes_to_adamw() -> None:
    net = nn.ModuleDict({"conv_in": nn.Conv2d(3, 4, 3), "body": nn.Conv2d(4, 8, 3), "norm": nn.LayerNorm(8)})
    first, second = muon.optimizers(net, 0.02, 1e-3, 0.0)
    assert [p.shape for p in first.param_groups[0]["params"]] == [net["body"].weight.shape]
    assert len(second.param_groups[0]["params"]) == 5


def test_one_step_moves_by_the_learning_rate() -> None:
    weight = nn.Parameter(torch.zeros(8, 4, 3, 3))
    weight.grad = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    muon.Muon([weight], lr=0.1).step()
    size = torch.linalg.svdvals(weight.detach().flatten(1))
    assert float(size.min()) > 0.05
    assert float(size.max()) < 0.13
