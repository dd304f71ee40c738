"""Clips of a run as bytes inside the page: H.264 previews and PNG images as data URIs, each clip once.

A clip is named by its digest, so an arm that reused a stage points at the clip that is already in the page.
"""

from __future__ import annotations

import base64
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from magicvideo.clip import write_preview
from magicvideo.errors import InputError
from magicvideo.runs import Store
from magicvideo.stage_config import STAGES
from reports.folder import AblationRun, Arm

BUDGET = 15_000_000
"""Characters of base64 after which no further prompt is shown (a report stays under 25 MB)."""
MOST_PROMPTS = 4


@dataclass(frozen=True)
class Tile:
    """One clip at one place of the page. `uri` is None where the page already holds the clip, or it is missing."""

    arm: str
    arm_title: str
    stage: str
    kind: str
    """"video", "image" or "missing"."""
    clip: str
    """The clip's name inside the page; equal names, equal clips."""
    uri: str | None
    note: str
    same_as_base: bool
    facts: str
    """Frames, size and rate in words."""
    alt: str


@dataclass(frozen=True)
class StageRow:
    """One stage of one prompt: a tile for each arm."""

    stage: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Scene:
    """One prompt and seed: a row for each stage."""

    prompt_id: str
    prompt: str
    seed: int
    rows: tuple[StageRow, ...]


class Reel:
    """Hands out the clips of one page and remembers which of them it holds already."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.names: dict[str, str] = {}
        self.size = 0

    def take(self, digest: str, image: bool) -> tuple[str, str | None]:
        """The clip's name in the page, and its data URI the first time it is asked for."""
        if digest in self.names:
            return self.names[digest], None
        data = self._png(digest) if image else self._mp4(digest)
        uri = f"data:{'image/png' if image else 'video/mp4'};base64,{base64.b64encode(data).decode()}"
        self.size += len(uri)
        self.names[digest] = f"clip{len(self.names)}"
        return self.names[digest], uri

    def _png(self, digest: str) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.store.clip(digest).frames[0].transpose(1, 2, 0)).save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()

    def _mp4(self, digest: str) -> bytes:
        """The store's preview; made beside it when the store cannot be written."""
        if self.store.preview_path(digest).exists():
            return self.store.preview_path(digest).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self.store.preview(digest)
            except InputError:
                path = Path(folder) / "preview.mp4"
                write_preview(path, self.store.clip(digest))
            return path.read_bytes()


def scenes(run: AblationRun, budget: int = BUDGET, most: int = MOST_PROMPTS) -> list[Scene]:
    """The first prompts of the grid that have videos, in its order (not chosen by result), at the first seed."""
    reel = Reel(run.store)
    found: list[Scene] = []
    seed = run.seeds[0] if run.seeds else 0
    for prompt_id, prompt in run.prompts.items():
        if len(found) == most or reel.size > budget:
            break
        if any((arm.name, prompt_id, seed) in run.by_place for arm in run.arms):
            rows = tuple(_row(run, reel, stage, prompt_id, seed) for stage in STAGES)
            found.append(Scene(prompt_id, prompt, seed, rows))
    return found


def _row(run: AblationRun, reel: Reel, stage: str, prompt_id: str, seed: int) -> StageRow:
    order = [run.base, *(arm for arm in run.arms if arm != run.base)]
    return StageRow(stage, tuple(_tile(run, reel, arm, stage, prompt_id, seed) for arm in order))


def _tile(run: AblationRun, reel: Reel, arm: Arm, stage: str, prompt_id: str, seed: int) -> Tile:
    made = _made(run, arm, stage, prompt_id, seed)
    if isinstance(made, str):
        return _missing(arm, stage, made)
    base = _made(run, run.base, stage, prompt_id, seed)
    image = made.get("frames") == 1
    try:
        name, uri = reel.take(str(made["digest"]), image)
    except (InputError, OSError, KeyError):
        return _missing(arm, stage, "the clip is not in the store")
    same = arm != run.base and isinstance(base, dict) and base.get("digest") == made["digest"]
    what = "image" if image else "video"
    alt = f"{stage.upper()} {what}, {arm.title}, prompt: {run.prompts[prompt_id]}"
    return Tile(arm.name, arm.title, stage, what, name, uri, "", same, facts(made), alt)


def _made(run: AblationRun, arm: Arm, stage: str, prompt_id: str, seed: int) -> dict[str, Any] | str:
    """The stage's line of an item, or why there is none."""
    item = run.by_place.get((arm.name, prompt_id, seed))
    if item is None:
        return "not made" if run.complete else "not made yet"
    made = (item.get("stages") or {}).get(stage)
    return made if isinstance(made, dict) else "no such stage in this arm"


def _missing(arm: Arm, stage: str, note: str) -> Tile:
    return Tile(arm.name, arm.title, stage, "missing", "", None, note, False, "", f"{stage.upper()}: {note}")


def facts(made: dict[str, Any]) -> str:
    """`8 frames · 64 × 64 · 8 fps`, or `128 × 128` for an image."""
    size = f"{made.get('width', '?')} × {made.get('height', '?')}"
    if made.get("frames") == 1:
        return size
    return f"{made.get('frames', '?')} frames · {size} · {made.get('fps', 0):g} fps"
