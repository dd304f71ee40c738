"""Which arithmetic a device multiplies faster: bfloat16 where it has units for it, float32 elsewhere.

A processor without such units imitates them, fifteen to fifty times slower than float32.
"""

from __future__ import annotations

import time
from functools import lru_cache

import torch

SIDE = 256
ROUNDS = 3


@lru_cache(maxsize=4)
def product_type(device: str = "cpu") -> torch.dtype:
    """bfloat16 or float32, whichever multiplies square matrices sooner on a device ("cpu", "cuda"); measured once."""
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return min((torch.bfloat16, torch.float32), key=_seconds)


def _seconds(dtype: torch.dtype) -> float:
    """The shortest of a few products on the CPU."""
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - began)
    return min(taken)
