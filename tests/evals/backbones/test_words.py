"""The tokenizer and the text side of the pocket CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from evals.backbones import load
from evals.backbones.clip import CONTEXT, Tokenizer
from magicvideo.world import VOCABULARY, caption, sample_scene

TOKENIZER = Tokenizer(VOCABULARY)


def test_the_end_is_the_largest_number_and_always_there() -> None:
    long = "a red star bouncing " * 30
    rows = TOKENIZER(["", "a red star", "zebra quagga", long])
    assert rows.shape == (4, CONTEXT)
    assert TOKENIZER.end == len(TOKENIZER) - 1 == max(TOKENIZER.words.values()) + 1
    assert torch.equal((rows == TOKENIZER.end).sum(1), torch.ones(4, dtype=torch.long))
    assert rows.argmax(1).tolist() == [1, 4, 3, CONTEXT - 1]


def test_known_words_differ_and_unknown_ones_share_a_token() -> None:
    rows = TOKENIZER(["red blue zebra quagga RED!"])[0].tolist()
    assert rows[1] == rows[5] != rows[2]
    assert rows[3] == rows[4] == 2


def test_captions_fit_and_hold_no_unknown_word() -> None:
    rng = np.random.default_rng(0)
    rows = TOKENIZER([caption(sample_scene(rng, "all"), rng) for _ in range(300)])
    assert not (rows == 2).any()
    assert (rows[:, -1] == 0).all()


def test_texts_have_length_one_and_do_not_depend_on_each_other(untrained: Path) -> None:
    backbone = load("pocket-clip")
    together = backbone.text(["a red star", "a blue moon spinning on a dotted background", ""])
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(together[:1], backbone.text(["a red star"]))
    assert np.abs(together[0] - together[1]).max() > 1e-3
