"""A scene of the pocket world: which shape, colour, background and motion, and the numbers behind them.

Plain data; everything follows from a seed. Some (shape, colour) pairs never occur in training (`is_held_out`).
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "moon")
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink")
BACKGROUNDS = ("plain", "striped", "checkered", "dotted")
MOTIONS = ("still", "left", "right", "up", "down", "diagonal", "circle", "spin", "grow", "shrink", "bounce")
SIZES = {"small": 0.19, "medium": 0.23, "large": 0.27}
"""Radius as a share of the picture's side."""
SPEEDS = {"slow": 0.65, "normal": 1.0, "fast": 1.4}
TEXTURES = ("smooth", "ribbed")

Split = Literal["train", "held_out", "all"]
RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """One clip's worth of world. Positions are shares of the side, x to the right and y down; angles in radians."""

    shape: str
    colour: str
    background: str
    motion: str
    size: str
    speed: str
    texture: str
    x: float
    """Middle of the path (of the ground line for bounce)."""
    y: float
    angle: float
    """The shape's own turn at t = 0."""
    phase: float
    """Where on its orbit a circling shape starts."""
    orbit: float
    """Radius of the orbit."""
    light: float
    """Direction the light comes from."""
    tones: tuple[RGB, RGB]
    """The background's two colours, in [0,1]."""
    pattern: tuple[float, float, float]
    """The background's frequency (cycles a side), direction and phase."""


def is_held_out(shape: str, colour: str) -> bool:
    """Whether this pair is kept out of all training: 8 of the 64, each shape and each colour once."""
    return (3 * SHAPES.index(shape) + COLOURS.index(colour)) % 8 == 1


COMBINATIONS = [(s, c, b) for s in SHAPES for c in COLOURS for b in BACKGROUNDS]
"""What a single frame can show, motion apart."""
TRAINED = [(s, c, b) for s, c, b in COMBINATIONS if not is_held_out(s, c)]
"""Those of them that trainings may show."""


def in_video_data(shape: str, colour: str) -> bool:
    """Whether training *videos* show this pair: 32 of the 56 trained pairs. Images show them all.

    The paper gives poor and little-varied video data as the reason for joint image-video training; this makes the
    situation (MagicVideo-V2, section 2.2).
    """
    return (SHAPES.index(shape) + COLOURS.index(colour)) % 2 == 0 and not is_held_out(shape, colour)


def sample_scene(rng: np.random.Generator, split: Split = "train") -> Scene:
    """Draw a scene; `split` says which (shape, colour) pairs may occur."""
    while True:
        shape, colour = str(rng.choice(SHAPES)), str(rng.choice(COLOURS))
        if split == "all" or is_held_out(shape, colour) == (split == "held_out"):
            break
    return scene_with(rng, shape, colour, str(rng.choice(BACKGROUNDS)), str(rng.choice(MOTIONS)))


def scene_with(rng: np.random.Generator, shape: str, colour: str, background: str, motion: str) -> Scene:
    """A scene with the named attributes, the rest drawn."""
    speed = str(rng.choice(list(SPEEDS), p=(0.2, 0.6, 0.2)))
    return Scene(
        shape=shape,
        colour=colour,
        background=background,
        motion=motion,
        size=str(rng.choice(list(SIZES), p=(0.25, 0.5, 0.25))),
        speed="normal" if motion == "still" else speed,
        texture=str(rng.choice(TEXTURES)),
        x=0.5 + float(rng.uniform(-0.08, 0.08)),
        y=0.72 if motion == "bounce" else 0.5 + float(rng.uniform(-0.08, 0.08)),
        angle=float(rng.uniform(-0.25, 0.25)),
        phase=float(rng.uniform(0, 2 * np.pi)),
        orbit=float(rng.uniform(0.19, 0.24)),
        light=float(rng.uniform(-2.4, -1.5)),
        tones=_tones(rng),
        pattern=(float(rng.uniform(0, 1)), float(rng.integers(4) * np.pi / 4), float(rng.uniform(0, 1))),
    )


def _tones(rng: np.random.Generator) -> tuple[RGB, RGB]:
    """Two muted tones of one hue, far enough apart to be told, dull enough that every shape stands out."""
    hue, saturation = rng.uniform(0, 1), rng.uniform(0.05, 0.2)
    value = rng.choice([rng.uniform(0.22, 0.4), rng.uniform(0.75, 0.95)])
    other = value + 0.17 if value < 0.5 else value - 0.17
    return _rgb(hue, saturation, value), _rgb(hue, saturation, other)


def _rgb(hue: float, saturation: float, value: float) -> RGB:
    return colorsys.hsv_to_rgb(float(hue), float(saturation), float(value))
