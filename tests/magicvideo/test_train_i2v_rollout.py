"""I2V's last phase: clips drawn as I2V draws them, their paths compared with the truth's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from magicvideo.models import diffusion
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator
from magicvideo.stage_config import I2VConfig
from magicvideo.stages.common import guided
from magicvideo.train import clips, i2v_rollout, t2i
from magicvideo.world import render, sample_scene
from magicvideo.world.render import backdrop, pose

Networks = tuple[Autoencoder, Generator]
Descend = Callable[[Callable[[], Tensor], list[nn.Parameter]], tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def networks(shake: Callable[[nn.Module, int], nn.Module]) -> Networks:
    torch.manual_seed(0)
    model = Generator()
    shake(model, 1)
    coder = t2i.load_autoencoder()
    i2v_rollout.training(coder, model, "generator", 1, seed=0)
    return coder, model.eval()


@pytest.fixture(scope="module")
def shown() -> i2v_rollout.Batch:
    rng = np.random.default_rng(0)
    return i2v_rollout.Batch(clips.sampled(rng, 2, 3.0, silent=0.0), clips.sampled(rng, 1))


def test_what_is_drawn_has_a_caption(shown: i2v_rollout.Batch) -> None:
    drawn = [i2v_rollout.batch(np.random.default_rng(k)).drawn for k in range(3)]
    assert all((each.ids.count_nonzero(1) > 2).all() for each in drawn)


def test_clips_are_drawn_as_i2v_draws_them(networks: Networks, shown: i2v_rollout.Batch) -> None:
    _, model = networks
    reference, config = shown.drawn.frames[:, 0], I2VConfig()
    given = Condition(model.text(shown.drawn.ids), model.appearance(reference), model.control(reference))
    noise = torch.randn(2, 12, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = diffusion.sample(guided(model.clip, model, given, config.guidance), noise, config.steps)
        found = i2v_rollout.draw(model, noise, given)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_motion_and_control_alone_learn_from_every_third_of_the_way(
    networks: Networks, shown: i2v_rollout.Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder, model = networks
    learned, clip = list[bool](), model.clip

    def watched(x: Tensor, t: Tensor, given: Condition) -> Tensor:
        v = clip(x, t, given)
        learned.append(v.requires_grad)
        assert not x.requires_grad
        return v

    monkeypatch.setattr(model, "clip", watched)
    torch.manual_seed(1)
    terms = i2v_rollout.loss(coder, model, shown)
    *in_steps, on_truth = learned
    told, untold = in_steps[::2], in_steps[1::2]
    assert on_truth
    assert not any(untold)
    assert [sum(told[:1]), sum(told[1:3]), sum(told[3:])] == [1, 1, 1]
    torch.stack([t for t in terms.values() if t.requires_grad]).sum().backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert any("motion_modules" in name for name in moved)
    assert any(name.startswith("control.") for name in moved)
    assert all(name.startswith("control.") or "motion_modules" in name for name in moved)


def test_a_step_against_the_gradient_brings_drawn_paths_nearer_to_the_truth(
    networks: Networks, shown: i2v_rollout.Batch, descend: Descend
) -> None:
    coder, model = networks
    learning = [p for p in model.parameters() if p.requires_grad]

    def strayed() -> Tensor:
        torch.manual_seed(4)
        return i2v_rollout.loss(coder, model, shown)["strayed"]

    before, after = descend(strayed, learning)
    assert after < before


def test_moments_follow_the_shape_and_see_nothing_in_an_empty_scene() -> None:
    coder, rng, times = t2i.load_autoencoder(), np.random.default_rng(2), np.linspace(0, 1, 8)
    scenes = [sample_scene(rng) for _ in range(12)]
    x0 = clips.latents(coder, torch.from_numpy(np.stack([render(s, times, 64) for s in scenes])))
    empty = clips.latents(coder, torch.from_numpy(np.stack([backdrop(s, 64)[None] for s in scenes])))
    seen, poses = i2v_rollout.moments(x0, empty), [pose(s, times) for s in scenes]
    true = torch.from_numpy(np.stack([np.stack([p.x, p.y], -1) for p in poses]))
    moved, truly = seen.middle - seen.middle[:, :1], true - true[:, :1]
    assert (moved - truly).norm(dim=-1).mean() < 0.2 * truly.norm(dim=-1).mean()
    radius = torch.from_numpy(np.stack([p.radius for p in poses]))
    assert torch.corrcoef(torch.stack([seen.spread.flatten(), radius.flatten()]))[0, 1] > 0.5
    nothing = i2v_rollout.moments(empty, empty)
    assert float(nothing.share.max()) == 0
    assert torch.isfinite(nothing.middle).all()
