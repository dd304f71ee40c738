"""Joint training's batches and loss: which clips are shown and how often, and what the error teaches."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from magicvideo.models.generator import Generator
from magicvideo.train import clips, i2v, t2i
from magicvideo.world import Scene, in_video_data


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    """The scenes of which frames are asked for; the frames themselves are not rendered."""
    seen = list[Scene]()

    def note(scene: Scene, times: object, size: int) -> np.ndarray:
        seen.append(scene)
        return np.zeros((clips.FRAMES, 3, size, size), np.float32)

    monkeypatch.setattr(clips, "render", note)
    monkeypatch.setattr(clips, "poor", lambda frames, rng: frames)
    return seen


def batches(count: int, turning: float) -> None:
    for k in range(count):
        clips.sampled(np.random.default_rng((5, k)), i2v.CLIPS, turning)


def test_clips_show_only_the_pairs_of_the_video_data(drawn: list[Scene]) -> None:
    batches(20, 1.0)
    assert len(drawn) == 20 * i2v.CLIPS
    assert all(in_video_data(scene.shape, scene.colour) for scene in drawn)


@pytest.mark.parametrize("turning", [1.0, 3.0])
def test_motions_that_turn_come_as_often_as_asked(turning: float, drawn: list[Scene]) -> None:
    batches(150, turning)
    counts = Counter(scene.motion for scene in drawn)
    mean = {turns: np.mean([n for m, n in counts.items() if (m in clips.TURNING) == turns]) for turns in (True, False)}
    assert mean[True] / mean[False] == pytest.approx(turning, rel=0.15)


def test_both_kinds_of_batches_teach_the_shared_layers_and_clips_alone_the_motion_modules() -> None:
    coder, model = t2i.load_autoencoder(), Generator()
    rng = np.random.default_rng(0)
    scenes = t2i.data.scenes(rng, 4)
    taught = {}
    for name, batch in (
        ("clips", clips.sampled(rng, 2)),
        ("pictures", t2i.pictures(scenes, [0.0] * 4, 64, rng)),
    ):
        model.zero_grad()
        torch.manual_seed(1)
        terms = i2v.loss(coder, model, batch, shift=1.2)
        total = torch.stack([term for term in terms.values() if term.requires_grad]).sum()
        assert torch.isfinite(total)
        total.backward()
        taught[name] = {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
    assert any("motion_modules" in n for n in taught["clips"])
    assert not any("motion_modules" in n for n in taught["pictures"])
    assert not any(n.startswith("control.") for n in taught["pictures"])
    shared = taught["clips"] & taught["pictures"]
    assert any(n.startswith("spatial.") for n in shared)
    assert any(n.startswith("text.") for n in shared)
