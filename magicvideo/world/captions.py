"""Scenes in words and back: a caption grammar with paraphrases, its vocabulary, and a reader of any prompt.

`read_caption` finds what a prompt asks for by its words and names those the world does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from magicvideo.world.scene import Scene

Words = dict[str, tuple[str, ...]]
"""Attribute -> the words or phrases that may name it, the first being canonical."""

SHAPE_WORDS: Words = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle", "wedge"),
    "star": ("star",),
    "heart": ("heart",),
    "cross": ("cross", "plus"),
    "ring": ("ring", "hoop"),
    "moon": ("moon", "crescent"),
}
COLOUR_WORDS: Words = {
    "red": ("red", "crimson"),
    "orange": ("orange",),
    "yellow": ("yellow", "golden"),
    "green": ("green",),
    "teal": ("teal", "cyan"),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy"),
}
BACKGROUND_WORDS: Words = {
    "plain": ("plain", "blank"),
    "striped": ("striped", "stripy"),
    "checkered": ("checkered", "chequered"),
    "dotted": ("dotted", "spotted"),
}
MOTION_PHRASES: Words = {
    "still": ("standing still", "at rest", "not moving"),
    "left": ("moving left", "sliding to the left", "going left"),
    "right": ("moving right", "sliding to the right", "going right"),
    "up": ("moving up", "rising", "going up"),
    "down": ("moving down", "falling", "going down"),
    "diagonal": ("moving diagonally", "sliding diagonally"),
    "circle": ("moving in circles", "orbiting", "circling"),
    "spin": ("spinning", "turning around", "rotating"),
    "grow": ("growing", "getting bigger"),
    "shrink": ("shrinking", "getting smaller"),
    "bounce": ("bouncing", "hopping"),
}
SIZE_WORDS: Words = {"small": ("small", "little"), "medium": ("",), "large": ("large", "big")}
SPEED_WORDS: Words = {"slow": ("slowly",), "normal": ("",), "fast": ("quickly", "fast")}
TEXTURE_WORDS: Words = {"smooth": ("",), "ribbed": ("ribbed", "textured")}
TEMPLATES = (
    "a {size} {texture} {colour} {shape} {motion} {speed} on a {background} background",
    "on a {background} background a {size} {texture} {colour} {shape} is {motion} {speed}",
    "the {size} {texture} {colour} {shape} is {speed} {motion} over a {background} background",
    "a {size} {texture} {shape} that is {colour} {motion} {speed} in front of a {background} background",
)
_MOTION_CUES: Words = {
    "still": ("still", "rest", "not"),
    "left": ("left",),
    "right": ("right",),
    "up": ("up", "rising"),
    "down": ("down", "falling"),
    "diagonal": ("diagonally",),
    "circle": ("circles", "orbiting", "circling"),
    "spin": ("spinning", "turning", "rotating"),
    "grow": ("growing", "bigger"),
    "shrink": ("shrinking", "smaller"),
    "bounce": ("bouncing", "hopping"),
}


@dataclass(frozen=True)
class Attributes:
    """What a prompt asks for; None where it says nothing. `unknown` are words outside the world's vocabulary."""

    shape: str | None
    colour: str | None
    background: str | None
    motion: str | None
    unknown: tuple[str, ...]


def caption(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """The scene in words: the canonical caption, or a paraphrase drawn by `rng`.

    The canonical one names size, texture and speed only where they are out of the ordinary.
    """

    def pick(options: tuple[str, ...]) -> str:
        return options[0] if rng is None else str(rng.choice(options))

    words = {
        "shape": pick(SHAPE_WORDS[scene.shape]),
        "colour": pick(COLOUR_WORDS[scene.colour]),
        "background": pick(BACKGROUND_WORDS[scene.background]),
        "motion": pick(MOTION_PHRASES[scene.motion]),
        "size": pick(SIZE_WORDS[scene.size]),
        "speed": pick(SPEED_WORDS[scene.speed]),
        "texture": pick(TEXTURE_WORDS[scene.texture]),
    }
    return _tidy(pick(TEMPLATES).format(**words))


def tokenize(text: str) -> list[str]:
    """Lower-case words; everything else separates them."""
    return re.findall(r"[a-z]+", text.lower())


def _tidy(text: str) -> str:
    text = " ".join(text.split())
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def _vocabulary() -> tuple[str, ...]:
    tables = (
        SHAPE_WORDS,
        COLOUR_WORDS,
        BACKGROUND_WORDS,
        MOTION_PHRASES,
        SIZE_WORDS,
        SPEED_WORDS,
        TEXTURE_WORDS,
    )
    texts = [option for table in tables for options in table.values() for option in options]
    texts += [re.sub(r"\{\w+\}", " ", template) for template in TEMPLATES]
    return tuple(sorted({"an", *(word for text in texts for word in tokenize(text))}))


VOCABULARY = _vocabulary()
"""Every word a caption can hold, sorted."""


def read_caption(text: str) -> Attributes:
    """What a prompt asks for, read from its words (the first that names each attribute)."""
    words = tokenize(text)

    def find(table: Words) -> str | None:
        meanings = {word: name for name, options in table.items() for word in options}
        return next((meanings[word] for word in words if word in meanings), None)

    unknown = tuple(dict.fromkeys(word for word in words if word not in VOCABULARY))
    return Attributes(find(SHAPE_WORDS), find(COLOUR_WORDS), find(BACKGROUND_WORDS), find(_MOTION_CUES), unknown)


def known_words() -> str:
    """What the world can show, for messages to people."""
    tables = {"shapes": SHAPE_WORDS, "colours": COLOUR_WORDS, "backgrounds": BACKGROUND_WORDS}
    parts = [f"{name}: {', '.join(table)}" for name, table in tables.items()]
    return "; ".join([*parts, "motions: " + ", ".join(phrases[0] for phrases in MOTION_PHRASES.values())])
