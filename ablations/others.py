"""Arms that are folders: other systems' videos beside the pipeline's, for the same prompts.

A video belongs to a prompt by its name (the prompt's id, or ID-SEED), or by the words that its layout tells (VBench's
file names, what `generate` recorded): those are taken in their order for the grid's seeds. Each is decoded once, in a
child process, and kept in the store for the report; metrics read the file itself, so its codec stays known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablations.arms import Arm
from ablations.grid import Grid
from evals.decode import Decoder
from evals.layouts import find_videos
from evals.prompts import Found
from evals.states import Unscored
from magicvideo.files import sha256
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.stage_config import STAGES

Row = dict[str, Any]


def rows(grid: Grid, store: Store) -> list[Row]:
    """Lines of `items.jsonl` for the arms that are folders; a video that is missing or broken has its reason."""
    arms = [arm for arm in grid.arms if arm.videos is not None]
    if not arms:
        return []
    with Decoder() as decoder:
        return [row for arm in arms for row in _arm(arm, grid, store, decoder)]


def _arm(arm: Arm, grid: Grid, store: Store, decoder: Decoder) -> Iterator[Row]:
    assert arm.videos is not None
    clips = find_videos(arm.videos).clips
    for prompt in grid.prompts:
        said = [clip for clip in clips if clip.prompt == prompt.prompt]
        for place, seed in enumerate(grid.seeds):
            row = {"arm": arm.name, "prompt_id": prompt.id, "prompt": prompt.prompt, "seed": seed}
            clip = _named(clips, prompt.id, seed, len(grid.seeds)) or (said[place] if place < len(said) else None)
            yield {**row, **_taken(clip, arm.videos, store, decoder)}


def _named(clips: Sequence[Found], prompt: str, seed: int, seeds: int) -> Found | None:
    names = {f"{prompt}-{seed}"} | ({prompt} if seeds == 1 else set())
    return next((clip for clip in clips if clip.name in names), None)


def _taken(clip: Found | None, folder: Path, store: Store, decoder: Decoder) -> Row:
    if clip is None:
        return {"stages": {}, "clip": None, "reason": f"no video of this prompt and seed in {folder}"}
    found = decoder.decode(clip.path)
    if isinstance(found, Unscored):
        return {"stages": {}, "clip": None, "reason": found.reason}
    digest = store.put_clip(found.clip)
    height, width = found.clip.size
    key = content_key(["given", sha256(clip.path) if clip.path.is_file() else digest])
    record = StageRecord(key, STAGES[-1], digest, 0.0, len(found.clip), height, width, found.clip.fps)
    store.put_stage(record)
    about = asdict(record)
    stage = about.pop("stage")
    return {"stages": {stage: {**about, "reused": True}}, "clip": digest, "video": str(clip.path), "codec": found.codec}
