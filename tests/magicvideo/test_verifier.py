"""The verifier: what it learns from, what it believes, and which of the drawn pictures T2I keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from magicvideo import weights
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.keys import stage_key
from magicvideo.models import pocket
from magicvideo.models.text import token_ids
from magicvideo.models.verifier import Verifier
from magicvideo.stage_config import T2IConfig
from magicvideo.stages.t2i import text_to_image
from magicvideo.train import data
from magicvideo.train import verifier as training
from magicvideo.train.loop import Training
from magicvideo.train.verifier import BATCH, Batch, Pool
from magicvideo.world import MOTIONS, caption, scene_with
from magicvideo.world.scene import TRAINED

PROMPT = "a red star moving left on a plain background"
QUICK = T2IConfig(steps=1, guidance=1)


class Judge:
    """In the verifier's place: says what it was told to, one logit a picture."""

    def __init__(self, logits: list[float]) -> None:
        self.logits: Iterator[float] = iter(logits)
        self.seen = list[Tensor]()

    def logit(self, latents: Tensor, prompt: str) -> float:
        assert prompt == PROMPT
        self.seen.append(latents)
        return next(self.logits)


def judged(monkeypatch: pytest.MonkeyPatch, logits: list[float], config: T2IConfig = QUICK) -> tuple[np.ndarray, Judge]:
    judge = Judge(logits)
    monkeypatch.setattr(pocket, "verifier", lambda: judge)
    return text_to_image(config, PROMPT, 3).frames, judge


def test_a_believed_picture_is_the_one_that_is_drawn_without_a_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, judge = judged(monkeypatch, [9.0])
    assert len(judge.seen) == 1
    assert np.array_equal(frames, text_to_image(QUICK.model_copy(update={"candidates": 1}), PROMPT, 3).frames)


def test_the_first_that_is_believed_ends_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    doubted, _ = judged(monkeypatch, [-1.0, -9.0, -9.0, -9.0])
    frames, judge = judged(monkeypatch, [-1.0, 2.0])
    assert len(judge.seen) == 2
    assert not judge.seen[0].equal(judge.seen[1]), "each has noise of its own"
    assert not np.array_equal(frames, doubted)


def test_of_doubted_pictures_the_least_doubted_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, judge = judged(monkeypatch, [-3.0, -2.0, -1.0, -4.0])
    assert len(judge.seen) == QUICK.candidates == 4
    third, _ = judged(monkeypatch, [-3.0, -2.0, 5.0])
    assert np.array_equal(frames, third)


def test_pictures_of_another_size_are_drawn_once() -> None:
    small = QUICK.model_copy(update={"size": 64})
    assert not small.verified
    assert np.array_equal(
        text_to_image(small, PROMPT, 3).frames,
        text_to_image(small.model_copy(update={"candidates": 1}), PROMPT, 3).frames,
    )


def test_keys_know_the_verifier_only_where_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    full = PipelineConfig()
    one, two, small = (full.with_setting(*s) for s in (("t2i.candidates", 1), ("t2i.candidates", 2), ("t2i.size", 64)))
    keys = [stage_key(c, "t2i", PROMPT, 3, ()) for c in (full, one, two)]
    assert len(set(keys)) == 3
    assert stage_key(small, "t2i", PROMPT, 3, ()) == stage_key(
        small.with_setting("t2i.candidates", 1), "t2i", PROMPT, 3, ()
    )
    manifest = weights.manifest()
    manifest["verifier"] = {**manifest["verifier"], "sha256": "0" * 64}
    monkeypatch.setattr(weights, "manifest", lambda: manifest)
    changed = [c for c, key in zip((full, one, two), keys, strict=True) if stage_key(c, "t2i", PROMPT, 3, ()) != key]
    assert changed == [full, two]


def test_public_weights_draw_once_and_say_why() -> None:
    config = PipelineConfig.of("paper-sd15")
    assert config.t2i.candidates == 1
    with pytest.raises(InputError, match=r"t2i\.candidates=3.*pocket alone"):
        config.with_setting("t2i.candidates", 3).check()
    assert PipelineConfig().with_setting("preset", "paper-sd15").t2i.candidates == 1


