"""Long clips by windows: every frame covered, agreement kept, nothing drawn twice within a window."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.models.autoencoder import LATENT_CHANNELS
from magicvideo.models.generator import Condition, Generator
from magicvideo.models.windows import of_frames, shared_noise, starts, weights, windowed
from magicvideo.stage_config import MOST_AT_ONCE, I2VConfig, frames_at_once

TOLD = Condition(torch.zeros(1, 2, 4))
T = torch.tensor([500])
lengths = st.tuples(st.integers(1, 120), st.integers(2, 32))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed))


# ---- where windows lie


@given(lengths)
def test_windows_cover_every_frame_and_lie_inside(case: tuple[int, int]) -> None:
    frames, window = case
    found = starts(frames, window)
    covered = {s + i for s in found for i in range(min(window, frames))}
    assert covered == set(range(frames))
    assert found == sorted(set(found))
    assert all(b - a <= max(1, window // 2) for a, b in pairwise(found))


def test_weights_rise_to_the_middle() -> None:
    assert weights(8).tolist() == [1, 2, 3, 4, 4, 3, 2, 1]
    assert weights(5).tolist() == [1, 2, 3, 2, 1]


def test_how_many_frames_go_together() -> None:
    assert [frames_at_once(n, 0) for n in (2, 8, 32, 33, 256)] == [2, 8, 32, 8, 8]
    assert [frames_at_once(n, 16) for n in (2, 16, 32, 256)] == [2, 16, 16, 16]
    assert frames_at_once(64, MOST_AT_ONCE) == MOST_AT_ONCE


@pytest.mark.parametrize("window", [1, 33, -8])
def test_a_window_that_cannot_be_is_refused_with_what_can(window: int) -> None:
    with pytest.raises(InputError, match=r"i2v\.window.*2 to 32 frames.*8 is what training saw.*0 takes all"):
        PipelineConfig().with_setting("i2v.window", window)
    assert I2VConfig(frames=256).frames == 256
    with pytest.raises(InputError, match=r"i2v\.frames.*less than or equal to 256"):
        PipelineConfig().with_setting("i2v.frames", 257)


# ---- averaging


@settings(deadline=None, max_examples=30)
@given(lengths)
def test_windows_that_agree_change_nothing(case: tuple[int, int]) -> None:
    """A denoiser that treats each frame alike says the same in every window, so the average is what it says."""
    frames, window = case
    x = gaussian(1, 2, frames, 2, 2, seed=frames)
    made = windowed(lambda y, t, c: y.sin(), window)(x, T, TOLD)
    assert torch.allclose(made, x.sin(), atol=1e-6)


def test_where_windows_differ_the_average_is_weighted() -> None:
    """Six frames, windows of four at 0 and 2, each saying its first frame's number: 0 and 2."""
    x = torch.arange(6.0).view(1, 1, 6, 1, 1)
    made = windowed(lambda y, t, c: y[:, :, :1].expand_as(y), 4)(x, T, TOLD).flatten()
    # weights 1 2 2 1: frame 2 has 2 of the first and 1 of the second, frame 3 has 1 and 2
    assert made.tolist() == pytest.approx([0, 0, 2 / 3, 4 / 3, 2, 2])


def test_a_short_clip_passes_whole() -> None:
    calls = []

    def denoise(y: Tensor, t: Tensor, c: Condition) -> Tensor:
        calls.append(y.shape[2])
        return y

    windowed(denoise, 8)(gaussian(1, 2, 8, 2, 2), T, TOLD)
    windowed(denoise, 8)(gaussian(1, 2, 9, 2, 2), T, TOLD)
    assert calls == [8, 8, 8]


def test_control_of_each_frame_goes_with_its_frame() -> None:
    clips, frames = 2, 5
    each = torch.arange(clips * frames).view(-1, 1, 1, 1).float()
    told = Condition(torch.zeros(clips, 2, 4), None, ([each, each * 10], each * 100))
    part = of_frames(told, slice(1, 3), frames)
    assert part.control is not None
    assert part.control[0][1].flatten().tolist() == [10, 20, 60, 70]
    assert part.control[1].flatten().tolist() == [100, 200, 600, 700]
    one = Condition(told.text, None, ([each[:clips]], each[:clips]))
    assert of_frames(one, slice(1, 3), frames) is one


def test_windows_of_the_real_network(shake: Callable[[nn.Module, int], nn.Module]) -> None:
    """The first window's first frames lie in no other: there the network alone decides, from that window alone."""
    torch.manual_seed(0)
    model = Generator().requires_grad_(False)
    shake(model, 0)
    x, told = gaussian(1, LATENT_CHANNELS, 7, 4, 4), Condition(model.encode_text(["a red star"]))
    made = windowed(model.clip, 4)(x, T, told)
    alone = model.clip(x[:, :, :4], T, told)
    assert torch.allclose(made[:, :, :2], alone[:, :, :2], atol=1e-5)
    assert not torch.allclose(made[:, :, 2:4], alone[:, :, 2:4], atol=1e-3)


# ---- shared noise


@settings(deadline=None)
@given(lengths, st.integers(0, 5))
def test_no_window_sees_the_same_noise_twice(case: tuple[int, int], seed: int) -> None:
    frames, window = case
    numbers = torch.arange(float(frames)).view(1, 1, frames, 1, 1)
    made = shared_noise(numbers, window, seeded(seed)).flatten()
    assert made[:window].tolist() == list(range(min(window, frames)))  # a clip of one window keeps its own
    for start in starts(frames, window):
        inside = made[start : start + window]
        assert len(inside.unique()) == len(inside)


def test_later_windows_have_the_first_ones_noise_in_another_order() -> None:
    eps = gaussian(1, 4, 24, 8, 8)
    made = shared_noise(eps, 8, seeded())
    first, second = made[0, :, :4], made[0, :, 8:12]
    order = [next(i for i in range(4) if torch.equal(first[:, i], second[:, j])) for j in range(4)]
    assert sorted(order) == [0, 1, 2, 3]
    assert made.std() == pytest.approx(1, abs=4 / math.sqrt(2 * 4 * 8 * 64))
    assert torch.equal(made, shared_noise(eps, 8, seeded()))
    assert not torch.equal(made, shared_noise(eps, 8, seeded(1)))
