"""The schedule and the sampler, held against closed forms and an oracle that knows the answer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from magicvideo.models.diffusion import (
    ALPHAS_BAR,
    STEPS,
    add_noise,
    clean,
    draw_steps,
    level,
    sample,
    start_step,
    velocity,
)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


X0, EPS = gaussian(5, 8, 4, 4), gaussian(5, 8, 4, 4, seed=1)
T = torch.tensor([0, 10, 400, 800, 999])


def test_the_schedule_falls_from_clean_to_stable_diffusions_end() -> None:
    assert ALPHAS_BAR.shape == (STEPS,)
    assert ALPHAS_BAR.dtype == torch.float64
    assert (ALPHAS_BAR.diff() < 0).all()
    assert ALPHAS_BAR[0] > 0.999
    assert ALPHAS_BAR[-1].sqrt() == pytest.approx(0.0683, abs=1e-9)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()  # Stable Diffusion's
    assert (1 - betas).log().sum().exp().sqrt() == pytest.approx(0.0683, abs=5e-5)


def test_levels_are_on_the_unit_circle() -> None:
    a, s = level(T, X0)
    assert a.shape == (5, 1, 1, 1)
    assert torch.allclose(a.square() + s.square(), torch.ones_like(a))
    assert torch.allclose(a.flatten().double(), ALPHAS_BAR[T].sqrt(), atol=1e-7)


def test_noising_velocity_and_clean_undo_each_other() -> None:
    x, v = add_noise(X0, EPS, T), velocity(X0, EPS, T)
    assert torch.allclose(clean(x, v, T), X0, atol=1e-5)
    a, s = level(T, x)
    assert torch.allclose(s * x + a * v, EPS, atol=1e-5)
    assert torch.allclose(x.square() + v.square(), X0.square() + EPS.square(), rtol=1e-4, atol=1e-4)  # a rotation


def test_noised_data_keeps_unit_variance() -> None:
    x0, eps = gaussian(2000, 16), gaussian(2000, 16, seed=1)
    for t in (0, 500, 999):
        assert add_noise(x0, eps, torch.full((2000,), t)).var() == pytest.approx(1, abs=0.03)


def test_training_steps_lean_to_high_noise_and_leave_none_out() -> None:
    torch.manual_seed(0)
    t = draw_steps(20_000)
    assert t.dtype == torch.int64
    assert 0 <= t.min() <= t.max() < STEPS
    share = torch.histc(t.float(), bins=10, min=0, max=STEPS) / len(t)
    assert share.min() > 0.02  # a quarter is uniform
    assert t.float().median() == pytest.approx(600, abs=30)


def oracle(x0: Tensor) -> object:
    """v for data that is always x0: whatever noise x holds, it is told exactly."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        assert t.dtype == torch.int64
        assert t.ndim == 0
        a, s = level(t.expand(x.shape[0]), x)
        return velocity(x0, (x - a * x0) / s, t.expand(x.shape[0]))

    return predict


@pytest.mark.parametrize("steps", [1, 2, 6, 12, 50])
def test_sampling_with_an_oracle_finds_the_answer(steps: int) -> None:
    assert torch.allclose(sample(oracle(X0), EPS.clone(), steps), X0, atol=1e-4)  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 30), strength=st.floats(0.01, 1))
def test_sampling_from_the_middle_with_an_oracle_finds_the_answer(steps: int, strength: float) -> None:
    t = torch.full((5,), start_step(steps, strength))
    x = add_noise(X0, EPS, t)
    assert torch.allclose(sample(oracle(X0), x, steps, strength), X0, atol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize(("steps", "strength"), [(6, 1.0), (6, 0.5), (10, 0.25), (3, 0.01), (1, 0.5)])
def test_the_first_step_asked_is_the_start_step(steps: int, strength: float) -> None:
    asked = list[int]()

    def predict(x: Tensor, t: Tensor) -> Tensor:
        asked.append(int(t))
        return torch.zeros_like(x)

    sample(predict, EPS, steps, strength)
    assert asked[0] == start_step(steps, strength)
    assert len(asked) == max(1, round(steps * strength))
    assert asked == sorted(asked, reverse=True)


def test_full_strength_starts_at_the_end_of_the_schedule() -> None:
    assert {start_step(steps, 1.0) for steps in (1, 2, 7, 50, 1000)} == {STEPS - 1}
    starts = [start_step(20, s / 20) for s in range(1, 21)]
    assert starts == sorted(starts)
    assert len(set(starts)) == 20


def test_sampling_of_a_gaussian_keeps_its_moments() -> None:
    """For data N(m, sigma^2) the best v is known; the solver must give that distribution back."""
    m, sigma = 0.7, 0.4

    def predict(x: Tensor, t: Tensor) -> Tensor:
        a, s = level(t.expand(x.shape[0]), x)
        x0 = m + sigma**2 * a / (a**2 * sigma**2 + s**2) * (x - a * m)
        return (a * x - x0) / s

    steps = 40
    start = add_noise(m + sigma * gaussian(4000, 4), gaussian(4000, 4, seed=1), torch.full((4000,), STEPS - 1))
    made = sample(predict, start, steps)
    assert made.mean() == pytest.approx(m, abs=0.02)
    assert made.std() == pytest.approx(sigma, abs=0.02)


def test_sampling_is_deterministic_and_draws_nothing() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    made = [sample(lambda x, t: 0.1 * x, EPS.clone(), 5) for _ in range(2)]
    assert torch.equal(made[0], made[1])
    assert torch.equal(before, torch.get_rng_state())
    assert not made[0].requires_grad
