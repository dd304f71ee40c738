"""Opens public checkpoints, whose hash `evals.fetch` has checked: tensors alone, or TorchScript."""

from __future__ import annotations

import warnings
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from evals.backbones.frames import device
from evals.fetch import Found
from magicvideo.errors import InputError


def tensors(found: Found) -> dict[str, Tensor]:
    """A state dict, float32. Nothing but tensors is read (`weights_only`). `InputError` for anything else."""
    try:
        state = torch.load(found.path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{found.path} cannot be read as tensors: {error}") from None
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def script(found: Found) -> Any:
    """A TorchScript module in evaluation mode. It is a program: only ever called for a file whose hash is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return torch.jit.load(str(found.path), map_location="cpu").eval()
        except RuntimeError as error:
            raise InputError(f"{found.path} cannot be read as TorchScript: {str(error)[:200]}") from None


def filled(network: nn.Module, state: dict[str, Tensor], found: Found) -> Any:
    """The network with these weights, frozen, in evaluation mode, where networks run. `InputError` where they differ
    in names or shapes."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{found.path} does not hold this network's weights: {str(error)[:300]}") from None
    return network.eval().requires_grad_(False).to(device())
