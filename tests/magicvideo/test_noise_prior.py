"""The priors' formulas, measured: means, variances, correlations and bands."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from magicvideo import noise_prior
from magicvideo.errors import InputError
from magicvideo.models.diffusion import ALPHAS_BAR, STEPS, add_noise
from magicvideo.stage_config import NoisePrior, NoisePriorKind

ABAR = float(ALPHAS_BAR[-1])
SHAPE = (4000, 2, 6, 2, 2)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_none_returns_the_noise_itself() -> None:
    eps = gaussian(1, 8, 3, 4, 4)
    assert noise_prior.start(NoisePrior(kind="none", strength=9), eps, gaussian(1, 8, 4, 4), ABAR) is eps


@pytest.mark.parametrize("a", [0.0, 1.0, 3.0])
def test_mean_shift_has_the_formulas_mean_and_variance(a: float) -> None:
    reference = gaussian(1, *SHAPE[1:2], *SHAPE[3:], seed=1).expand(SHAPE[0], -1, -1, -1)
    x = noise_prior.mean_shift(gaussian(*SHAPE), reference, ABAR, a)
    expected = a * math.sqrt(ABAR) * reference[0]
    assert (x.mean((0, 2)) - expected).abs().max() < 0.03
    assert x.var(0).mean() == pytest.approx(1 - ABAR, abs=0.01)
    assert torch.allclose(x - gaussian(*SHAPE) * math.sqrt(1 - ABAR), expected[None, :, None].expand_as(x), atol=1e-5)


def test_mean_shift_of_one_is_a_noised_still_video() -> None:
    reference, eps = gaussian(1, 8, 4, 4, seed=1), gaussian(1, 8, 5, 4, 4)
    still = reference.unsqueeze(2).expand_as(eps)
    noised = add_noise(still, eps, torch.tensor([STEPS - 1]))
    assert torch.allclose(noise_prior.mean_shift(eps, reference, ABAR, 1.0), noised, atol=1e-6)


@pytest.mark.parametrize("r", [0.0, 0.5, 1.0, 3.0])
def test_mixed_has_unit_variance_and_the_papers_correlation(r: float) -> None:
    x = noise_prior.mixed(gaussian(*SHAPE), r)
    rows = x.permute(2, 0, 1, 3, 4).flatten(1)  # [T,N]
    assert rows.var(1) == pytest.approx(torch.ones(6), abs=0.03)
    assert rows.mean(1).abs().max() < 0.03
    correlation = torch.corrcoef(rows)
    off = correlation[~torch.eye(6, dtype=torch.bool)]
    assert off == pytest.approx(torch.full((30,), r * r / (1 + r * r)), abs=0.03)
    kurtosis = rows.pow(4).mean() / rows.var().square()
    assert kurtosis == pytest.approx(3, abs=0.1)


def test_mixed_without_a_shared_part_and_of_one_frame_is_the_noise() -> None:
    eps, one = gaussian(2, 8, 7, 4, 4), gaussian(2, 8, 1, 4, 4)
    assert torch.allclose(noise_prior.mixed(eps, 0.0), eps, atol=1e-6)
    assert torch.equal(noise_prior.mixed(one, 5.0), one)


def test_mixed_all_shared_is_one_noise_for_all_frames() -> None:
    x = noise_prior.mixed(gaussian(1, 8, 7, 4, 4), 1e6)
    assert (x - x[:, :, :1]).abs().max() < 1e-4
    assert x[:, :, 0].var() == pytest.approx(1, abs=0.3)


def bands(x: Tensor) -> Tensor:
    return torch.fft.fftn(x, dim=(2, 3, 4))


def test_frame_init_takes_low_bands_from_the_reference_and_high_ones_from_noise() -> None:
    eps, reference, a = gaussian(1, 8, 8, 16, 16), 5 * gaussian(1, 8, 16, 16, seed=1), 20.0
    x = noise_prior.frame_init(eps, reference, ABAR, a)
    still = noise_prior.mean_shift(eps, reference, ABAR, a)
    made, low, high = bands(x), bands(still), bands(eps)
    assert torch.allclose(made[:, :, 0, 0, 0], low[:, :, 0, 0, 0], rtol=1e-4, atol=1e-2)  # the mean: all reference
    assert torch.allclose(made[:, :, 4, 8, 8], high[:, :, 4, 8, 8], rtol=1e-3, atol=1e-2)  # Nyquist: all noise
    keep = math.exp(-((2 / 8) ** 2) / (2 * noise_prior.CUT**2))  # one cycle over the clip, no change in space
    expected = keep * low[:, :, 1, 0, 0] + (1 - keep) * high[:, :, 1, 0, 0]
    assert torch.allclose(made[:, :, 1, 0, 0], expected, rtol=1e-3, atol=1e-2)
    assert x.dtype == eps.dtype


def test_frame_init_keeps_about_unit_variance() -> None:
    eps = gaussian(500, 2, 8, 8, 8)
    x = noise_prior.frame_init(eps, torch.zeros(500, 2, 8, 8), ABAR, 1.0)
    assert x.var() == pytest.approx(1, abs=0.02)
    assert x.mean().abs() < 0.01


def test_frame_init_bounds_what_a_reference_can_say() -> None:
    """Fine detail of the reference passes less than its layout."""
    eps, flat = gaussian(1, 1, 8, 16, 16), torch.ones(1, 1, 16, 16)
    fine = flat * torch.tensor([1.0, -1.0]).repeat(8)  # alternates every pixel
    quiet = noise_prior.frame_init(eps, 0 * flat, ABAR, 10.0)
    moved = [(noise_prior.frame_init(eps, r, ABAR, 10.0) - quiet).abs().mean() for r in (flat, fine)]
    assert moved[0] > 0.5
    assert moved[1] < 0.01


@pytest.mark.parametrize("kind", ["mean_shift", "frame_init"])
def test_a_schedule_that_ends_in_pure_noise_is_refused(kind: NoisePriorKind) -> None:
    with pytest.raises(InputError, match=f"noise_prior.kind={kind}: this schedule has zero terminal SNR"):
        noise_prior.start(NoisePrior(kind=kind), gaussian(1, 8, 3, 4, 4), gaussian(1, 8, 4, 4), 0.0)


def test_mixed_needs_no_terminal_signal() -> None:
    eps = gaussian(1, 8, 3, 4, 4)
    made = noise_prior.start(NoisePrior(kind="mixed", strength=1), eps, gaussian(1, 8, 4, 4), 0.0)
    assert torch.equal(made, noise_prior.mixed(eps, 1.0))


@pytest.mark.parametrize("kind", ["mean_shift", "mixed", "frame_init"])
def test_the_kind_picks_its_formula_and_the_strength_matters(kind: NoisePriorKind) -> None:
    eps, reference = gaussian(1, 8, 4, 8, 8), gaussian(1, 8, 8, 8, seed=1)
    made = [noise_prior.start(NoisePrior(kind=kind, strength=s), eps, reference, ABAR) for s in (1.0, 2.0)]
    formula = {
        "mean_shift": lambda: noise_prior.mean_shift(eps, reference, ABAR, 1.0),
        "mixed": lambda: noise_prior.mixed(eps, 1.0),
        "frame_init": lambda: noise_prior.frame_init(eps, reference, ABAR, 1.0),
    }[kind]
    assert torch.equal(made[0], formula())
    assert not torch.allclose(made[0], made[1], atol=1e-3)
    assert made[0].shape == eps.shape
