"""An interpolator given as a file: TorchScript with a declared interface, such as one made from an EMA-VFI checkpoint.

    forward(first [N,3,H,W], last [N,3,H,W], t [N,1,1,1]) -> [N,3,H,W]

float32, frames in [0,1], t in (0,1) from the first frame to the last. H and W come padded to multiples of 64 by
repeating the border, and what is padded is cut off again.

TorchScript is a program. It is run only if the configuration names the sha256 of the very file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from magicvideo.checkpoints import hash_of
from magicvideo.errors import InputError
from magicvideo.stage_config import VFIConfig

MULTIPLE = 64


@dataclass(frozen=True)
class Script:
    """A loaded interpolator on its device."""

    module: Any
    path: Path
    device: torch.device

    @torch.inference_mode()
    def between(self, first: NDArray[np.float32], last: NDArray[np.float32], times: list[float]) -> NDArray[np.float32]:
        """Frames [len(times),3,H,W] in [0,1] between two of [3,H,W]. Raises `InputError` for another answer."""
        n, (height, width) = len(times), first.shape[-2:]
        one, two = (
            _padded(torch.from_numpy(frame)[None].to(self.device)).expand(n, -1, -1, -1) for frame in (first, last)
        )
        t = torch.tensor(times, dtype=torch.float32, device=self.device)[:, None, None, None]
        try:
            made = self.module(one, two, t)
        except RuntimeError as error:  # what a script raises, whatever it was in Python
            raise InputError(f"{self.path} does not take (first, last, t): {_last_line(error)}") from None
        if not isinstance(made, Tensor) or made.shape != one.shape:
            got = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise InputError(f"{self.path} gives {got} where {list(one.shape)} is due")
        return made[..., :height, :width].float().clamp(0, 1).cpu().numpy()


def load(config: VFIConfig, device: str) -> Script:
    """The interpolator of `vfi.checkpoint`, on a device. Raises `InputError` for a file that is missing, is not the one
    that `vfi.sha256` names, or is no TorchScript."""
    path = Path(config.checkpoint)
    if not path.is_file():
        raise InputError(f"vfi.checkpoint={path}: no such file")
    found = hash_of(path)
    if found != config.sha256:
        raise InputError(
            f"{path} has sha256 {found}, vfi.sha256 is {config.sha256}. TorchScript is a program: where you know whose "
            f"it is, say so with --set vfi.sha256={found}"
        )
    return _loaded(path, found, torch.device(device))


@lru_cache(maxsize=2)
def _loaded(path: Path, sha256: str, device: torch.device) -> Script:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return Script(torch.jit.load(str(path), map_location=device).eval(), path, device)
        except RuntimeError as error:
            raise InputError(f"{path} cannot be read as TorchScript: {_last_line(error)}") from None


def _padded(x: Tensor) -> Tensor:
    down, right = (-x.shape[-2] % MULTIPLE, -x.shape[-1] % MULTIPLE)
    return functional.pad(x, (0, right, 0, down), mode="replicate")


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[-1][:200]
