"""Operations, traffic and memory of a call of torch, on tensors with shapes only (`meta`) or real ones.

Operations are matrix products, convolutions and attention, a multiplication and an addition being two. Attention is
counted as one fused kernel, as GPUs run it: 2 L_q L_k (d_k + d_v) a head, and no memory for the L_q x L_k weights.

Memory is the most that is alive at once of what the call makes and is given, weights apart, as if each result were
freed with its last reference. Kernels' workspace and what an allocator loses come on top.
Traffic is what all kernels together would read and write, each by itself, weights included: an upper bound, since
kernels that are fused read and write less.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Count:
    """Of one call. `operations` is a number, the others are bytes."""

    operations: int
    memory: int
    traffic: int


def count(call: Callable[[], Any]) -> Count:
    """Run the call once and count. What the call is to be given must be made inside it, so that it counts as memory."""
    live, attention = _Live(), _FusedAttention()
    with torch.no_grad(), FlopCounterMode(display=False) as flops, live, attention:
        call()
    return Count(int(flops.get_total_flops()) + attention.operations, live.most, live.traffic + attention.traffic)


@contextmanager
def not_counted() -> Iterator[None]:
    """Inside a call: what happens here is not part of it, such as building the network that it runs."""
    with _disable_current_modes():
        yield


class _FusedAttention(TorchFunctionMode):
    """Stands in for `scaled_dot_product_attention`, whose form on `meta` would make the L_q x L_k weights."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.traffic = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        named = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
        q, k, v = named["query"], named["key"], named["value"]
        made = q.new_zeros((*q.shape[:-1], v.shape[-1]))
        heads = q.shape[:-2].numel()
        self.operations += 2 * heads * q.shape[-2] * k.shape[-2] * (q.shape[-1] + v.shape[-1])
        self.traffic += k.nbytes + v.nbytes  # making the result has counted it and the query
        return made


class _Live(TorchDispatchMode):
    """Follows every storage that is made until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, int] = {}
        self._now = self.most = self.traffic = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {id(x.untyped_storage()): x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        results = [x for x in tree_leaves(made) if isinstance(x, Tensor)]
        new = [x for x in results if id(x.untyped_storage()) not in given]
        if new:  # a view moves nothing
            self.traffic += sum(x.nbytes for x in given.values()) + sum(x.nbytes for x in new)
        for tensor in new:
            self._keep(tensor.untyped_storage())
        return made

    def _keep(self, storage: Any) -> None:
        key = id(storage)
        if key in self._alive:
            return
        self._alive[key] = storage.nbytes()
        self._now += storage.nbytes()
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._now -= self._alive.pop(key, 0)
