"""The scene that a prompt and a seed name: an exact answer to any prompt, for oracles and for truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from magicvideo.runs import content_key
from magicvideo.world.captions import SIZE_WORDS, SPEED_WORDS, TEXTURE_WORDS, Words, read_caption, tokenize
from magicvideo.world.scene import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, Scene, scene_with


def scene_for(prompt: str, seed: int) -> Scene:
    """A scene as the prompt asks, everything else drawn by (prompt, seed).

    Shape, colour, background and motion that the prompt does not name are drawn. Size, speed and texture are ordinary
    (medium, normal, smooth) where it does not name them, as in the world's captions, whose grammar leaves out what is
    ordinary.
    """
    rng = named_generator("scene", prompt, seed)
    drawn = [str(rng.choice(known)) for known in (SHAPES, COLOURS, BACKGROUNDS, MOTIONS)]
    asked, words = read_caption(prompt), tokenize(prompt)
    named = (asked.shape, asked.colour, asked.background, asked.motion)
    shape, colour, background, motion = (word or other for word, other in zip(named, drawn, strict=True))
    return replace(
        scene_with(rng, shape, colour, background, motion),
        size=_named(SIZE_WORDS, words),
        speed="normal" if motion == "still" else _named(SPEED_WORDS, words),
        texture=_named(TEXTURE_WORDS, words),
    )


def named_generator(*names: object) -> np.random.Generator:
    """A generator seeded by content: equal names, equal draws, on any machine."""
    return np.random.default_rng(int(content_key(list(names))[:16], 16))


def _named(table: Words, words: list[str]) -> str:
    """What the first of the words in the table means; without any, the entry whose word is empty: the ordinary one."""
    meanings = {word: name for name, options in table.items() for word in options}
    return meanings[next((word for word in words if word in meanings), "")]
