"""V2V's network: own motion modules and control, the generator's spatial layers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from magicvideo.models.autoencoder import LATENT_CHANNELS
from magicvideo.models.generator import Condition, Generator
from magicvideo.models.refiner import NO_REFERENCE, Refiner

X, T = torch.randn(2, LATENT_CHANNELS, 3, 6, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([500, 100])


@pytest.fixture(scope="module")
def generator(shake: Callable[[nn.Module, int], nn.Module]) -> Generator:
    torch.manual_seed(0)
    made = Generator().requires_grad_(False)
    shake(made, 1)
    return made


@pytest.fixture(scope="module")
def refiner(generator: Generator) -> Refiner:
    torch.manual_seed(1)
    made = Refiner(generator).eval().requires_grad_(False)
    for name, parameter in made.named_parameters():
        if name.startswith("control.") or "motion_modules" in name:
            torch.manual_seed(len(name))
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return made


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.rand(2, 3, 3, 48, 48, generator=torch.Generator().manual_seed(2))


def condition(generator: Generator, refiner: Refiner, frames: Tensor, reference: Tensor | None = None) -> Condition:
    shown = torch.full_like(frames[:, 0], NO_REFERENCE) if reference is None else reference
    return Condition(generator.encode_text(["a red star"] * len(frames)), None, refiner.encode(shown, frames))


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=2e-5, rtol=1e-4)


def test_spatial_layers_are_the_generators_and_motion_modules_are_not(generator: Generator, refiner: Refiner) -> None:
    spatial = {id(p) for p in generator.spatial.parameters()}
    keyframes = {id(p) for n, p in generator.motion.named_parameters() if "motion_modules" in n}
    for name, parameter in refiner.motion.named_parameters():
        assert (id(parameter) in spatial) == ("motion_modules" not in name)
        assert id(parameter) not in keyframes


def test_control_sees_each_frame_and_the_reference(generator: Generator, refiner: Refiner, frames: Tensor) -> None:
    base = refiner(X, T, condition(generator, refiner, frames))
    assert base.shape == X.shape
    changed = frames.clone()
    changed[:, 1] = 1 - changed[:, 1]
    assert (refiner(X, T, condition(generator, refiner, changed)) - base).abs().max() > 1e-4
    assert (refiner(X, T, condition(generator, refiner, frames, frames[:, 0])) - base).abs().max() > 1e-4


def test_grey_stands_for_no_reference(refiner: Refiner, frames: Tensor) -> None:
    """The ControlNet maps [0,1] to [-1,1]: grey is the zero it sees where a reference was dropped in training."""
    assert NO_REFERENCE * 2 - 1 == 0
    down, middle = refiner.encode(torch.full_like(frames[:, 0], NO_REFERENCE), frames)
    assert middle.shape[0] == 6
    assert all(r.shape[0] == 6 for r in down)


def test_frames_keep_their_order_in_the_batch(generator: Generator, refiner: Refiner, frames: Tensor) -> None:
    both = refiner(X, T, condition(generator, refiner, frames))
    for n in range(2):
        one = slice(n, n + 1)
        assert close(refiner(X[one], T[one], condition(generator, refiner, frames[one])), both[one])


def test_weights_are_motion_and_control_alone_and_come_back(
    generator: Generator, refiner: Refiner, frames: Tensor
) -> None:
    saved = refiner.weights()
    assert all(k.startswith("control.") or "motion_modules" in k for k in saved)
    torch.manual_seed(5)
    other = Refiner(generator).eval().requires_grad_(False)
    given = condition(generator, refiner, frames)
    assert not close(other(X, T, given), refiner(X, T, given))
    other.load_weights(saved)
    given = condition(generator, other, frames)
    assert torch.equal(other(X, T, given), refiner(X, T, condition(generator, refiner, frames)))


def test_loading_leaves_the_generator_as_it_is(generator: Generator, refiner: Refiner) -> None:
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    Refiner(generator).load_weights(refiner.weights())
    after = generator.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_weights_that_do_not_fit_are_refused(generator: Generator, refiner: Refiner) -> None:
    saved = refiner.weights()
    some = next(iter(saved))
    for bad in ({k: v for k, v in saved.items() if k != some}, saved | {"extra": X}):
        with pytest.raises(ValueError, match="weights do not fit"):
            Refiner(generator).load_weights(bad)
