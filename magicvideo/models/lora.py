"""Low-rank changes of a network's weights (LoRA: Hu et al. 2021, arXiv 2106.09685).

    W' = W + up @ down,      up [out,r], down [r,in]

A convolution's weight counts as the matrix [out, in * kh * kw]. `attach` puts them on a network that is to be trained,
`merge` adds what was learned to the weights of one that is to be used, which then costs what it did before.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """The change of one weight; it starts at zero."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        width = weight[0].numel()
        self.lora_down = nn.Parameter(torch.randn(rank, width) / width**0.5)
        self.lora_up = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.lora_up @ self.lora_down).view(weight.shape)


def attach(network: nn.Module, rank: int) -> None:
    """Give each linear layer and convolution a low-rank change; only these can be trained afterwards.

    Layers of the decoupled attention to appearance (`_ip`) are left out.
    """
    network.requires_grad_(False)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d) and "_ip" not in name:
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))


def changes(network: nn.Module) -> dict[str, Tensor]:
    """What the changes have learned, by the layers' names: `<layer>.up` and `<layer>.down`."""
    learned = dict[str, Tensor]()
    for name, layer in network.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            change = layer.parametrizations.weight[0]
            assert isinstance(change, LowRank)
            learned[f"{name}.up"], learned[f"{name}.down"] = change.lora_up.detach(), change.lora_down.detach()
    return learned


@torch.no_grad()
def merge(network: nn.Module, learned: Mapping[str, Tensor]) -> None:
    """Add what `changes` gave to the weights of a network without changes, in place.

    Raises `ValueError` for a layer that the network does not have.
    """
    layers = dict(network.named_modules())
    for name in {key.rpartition(".")[0] for key in learned}:
        if name not in layers:
            raise ValueError(f"low-rank changes do not fit: the network has no layer {name}")
        weight = layers[name].weight
        assert isinstance(weight, Tensor)
        weight.add_((learned[f"{name}.up"] @ learned[f"{name}.down"]).view(weight.shape))
