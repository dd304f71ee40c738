"""Feed-forward layers that take their input in parts, which is where a video UNet needs most of its memory.

The layer widens every place of every frame eightfold. Places do not see each other there, so that parts one after the
other give what the whole gives, but for the rounding of sums. diffusers can do this too (`enable_forward_chunking`),
for sizes that divide the length; 131 x 131 latents of 1048 pixels have none that spatial and motion layers share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from magicvideo.models.lean import FeedForward

PARTS = 4


@contextmanager
def feed_forward_in_parts(network: nn.Module, parts: int = PARTS) -> Iterator[None]:
    """Inside, the network's feed-forward layers take their input [N,...] in so many parts of N."""
    found = [module for module in network.modules() if isinstance(module, FeedForward)] if parts > 1 else []
    for module in found:
        module.forward = partial(_by_parts, module.forward, parts)
    try:
        yield
    finally:
        for module in found:
            del module.forward


def _by_parts(forward: Callable[..., Tensor], parts: int, x: Tensor, *given: Any, **named: Any) -> Tensor:
    return torch.cat([forward(part, *given, **named) for part in x.chunk(parts)])
