"""Where keyframes' denoising starts: mean and variance against the formula, in each sampler's own scale."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from magicvideo import presets
from magicvideo.errors import InputError
from magicvideo.stage_config import NoisePrior
from magicvideo.stages.public.sampling import denoise, first_abar, last_steps, scheduler, start

CPU = torch.device("cpu")
SAMPLERS: tuple[Literal["ddim", "euler", "dpm++"], ...] = ("ddim", "euler", "dpm++")
STAGE = presets.read("paper-sd15").stages["i2v"]
ABAR = torch.cumprod(1 - torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64), 0)
"""AnimateDiff's linear betas, written out."""
Z = torch.linspace(-2, 2, 4 * 6 * 6).reshape(1, 4, 6, 6)
EPS = torch.randn((1, 4, 5, 6, 6), generator=torch.Generator().manual_seed(0))
STILL = Z.unsqueeze(2).expand_as(EPS)


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_mean_and_variance_of_the_shifted_start(name: Literal["ddim", "euler", "dpm++"], spacing: str) -> None:
    """The start is affine in z and eps: without eps it is the mean, without z the deviation times eps."""
    own = {**STAGE.schedulers[name], "timestep_spacing": spacing}
    stage = STAGE.model_copy(update={"schedulers": {name: own}})
    sampler = scheduler(stage, name, 25, CPU)
    t = round(float(sampler.timesteps[0]))
    abar, a = float(ABAR[t]), 3.0
    mean, deviation = a * abar**0.5, (1 - abar) ** 0.5
    if name == "euler":  # z + sigma eps
        mean, deviation = a, ((1 - abar) / abar) ** 0.5
    prior = NoisePrior(kind="mean_shift", strength=a)
    torch.testing.assert_close(start(sampler, prior, 0 * EPS, Z), mean * STILL, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(start(sampler, prior, EPS, 0 * Z), deviation * EPS, rtol=1e-4, atol=1e-6)
    x = start(sampler, prior, torch.randn((1, 4, 4000, 6, 6)), Z)
    torch.testing.assert_close(x.mean(2), mean * Z, rtol=0, atol=6 * deviation / 4000**0.5)
    assert float(x.var(2).mean()) == pytest.approx(deviation**2, rel=0.02)


@pytest.mark.parametrize("name", SAMPLERS)
def test_strength_one_is_what_the_scheduler_makes_of_a_still_video(name: str) -> None:
    sampler = scheduler(STAGE, name, 25, CPU)
    noised = sampler.add_noise(STILL, EPS, sampler.timesteps[:1])
    torch.testing.assert_close(start(sampler, NoisePrior(), EPS, Z), noised, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_all_samplers_start_at_the_same_place(name: str) -> None:
    """In unit variance: Euler's latents as its network sees them."""
    sampler, other = scheduler(STAGE, name, 25, CPU), scheduler(STAGE, "ddim", 25, CPU)
    seen = sampler.scale_model_input(start(sampler, NoisePrior(), EPS, Z), sampler.timesteps[0])
    torch.testing.assert_close(seen, start(other, NoisePrior(), EPS, Z), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_without_a_prior_a_ready_pipeline_starts_there_too(name: str) -> None:
    sampler = scheduler(STAGE, name, 25, CPU)
    assert torch.equal(start(sampler, NoisePrior(kind="none"), EPS, Z), EPS * float(sampler.init_noise_sigma))


def test_a_schedule_that_ends_in_pure_noise_has_no_mean_to_shift() -> None:
    stage = STAGE.model_copy(update={"schedule": {**STAGE.schedule, "rescale_betas_zero_snr": True}})
    sampler = scheduler(stage, "ddim", 25, CPU)
    assert first_abar(sampler) == pytest.approx(0, abs=1e-7)
    with pytest.raises(InputError, match="zero terminal SNR"):
        start(sampler, NoisePrior(), EPS, Z)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("strength", "left"), [(1.0, 10), (0.5, 5), (0.01, 1)])
def test_a_part_of_the_schedule_ends_where_the_whole_ends(name: str, strength: float, left: int) -> None:
    """A network that knows the clean latents brings any start back to them."""
    sampler = scheduler(STAGE, name, 10, CPU)
    whole = sampler.timesteps.tolist()
    steps = last_steps(sampler, 10, strength)
    assert steps.tolist() == whole[10 - left :]
    x = denoise(sampler, lambda x, t: EPS, sampler.add_noise(STILL, EPS, steps[:1]), steps)
    torch.testing.assert_close(x, STILL, rtol=1e-3, atol=5e-2)
