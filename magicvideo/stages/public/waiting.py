"""Networks that wait in the machine's memory until a stage needs them on its device.

A stage says what it needs next (`bring`); what it brought before goes back to wait. Whole networks move, a few times a
clip: text encoders, image encoder, VAE, and what denoises, ControlNet and UNet together. accelerate's hooks move one
network at each call instead, which would be both of them in every step, and diffusers' VAE calls those hooks only
where accelerate could be imported with it (`models/lean.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

_here: list[nn.Module] = []
"""What is on a device now, of what may wait."""


def bring(device: torch.device, networks: Sequence[nn.Module]) -> None:
    """These on the device, and no other network that was brought before."""
    away = [network for network in _here if all(network is not wanted for wanted in networks)]
    with torch.inference_mode(False):  # tensors made in that mode could not be moved outside it
        for network in away:
            _move(network, torch.device("cpu"))
        for network in networks:
            _move(network, device)
    _here[:] = networks


def _move(network: nn.Module, device: torch.device) -> None:
    network.to(device)
