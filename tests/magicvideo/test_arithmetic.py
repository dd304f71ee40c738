"""bfloat16 is taken where it is faster: on a processor with units for it, and nowhere else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from magicvideo.models import arithmetic
from magicvideo.stages.common import computed_in


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    arithmetic.product_type.cache_clear()
    yield
    arithmetic.product_type.cache_clear()


@pytest.mark.parametrize("faster", [torch.bfloat16, torch.float32])
def test_the_faster_one_is_taken(faster: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "_seconds", lambda dtype: 1.0 if dtype is faster else 2.0)
    assert arithmetic.product_type() is faster


def test_the_processor_in_use_is_measured() -> None:
    units = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    if not units and torch.backends.cpu.get_cpu_capability() not in ("AVX2", "DEFAULT"):
        pytest.skip("neither units for bfloat16 nor a processor that certainly has none")
    assert arithmetic.product_type() is (torch.bfloat16 if units else torch.float32)


def test_imitated_arithmetic_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "_seconds", lambda dtype: 1.0 if dtype is torch.float32 else 15.0)
    with pytest.warns(UserWarning, match="imitates bfloat16: compute=float32"):
        computed_in("bfloat16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        computed_in("float32")
