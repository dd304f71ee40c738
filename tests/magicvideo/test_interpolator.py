"""The interpolator's architecture with random weights, and the parts of its training's loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magicvideo.models.deformable import warp
from magicvideo.models.interpolator import MULTIPLE, Interpolator
from magicvideo.train.gaps import Batch, gap_batch, gap_scenes, sample_gap, wear
from magicvideo.train.vfi import IDLE, Joint, perceptual


@pytest.fixture(scope="module")
def model() -> Interpolator:
    torch.manual_seed(0)
    return Interpolator().eval()


def frames(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(size=shape).astype(np.float32))


def test_size_is_as_documented(model: Interpolator) -> None:
    assert 0.8e6 < sum(p.numel() for p in model.parameters()) < 1.2e6
    assert not any(isinstance(m, torch.nn.GroupNorm | torch.nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize("size", [(64, 64), (33, 50), (8, 8), (1, 17)])
def test_any_size_any_t(model: Interpolator, size: tuple[int, int]) -> None:
    first, last = frames(1, 3, 3, *size), frames(2, 3, 3, *size)
    with torch.no_grad():
        made = model(first, last, torch.tensor([0.1, 0.5, 0.93]))
    assert made.shape == first.shape
    assert made.dtype == torch.float32
    assert made.min() >= 0
    assert made.max() <= 1


def test_padding_does_not_reach_whole_frames(model: Interpolator) -> None:
    """A frame padded by hand to the next multiple gives the same picture as one padded inside."""
    first, last, t = frames(1, 1, 3, 30, 40), frames(2, 1, 3, 30, 40), torch.tensor([0.4])
    wide = [torch.nn.functional.pad(f, (0, 0, 0, 32 - 30), mode="replicate") for f in (first, last)]
    with torch.no_grad():
        assert torch.allclose(model(first, last, t), model(*wide, t)[..., :30, :], atol=1e-3)
    assert MULTIPLE == 8


def test_untrained_it_blends(model: Interpolator) -> None:
    """Small displacements, narrow kernels, a prior by t: random weights stay near linear blending of smooth frames."""
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 64, 64)
    first, last, t = ramp, ramp.flip(-1), torch.tensor([0.25])
    with torch.no_grad():
        made = model(first, last, t)
    assert (made - (0.75 * first + 0.25 * last)).abs().mean() < 0.1


def test_t_matters_and_batches_do_not(model: Interpolator) -> None:
    first, last = frames(1, 2, 3, 32, 32), frames(2, 2, 3, 32, 32)
    with torch.no_grad():
        both = model(first, last, torch.tensor([0.2, 0.8]))
        alone = model(first[:1], last[:1], torch.tensor([0.2]))
        other = model(first[:1], last[:1], torch.tensor([0.8]))
    assert torch.allclose(both[:1], alone, atol=1e-5)
    assert (other - alone).abs().mean() > 0.05


def test_codes_are_entries_of_the_codebook(model: Interpolator) -> None:
    with torch.no_grad():
        found = model.encode(frames(3, 2, 3, 32, 48))
    book = model.encoder.quantise.embedding.weight
    assert found.entries.shape == (2, 4, 6)
    assert torch.allclose(found.codes.permute(0, 2, 3, 1), book[found.entries], atol=1e-6)
    assert torch.allclose(found.take(torch.tensor([1])).codes, found.codes[1:])


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    joint = Joint(steps=1)
    joint.done.fill_(1)  # the critic has joined
    terms = joint.loss(Batch(*(x[:3] for x in gap_batch(np.random.default_rng(0)))))
    assert set(terms) == {"pixels", "pyramid", "perceptual", "motion", "codes", "adversarial", "critic"}
    torch.stack(list(terms.values())).sum().backward()
    silent = {name for name, p in joint.named_parameters() if p.grad is None or not p.grad.any()}
    assert silent <= {"critic.net.6.bias"}  # inside both hinges, real and fake pull it equally


def test_adversarial_term_leaves_the_critic_alone() -> None:
    torch.manual_seed(0)
    joint = Joint(steps=1)
    joint.done.fill_(1)
    batch = Batch(*(x[:2] for x in gap_batch(np.random.default_rng(0))))
    joint.loss(batch)["adversarial"].backward()
    assert all(p.grad is None for p in joint.critic.parameters())
    joint.zero_grad(set_to_none=True)
    joint.loss(batch)["critic"].backward()
    assert all(p.grad is None for p in joint.interpolator.parameters())


def test_critic_joins_when_settled() -> None:
    joint = Joint(steps=5)
    batch = Batch(*(x[:2] for x in gap_batch(np.random.default_rng(0))))
    joined = ["critic" in joint.loss(batch) for _ in range(4)]
    assert joined == [False, False, False, True]


def test_idle_codes_are_moved_to_where_frames_are() -> None:
    torch.manual_seed(0)
    joint = Joint(steps=1000)
    book = joint.interpolator.encoder.quantise.embedding.weight
    batch = Batch(*(x[:2] for x in gap_batch(np.random.default_rng(0))))
    joint.idle.fill_(IDLE)
    before = book.detach().clone()
    used = joint.interpolator.encode(torch.cat([batch.first, batch.last])).entries.unique()
    joint.loss(batch)
    moved = (book != before).any(1)
    assert not moved[used].any()
    assert int(moved.sum()) == len(book) - len(used)
    with torch.no_grad():
        after = joint.interpolator.encode(torch.cat([batch.first, batch.last])).entries.unique()
    assert len(after) > 2 * len(used)


def test_a_few_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    joint = Joint(steps=1000)
    batch = Batch(*(x[:4] for x in gap_batch(np.random.default_rng(1))))
    optimizer = torch.optim.Adam(joint.interpolator.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        terms = joint.loss(batch)
        loss = terms["pixels"] + terms["pyramid"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_perceptual_term_is_zero_for_equal_frames_and_moves_no_encoder_weight(model: Interpolator) -> None:
    one, two = frames(6, 1, 3, 32, 32).requires_grad_(True), frames(7, 1, 3, 32, 32)
    assert perceptual(model.encoder, two, two) == 0
    model.zero_grad(set_to_none=True)
    perceptual(model.encoder, one, two).backward()
    assert one.grad is not None
    assert one.grad.any()
    assert all(p.grad is None for p in model.parameters())


def test_gaps_are_exact_ordered_and_moving() -> None:
    rng = np.random.default_rng(0)
    for scene in gap_scenes(rng, 5):
        gap = sample_gap(rng, scene, 64, times=(1 / 3, 2 / 3), share=1 / 7, worn=False)
        assert gap.frames.shape == (4, 3, 64, 64)
        far = [np.abs(gap.frames[0] - f).mean() for f in gap.frames]
        assert 0 == far[0] < far[1] < far[3]


def test_motion_leads_to_where_things_were_and_will_be() -> None:
    """Key frames moved along the true motion show the truth inside the shape, whatever it was turned into."""
    for seed in range(3):
        batch = gap_batch(np.random.default_rng(seed))
        moving = (batch.motion.abs().sum(1, keepdim=True) > 1) & (batch.known > 0)
        for frame, motion in ((batch.first, batch.motion[:, :2]), (batch.last, batch.motion[:, 2:])):
            away = (warp(frame, motion) - batch.truth).abs().mean(1, keepdim=True)[moving].mean()
            stayed = (frame - batch.truth).abs().mean(1, keepdim=True)[moving].mean()
            assert away < 0.5 * stayed


def test_worn_gaps_differ_a_little() -> None:
    rng = np.random.default_rng(0)
    gap = sample_gap(rng, gap_scenes(rng, 1)[0], 64, worn=False)
    for _ in range(8):
        changed = wear(rng, gap.frames.copy(), np.asarray([0, gap.t, 1], np.float32))
        assert 0.001 < np.abs(changed - gap.frames).mean() < 0.1
        assert changed.dtype == np.float32


def test_a_batch_follows_from_its_generator() -> None:
    one, two = (gap_batch(np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert one[0].shape == one[1].shape == one[2].shape
    assert ((one[3] > 0) & (one[3] < 1)).all()
