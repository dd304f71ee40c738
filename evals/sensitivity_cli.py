"""`magicvideo evaluate --sensitivity`: damages the folder's clips and says what each metric answers.

RUN/sensitivity.json           the cards, with protocols
RUN/sensitivity.html           all of it to look at; RUN/sensitivity/METRIC.svg: the charts one by one
RUN/cache/                     features, so that an interrupted call goes on
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evals import card_charts
from evals.cards import record, table
from evals.damage import LEAST_FRAMES
from evals.decode import Decoder
from evals.measure import Item
from evals.sensitivity import measure
from evals.states import Unscored
from evals.suite import Suite
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError
from magicvideo.files import write_json

MOST_BYTES = 1 << 30
"""Of all clips together: they stay in memory while they are damaged."""


def run(items: Sequence[Item], suite: Suite, out: Path | None, as_json: bool) -> dict[str, Any]:
    """Measure, print the table, and write what `--out` asks for. `InputError` for too few or too large clips."""
    clips = _decoded(items)
    found = record(measure(clips, suite, None if out is None else out / "cache").to_dict())
    page = None
    if out is not None:
        write_json(out / "sensitivity.json", found)
        page = str(card_charts.write(out, found))
    print(table(found), file=sys.stderr if as_json else sys.stdout)
    return {"run": None if out is None else str(out), "page": page, "sensitivity": found}


def _decoded(items: Sequence[Item]) -> list[Item]:
    """The items with their clips in memory; those that cannot be read or are too short are left out with a note."""
    found, size = list[Item](), 0
    with Decoder() as decoder:
        for item in items:
            clip = _clip(item, decoder)
            if isinstance(clip, Unscored):
                print(f"note: {item.name} is left out: {clip.reason}", file=sys.stderr)
                continue
            size += clip.frames.nbytes
            if size > MOST_BYTES:
                raise InputError(
                    f"the clips hold more than {MOST_BYTES >> 30} GiB; a few dozen short, small ones are enough to see "
                    "what a metric answers"
                )
            found.append(replace(item, clip=clip))
    return found


def _clip(item: Item, decoder: Decoder) -> VideoClip | Unscored:
    if isinstance(item.clip, VideoClip):
        return item.clip
    decoded = decoder.decode(item.clip)
    if isinstance(decoded, Unscored):
        return decoded
    if len(decoded.clip) < LEAST_FRAMES:
        return Unscored(f"{len(decoded.clip)} frame(s); damage needs at least {LEAST_FRAMES}")
    return decoded.clip
