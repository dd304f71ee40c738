"""The perceptual distance: a distance's properties, the package's formula, and gradients for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evals.backbones import load
from evals.backbones.perceptual import PerceptualDistance, PocketPerceptual


def pictures(n: int, size: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


def test_nought_for_equal_pictures_symmetric_and_positive_else(untrained: Path) -> None:
    backbone, a, b = load("pocket-perceptual"), pictures(40), pictures(40, seed=1)
    np.testing.assert_array_equal(backbone.distance(a, a), np.zeros(40, np.float32))
    there = backbone.distance(a, b)
    assert there.dtype == np.float32
    assert (there > 0).all()
    np.testing.assert_array_equal(there, backbone.distance(b, a))
    np.testing.assert_allclose(there[5:6], backbone.distance(a[5:6], b[5:6]), atol=1e-5)


def test_the_sum_over_layers_of_squared_unit_differences(untrained: Path) -> None:
    network = PerceptualDistance()
    a, b = (torch.from_numpy(pictures(3, seed=s)).float() / 255 for s in (0, 1))
    expected = torch.zeros(3)
    for one, two in zip(network.trunk(a), network.trunk(b), strict=True):
        cosines = torch.cosine_similarity(one, two, dim=1)
        lengths = (one.norm(dim=1) > 1e-6).float() + (two.norm(dim=1) > 1e-6).float()
        expected += (lengths - 2 * cosines).mean((1, 2))
    torch.testing.assert_close(network(a, b), expected, atol=1e-4, rtol=1e-4)


def test_gradients_are_finite_and_the_weights_frozen(untrained: Path) -> None:
    network = PerceptualDistance()
    with torch.no_grad():
        network.trunk.get_parameter("stages.0.1.conv.bias").fill_(-100.0)  # every channel of the first map is 0
    a = torch.rand(2, 3, 32, 32, requires_grad=True)
    network(a, torch.rand(2, 3, 32, 32)).sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()
    assert not any(p.requires_grad for p in network.parameters())


def test_a_step_down_the_gradient_comes_nearer(untrained: Path) -> None:
    network, b = PerceptualDistance(), torch.rand(1, 3, 32, 32)
    a = torch.rand(1, 3, 32, 32, requires_grad=True)
    before = network(a, b).sum()
    before.backward()
    assert a.grad is not None
    assert network(a.detach() - 0.05 * a.grad / a.grad.norm(), b).item() < before.item()


def test_odd_small_and_large_pictures(untrained: Path) -> None:
    backbone = load("pocket-perceptual")
    for shape in ((1, 3, 17, 31), (1, 3, 300, 520), (0, 3, 8, 8)):
        a = np.full(shape, 90, np.uint8)
        assert backbone.distance(a, a).tolist() == [0.0] * shape[0]


def test_unlike_shapes_and_floats_are_refused(untrained: Path) -> None:
    backbone = load("pocket-perceptual")
    with pytest.raises(ValueError, match="one shape"):
        backbone.distance(pictures(2), pictures(3))
    with pytest.raises(ValueError, match="uint8"):
        backbone.distance(pictures(1) / 255, pictures(1))


def test_a_picture_goes_through_the_network_once_whatever_it_is_compared_with(untrained: Path) -> None:
    backbone, frames = load("pocket-perceptual"), pictures(70)
    steps = backbone.distance(frames[:-1], frames[1:])
    to_first = backbone.distance(frames, np.broadcast_to(frames[:1], frames.shape))
    backbone = PocketPerceptual()
    seen, look = list[int](), backbone.features
    backbone.features = lambda some: seen.append(len(some)) or look(some)
    np.testing.assert_allclose(backbone.steps(frames), steps, atol=1e-6)
    assert sum(seen) == 70
    np.testing.assert_allclose(backbone.distance(frames, frames[:1]), to_first, atol=1e-6)
    assert sum(seen) == 71  # the first frame alone, as what all are compared with


def test_one_frame_has_no_step_and_other_shapes_are_refused(untrained: Path) -> None:
    backbone = load("pocket-perceptual")
    assert backbone.steps(pictures(1)).shape == (0,)
    with pytest.raises(ValueError, match="two uint8 arrays of one shape"):
        backbone.distance(pictures(4), pictures(3))


def test_neighbours_and_truth_and_neighbours_of_the_truth_share_what_the_network_saw(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, truth, looked = pictures(40), pictures(40, seed=1), []
    alone = PocketPerceptual()
    expected = alone.steps(frames), PocketPerceptual().distance(frames, truth), PocketPerceptual().steps(truth)
    backbone = PocketPerceptual()
    features = backbone.features
    monkeypatch.setattr(backbone, "features", lambda some: looked.append(len(some)) or features(some))
    found = backbone.steps(frames), backbone.distance(frames, truth), backbone.steps(truth)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(looked) == 80


def test_what_changed_in_place_is_looked_at_again(untrained: Path) -> None:
    backbone, a, b = PocketPerceptual(), pictures(4), pictures(4, seed=1)
    backbone.distance(a, b)
    a[:] = b
    np.testing.assert_array_equal(backbone.distance(a, b), np.zeros(4, np.float32))


def test_pictures_of_the_same_bytes_and_another_shape_are_others(untrained: Path) -> None:
    backbone, wide = PocketPerceptual(), pictures(2, 32).reshape(2, 3, 16, 64)
    backbone.steps(wide)
    tall = wide.reshape(2, 3, 64, 16)
    np.testing.assert_array_equal(backbone.steps(tall), PocketPerceptual().steps(tall))


def test_only_so_much_is_remembered(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = PocketPerceptual()
    one = sum(layer.nbytes for layer in backbone.features(pictures(1)))
    monkeypatch.setattr("evals.backbones.feature_distance.REMEMBERED_BYTES", 3 * one)
    for seed in range(9):
        backbone.distance(pictures(1, seed=seed), pictures(1, seed=seed + 1))
    assert sum(layer.nbytes for kept in backbone._memory._kept.values() for layer in kept) <= 3 * one