def pool_of(turns: int) -> Pool:
    """Scenes of every training combination, with their own numbers for latents."""
    rng = np.random.default_rng(0)
    scenes = [scene_with(rng, *combination, str(rng.choice(MOTIONS))) for combination in TRAINED * turns]
    numbers = torch.arange(len(scenes))
    return Pool(scenes, numbers.half().view(-1, 1, 1, 1), numbers.numpy() % 4 == 3)


def test_a_batch_holds_each_combination_once_and_labels_every_pair() -> None:
    pool = pool_of(2)
    drawn = training.batch(np.random.default_rng(1), pool)
    numbers = [int(n) for n in drawn.latents.flatten()]
    assert len({n % len(TRAINED) for n in numbers}) == BATCH
    assert max(numbers) >= len(TRAINED) > min(numbers), "both turns of the pool"
    whole = torch.tensor(numbers) % 4 != 3
    assert drawn.right.diagonal()[whole].all(), "a picture has what its own caption names"
    assert 0 < drawn.right.diagonal()[~whole].mean() < 0.6, "a garbled one only what is not its shape"
    assert 2 < drawn.right.sum(1).mean() < BATCH / 2
    again = training.batch(np.random.default_rng(1), pool)
    assert again.latents.equal(drawn.latents)
    assert again.ids.equal(drawn.ids)


def test_a_caption_fits_whatever_has_the_attributes_that_it_still_names() -> None:
    rng = np.random.default_rng(0)
    one, other, third = (
        scene_with(rng, *s, "still")
        for s in (("star", "red", "plain"), ("star", "blue", "plain"), ("ring", "red", "plain"))
    )
    named = np.asarray([[True, False, True], [False, True, False], [True, True, True]])
    whole, lost = np.asarray([False] * 3), np.asarray([True, False, False])
    assert training.holds([one, other, third], named, whole).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert training.holds([one, other, third], named, lost).tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    text = "a large crimson star rising slowly on a plain background"
    assert training.partial(text, np.asarray([True, False, True])) == "a large star rising slowly on a plain background"
    assert training.partial(text, np.asarray([False, True, False])) == "a large crimson rising slowly on a background"


def test_bending_moves_places_as_far_as_asked_and_leaves_the_rest() -> None:
    rng = np.random.default_rng(0)
    side = torch.linspace(0, 127, 128)
    ramps = torch.stack([side.expand(128, 128), side[:, None].expand(128, 128), torch.zeros(128, 128)]).expand(
        3, -1, -1, -1
    )
    moved = training.bent(ramps, np.asarray([0.0, 1.0, 5.0]), rng) - ramps
    inner = moved[..., 16:-16, 16:-16]
    assert inner[0].abs().max() < 1e-3
    assert inner[1, :2].square().mean().sqrt() == pytest.approx(1, abs=0.35)
    assert inner[2, :2].square().mean().sqrt() == pytest.approx(5, abs=1.75)
    assert not moved[:, 2].any()


def test_training_teaches_which_pictures_meet_which_captions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, scenes = Verifier(), data.held_out(16)
    drawn = Batch(torch.randn(16, 12, 16, 16), token_ids([caption(scene) for scene in scenes]), torch.eye(16))
    before = float(training.loss(network, drawn)["sigmoid"].detach())
    Training(
        "verifier",
        network,
        40,
        2e-3,
        lambda rng: drawn,
        lambda b: training.loss(network, b),
        5,
        ema=0.5,
        folder=tmp_path,
    ).run()
    assert float(training.loss(network, drawn)["sigmoid"].detach()) < 0.5 * before


def test_the_shipped_verifier_tells_held_out_pictures_from_wrong_captions() -> None:
    figures = training.measure(pocket.verifier(), count=64)
    assert figures["believed"]["value"] > 0.85
    assert all(figures[f"doubted_{what}"]["value"] > 0.9 for what in ("shape", "colour", "background"))
