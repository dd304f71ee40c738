"""V2V's two phases: what their losses teach, and that restoring looks at what V2V does when it is used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Generator
from magicvideo.models.refiner import Refiner
from magicvideo.models.verifier import Verifier
from magicvideo.train import clips, data, t2i, v2v

Networks = tuple[Autoencoder, Generator, Verifier, Refiner]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2v, "FRAMES", 2)
    monkeypatch.setattr(v2v, "DECODED", 3)


@pytest.fixture(scope="module")
def networks(shake: Callable[[nn.Module, int], nn.Module]) -> Networks:
    torch.manual_seed(0)
    generator, judge = Generator(), Verifier()
    for n, network in enumerate((generator, judge)):
        shake(network, n)
        network.requires_grad_(False)
    model = Refiner(generator)
    shake(model.control, 3)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("control.") or "motion_modules" in name)
    return t2i.load_autoencoder(), generator, judge, model.train()


def pairs(seed: int = 0) -> v2v.Pairs:
    rng = np.random.default_rng(seed)
    return v2v._pairs(rng, data.scenes(rng, 2))


@pytest.mark.parametrize("phase", ["denoising", "restoring"])
def test_a_phase_teaches_motion_and_control_alone(phase: str, networks: Networks) -> None:
    coder, generator, judge, model = networks
    torch.manual_seed(1)
    if phase == "denoising":
        terms = v2v.denoising(coder, generator, model, pairs())
    else:
        terms = v2v.restoring(coder, generator, judge, model, pairs())
    taught = [term for name, term in terms.items() if name != "plain"]
    assert all(term.requires_grad and term > 0 for term in taught)
    assert not terms["plain"].requires_grad
    model.zero_grad(set_to_none=True)
    torch.stack(taught).sum().backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(name.startswith("control.") for name in moved)
    assert any("motion_modules" in name for name in moved)
    assert all(name.startswith("control.") or "motion_modules" in name for name in moved)
    assert all(p.grad is None for network in (coder, generator, judge) for p in network.parameters())


def test_restoring_ends_at_the_truth_where_the_prediction_is_right(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the v that leads from the noised keyframes to the true ones, latents and features are the truth's."""
    coder, generator, judge, model = networks
    shown = pairs()
    truth = clips.latents(coder, shown.large)

    def right(x: Tensor, t: Tensor, given: object) -> Tensor:
        a, s = v2v.diffusion.level(t, x)
        return (a * x - truth) / s

    monkeypatch.setattr(model, "forward", right)
    torch.manual_seed(1)
    terms = v2v.restoring(coder, generator, judge, model, shown)
    assert terms["latents"] == pytest.approx(0, abs=1e-9)
    assert terms["features"] == pytest.approx(0, abs=1e-6)
    best = coder.decode(truth.transpose(1, 2).flatten(0, 1)) - shown.large.flatten(0, 1)
    assert terms["pixels"] < v2v.PIXELS * best.abs().mean()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_keyframes_are_guessed_back_in_one_step_or_sampled(
    share: float, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder, generator, _, _ = networks
    monkeypatch.setattr(v2v, "IN_ONE_STEP", share)
    steps = list[int]()
    monkeypatch.setattr(generator, "clip", lambda x, t, given: steps.append(int(t[0])) or torch.zeros_like(x))
    torch.manual_seed(3)
    found = v2v.faulty(coder, generator, pairs())
    assert found.shape == (2, 2, 3, 128, 128)
    assert (len(steps) == 1) == (share == 1)
    assert steps == sorted(steps, reverse=True)
    assert max(steps) < v2v.MOST_FAULT


def test_features_of_the_verifier_go_from_fine_to_coarse(networks: Networks) -> None:
    latents = torch.rand(3, 12, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = networks[2].features(latents)
    assert [m.shape[1:] for m in maps] == [(48, 16, 16), (48, 16, 16), (80, 8, 8), (112, 4, 4)]
    assert torch.equal(nn.functional.silu(maps[-1]), networks[2].body(latents))
