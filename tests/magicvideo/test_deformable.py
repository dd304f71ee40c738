"""The operator against a plain-loop reference, closed forms and numerical gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from magicvideo.models.deformable import edsc, warp

Array = NDArray[np.float64]
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def bilinear(image: Array, y: float, x: float) -> Array:
    """Image [C,H,W] at one place, coordinates clamped into the picture."""
    h, w = image.shape[1:]
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    y0, x0 = int(np.floor(y)), int(np.floor(x))
    y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
    a, b = y - y0, x - x0
    top = image[:, y0, x0] * (1 - b) + image[:, y0, x1] * b
    return top * (1 - a) + (image[:, y1, x0] * (1 - b) + image[:, y1, x1] * b) * a


def reference(frame: Array, v: Array, h: Array, offsets: Array, masks: Array) -> Array:
    """The formula of the module's docstring, one pixel and one tap at a time."""
    out = np.zeros_like(frame)
    batch, _, height, width = frame.shape
    k = v.shape[1]
    for b, y, x, i, j in np.ndindex(batch, height, width, k, k):
        tap = i * k + j
        dy, dx = offsets[b, tap, :, y, x]
        weight = v[b, i, y, x] * h[b, j, y, x] * masks[b, tap, y, x]
        out[b, :, y, x] += weight * bilinear(frame[b], y + i - (k - 1) / 2 + dy, x + j - (k - 1) / 2 + dx)
    return out


def fields(k: int, size: tuple[int, int] = (7, 10), spread: float = 3.0, batch: int = 2) -> list[torch.Tensor]:
    rng = np.random.default_rng(k)
    h, w = size
    shapes = [(batch, 3, h, w), (batch, k, h, w), (batch, k, h, w), (batch, k * k, 2, h, w), (batch, k * k, h, w)]
    values: list[Any] = [rng.uniform(size=shapes[0])]
    values += [rng.normal(size=shapes[1]), rng.normal(size=shapes[2]), rng.normal(size=shapes[3]) * spread]
    values += [rng.uniform(size=shapes[4])]
    return [torch.from_numpy(value) for value in values]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_matches_the_plain_loop(k: int, device: str) -> None:
    arguments = fields(k)
    expected = reference(*(a.numpy() for a in arguments))
    # Offsets of 3 pixels on 7 x 10 reach far over the border, which is therefore tested too.
    found = edsc(*(a.float().to(device) for a in arguments)).cpu().numpy()
    assert np.abs(found - expected).max() < 1e-5
    exact = edsc(*(a.to(device) for a in arguments)).cpu().numpy()
    assert np.abs(exact - expected).max() < 1e-12


def test_the_reference_would_notice_swapped_offsets() -> None:
    frame, v, h, offsets, masks = fields(3)
    expected = reference(*(a.numpy() for a in (frame, v, h, offsets, masks)))
    assert np.abs(edsc(frame, v, h, offsets.flip(2), masks).numpy() - expected).max() > 0.1


def test_one_central_tap_is_the_identity() -> None:
    frame, _, _, offsets, masks = fields(3)
    delta = torch.zeros(2, 3, 7, 10, dtype=torch.float64)
    delta[:, 1] = 1
    found = edsc(frame, delta, delta, torch.zeros_like(offsets), torch.ones_like(masks))
    assert torch.allclose(found, frame, atol=1e-12)


def test_taps_without_offsets_are_a_common_convolution() -> None:
    frame, _, _, offsets, masks = fields(3)
    v = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    h = torch.tensor([-0.1, 0.9, 0.2], dtype=torch.float64)
    wide = [a[None, :, None, None].expand(2, 3, 7, 10) for a in (v, h)]
    found = edsc(frame, wide[0], wide[1], torch.zeros_like(offsets), torch.ones_like(masks))
    kernel = (v[:, None] * h)[None, None].expand(3, 1, 3, 3)
    padded = torch.nn.functional.pad(frame, (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(found, torch.nn.functional.conv2d(padded, kernel, groups=3), atol=1e-12)


def test_whole_pixel_displacement_shifts() -> None:
    frame = fields(1)[0]
    displacement = torch.zeros(2, 2, 7, 10, dtype=torch.float64)
    displacement[:, 0], displacement[:, 1] = 2, -3
    assert torch.allclose(warp(frame, displacement)[:, :, :5, 3:], frame[:, :, 2:, :-3], atol=1e-12)


def test_gradient_of_every_argument() -> None:
    arguments = [a.clone().requires_grad_(True) for a in fields(3, size=(4, 5), spread=0.4, batch=1)]
    assert torch.autograd.gradcheck(edsc, arguments, eps=1e-6, atol=1e-6)
    edsc(*arguments).square().sum().backward()
    assert all(a.grad is not None and (a.grad != 0).any() for a in arguments)


def test_one_pixel_wide_frames_are_finite() -> None:
    arguments = fields(3, size=(1, 1))
    assert np.abs(edsc(*arguments).numpy() - reference(*(a.numpy() for a in arguments))).max() < 1e-12


@pytest.mark.parametrize("wrong", [1, 2, 3, 4])
def test_fields_that_do_not_fit_are_refused(wrong: int) -> None:
    arguments = fields(3)
    arguments[wrong] = arguments[wrong][..., :-1]
    with pytest.raises(ValueError, match="must be"):
        edsc(*arguments)


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        edsc(*fields(2))
