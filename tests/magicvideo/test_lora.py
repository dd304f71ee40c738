"""Low-rank changes: nothing at first, trained alone, and the same when they are merged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from magicvideo.models import lora

X = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0))


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 4, 3, padding=1)
        self.linear = nn.Linear(4, 3)
        self.to_k_ip = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.to_k_ip(self.linear(self.conv(x).mean((2, 3))))
        return found


@pytest.fixture
def network() -> Small:
    torch.manual_seed(1)
    return Small()


def test_a_new_change_changes_nothing_and_is_all_that_learns(network: Small) -> None:
    before = network(X)
    lora.attach(network, rank=2)
    assert torch.equal(network(X), before)
    network(X).sum().backward()
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {
        f"{layer}.parametrizations.weight.0.lora_{side}" for layer in ("conv", "linear") for side in ("down", "up")
    }


def test_merged_they_do_what_they_did_beside(network: Small, shake: Callable[[nn.Module, int], nn.Module]) -> None:
    plain = Small()
    plain.load_state_dict(network.state_dict())
    lora.attach(network, rank=2)
    shake(network.conv.parametrizations, 2)  # type: ignore[arg-type]
    shake(network.linear.parametrizations, 3)  # type: ignore[arg-type]
    learned = lora.changes(network)
    assert {k: tuple(v.shape) for k, v in learned.items()} == {
        "conv.down": (2, 54),
        "conv.up": (4, 2),
        "linear.down": (2, 4),
        "linear.up": (3, 2),
    }
    for layer in ("conv", "linear"):  # both networks from the same weights
        original = network.get_submodule(layer).parametrizations.weight.original  # type: ignore[union-attr]
        plain.get_submodule(layer).weight.data.copy_(original)  # type: ignore[union-attr, operator, arg-type]
    plain.to(memory_format=torch.channels_last)
    lora.merge(plain, learned)
    plain.conv.bias, plain.linear.bias = network.conv.bias, network.linear.bias
    torch.testing.assert_close(plain(X), network(X))
    assert plain.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_layer_that_is_not_there_is_named(network: Small) -> None:
    with pytest.raises(ValueError, match=r"no layer conv_9"):
        lora.merge(network, {"conv_9.up": torch.zeros(4, 2), "conv_9.down": torch.zeros(2, 54)})
