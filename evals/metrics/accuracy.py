"""Attributes read back: does the video show the shape, colour, background and motion that its prompt names?

A reader trained on the rendered world looks at the clip; the prompt is read by the world's own grammar. Exact truth
exists only in that world: a prompt that names no such attribute is unscored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evals.metric import Metric, Need, Seen
from evals.states import Unscored
from magicvideo.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, read_caption

READER = Need("reader")
NAMES: dict[str, tuple[str, ...]] = {
    "shape": tuple(SHAPES),
    "colour": tuple(COLOURS),
    "background": tuple(BACKGROUNDS),
    "motion": tuple(MOTIONS),
}


def asked(prompt: str, attribute: str) -> str | None:
    """What the prompt names, in the world's own word; None if it names none."""
    found = getattr(read_caption(prompt), attribute)
    return None if found is None else str(found)


def shown(seen: Seen, attribute: str) -> str:
    """What the reader thinks most likely."""
    return NAMES[attribute][int(seen[READER][attribute].argmax())]


def _one(attribute: str) -> Callable[[Seen], float | Unscored]:
    def value(seen: Seen) -> float | Unscored:
        wanted = asked(seen.prompt or "", attribute)
        if wanted is None:
            return Unscored(f"the prompt names no {attribute} of the world ({', '.join(NAMES[attribute])})")
        return float(shown(seen, attribute) == wanted)

    return value


def _all(seen: Seen) -> float | Unscored:
    wanted = {attribute: asked(seen.prompt or "", attribute) for attribute in NAMES}
    absent = [attribute for attribute, word in wanted.items() if word is None]
    if absent:
        return Unscored(f"the prompt names no {' and no '.join(absent)} of the world; all four are needed")
    return float(all(shown(seen, attribute) == word for attribute, word in wanted.items()))


def _reader_accuracy(*attributes: str) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    def figures(backbones: Mapping[str, Any]) -> dict[str, float]:
        known = backbones["reader"].figures
        return {f"reader's own {a} accuracy": float(known[a]) for a in attributes}

    return figures


def _metric(name: str, title: str, value: Callable[[Seen], float | Unscored], attributes: tuple[str, ...]) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="share",
        higher_is_better=True,
        reads=f"share of clips whose {' and '.join(attributes)} a reader finds as the prompt says",
        definition="reader's argmax equals the prompt's word",
        needs=(READER,),
        value=value,
        min_frames=2 if "motion" in attributes else 1,
        needs_prompt=True,
        scale=(0, 1),
        binary=True,
        figures=_reader_accuracy(*attributes),
    )


SHAPE = _metric("shape_accuracy", "Shape as asked", _one("shape"), ("shape",))
COLOUR = _metric("colour_accuracy", "Colour as asked", _one("colour"), ("colour",))
BACKGROUND = _metric("background_accuracy", "Background as asked", _one("background"), ("background",))
MOTION = _metric("motion_accuracy", "Motion as asked", _one("motion"), ("motion",))
ATTRIBUTES = _metric("attribute_accuracy", "All four as asked", _all, tuple(NAMES))
