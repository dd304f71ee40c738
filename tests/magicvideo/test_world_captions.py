"""Captions say what a scene shows, in a closed vocabulary, and prompts are read back."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicvideo.models.text import LENGTH
from magicvideo.runs import content_key
from magicvideo.world import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SHAPES,
    VOCABULARY,
    Attributes,
    Scene,
    caption,
    known_words,
    read_caption,
    sample_scene,
    scene_with,
    tokenize,
)
from magicvideo.world.captions import (
    BACKGROUND_WORDS,
    COLOUR_WORDS,
    MOTION_PHRASES,
    SHAPE_WORDS,
    SIZE_WORDS,
    SPEED_WORDS,
    TEXTURE_WORDS,
)


def attributes(scene: Scene) -> Attributes:
    return Attributes(scene.shape, scene.colour, scene.background, scene.motion, ())


@settings(max_examples=300, deadline=None)
@given(scene=st.integers(0, 10**6), words=st.integers(0, 10**6))
def test_every_paraphrase_is_read_back(scene: int, words: int) -> None:
    made = sample_scene(np.random.default_rng(scene), "all")
    text = caption(made, np.random.default_rng(words))
    assert read_caption(text) == attributes(made)
    assert read_caption(text.upper() + "!") == attributes(made)
    assert set(tokenize(text)) <= set(VOCABULARY)
    assert len(tokenize(text)) <= LENGTH
    assert "  " not in text
    assert text == text.strip()


def test_every_motion_phrase_in_every_template_is_read() -> None:
    for motion in MOTIONS:
        scene = scene_with(np.random.default_rng(0), "ring", "teal", "dotted", motion)
        texts = {caption(scene, np.random.default_rng(n)) for n in range(200)}
        assert all(any(phrase in text for text in texts) for phrase in MOTION_PHRASES[motion])
        assert {read_caption(text).motion for text in texts} == {motion}


def test_the_canonical_caption() -> None:
    scene = scene_with(np.random.default_rng(2), "star", "red", "striped", "bounce")
    plain = Scene(**{**scene.__dict__, "size": "medium", "speed": "normal", "texture": "smooth"})
    assert caption(plain) == "a red star bouncing on a striped background"
    odd = Scene(**{**scene.__dict__, "colour": "orange", "size": "small", "speed": "slow", "texture": "ribbed"})
    assert caption(odd) == "a small ribbed orange star bouncing slowly on a striped background"
    first = Scene(**{**plain.__dict__, "colour": "orange"})
    assert caption(first) == "an orange star bouncing on a striped background"


def test_paraphrases_come_from_the_generator() -> None:
    scene = sample_scene(np.random.default_rng(0))
    assert caption(scene, np.random.default_rng(3)) == caption(scene, np.random.default_rng(3))
    assert len({caption(scene, np.random.default_rng(n)) for n in range(50)}) > 10


def test_no_word_means_two_things() -> None:
    for table in (SHAPE_WORDS, COLOUR_WORDS, BACKGROUND_WORDS, MOTION_PHRASES):
        words = list(chain.from_iterable(table.values()))
        assert len(words) == len(set(words))
    singles = [set(chain.from_iterable(t.values())) for t in (SHAPE_WORDS, COLOUR_WORDS, BACKGROUND_WORDS)]
    assert not any(one & other for one, other in combinations(singles, 2))


def test_the_tables_cover_the_world() -> None:
    assert tuple(SHAPE_WORDS) == SHAPES
    assert tuple(COLOUR_WORDS) == COLOURS
    assert tuple(BACKGROUND_WORDS) == BACKGROUNDS
    assert tuple(MOTION_PHRASES) == MOTIONS


def test_the_vocabulary_is_closed_sorted_and_needed() -> None:
    assert list(VOCABULARY) == sorted(set(VOCABULARY))
    tables = (
        SHAPE_WORDS,
        COLOUR_WORDS,
        BACKGROUND_WORDS,
        MOTION_PHRASES,
        SIZE_WORDS,
        SPEED_WORDS,
        TEXTURE_WORDS,
    )
    for table in tables:
        for phrase in chain.from_iterable(table.values()):
            assert set(tokenize(phrase)) <= set(VOCABULARY)
    rng = np.random.default_rng(0)
    used = {w for _ in range(800) for w in tokenize(caption(sample_scene(rng, "all"), rng))}
    assert used == set(VOCABULARY)


def test_the_vocabulary_never_changes() -> None:
    """Word n of it is row n + 2 of the trained text encoder."""
    assert (len(VOCABULARY), content_key(VOCABULARY)[:12]) == (85, "97d9a781806c")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a red star", Attributes("star", "red", None, None, ())),
        ("", Attributes(None, None, None, None, ())),
        ("红色的星星", Attributes(None, None, None, None, ())),
        ("a dragon and a dragon in the rain", Attributes(None, None, None, None, ("dragon", "and", "rain"))),
        (
            "A Golden HOOP, rotating; over a spotted background.",
            Attributes("ring", "yellow", "dotted", "spin", ()),
        ),
        ("a circle moving in circles", Attributes("circle", None, None, "circle", ())),
        ("a blue box and a green heart", Attributes("square", "blue", None, None, ("and",))),
    ],
)
def test_any_prompt_is_read(text: str, read: Attributes) -> None:
    assert read_caption(text) == read


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    read = read_caption(text)
    assert not set(read.unknown) & set(VOCABULARY)
    assert len(set(read.unknown)) == len(read.unknown)


def test_messages_name_all_there_is() -> None:
    text = known_words()
    for name in (*SHAPES, *COLOURS, *BACKGROUNDS):
        assert name in text
    assert all(phrases[0] in text for phrases in MOTION_PHRASES.values())
