"""How a benchmark lays out its videos: plain folders, VBench's and EvalCrafter's, told apart by what is there.

VBench (its prompts/README.md): FOLDER/DIMENSION/PROMPT-INDEX.mp4, or the files of one dimension alone; the prompt is
the name without -INDEX. EvalCrafter (its README): videos/0000.mp4 to 0699.mp4, with prompts/0000.txt or line 1 of
prompt700.txt for 0000.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evals.prompts import Found, find_clips, holds_clips
from magicvideo.errors import InputError, unknown_name
from magicvideo.prompts import Prompt, read_prompts

LAYOUTS = ("auto", "plain", "vbench", "evalcrafter")
DIMENSIONS = frozenset(
    (
        "subject_consistency", "background_consistency", "temporal_flickering", "motion_smoothness", "dynamic_degree",
        "aesthetic_quality", "imaging_quality", "object_class", "multiple_objects", "human_action", "color",
        "spatial_relationship", "scene", "temporal_style", "appearance_style", "overall_consistency",
    )
)  # fmt: skip
"""VBench's sixteen: a folder of this name that holds videos gives the layout away."""
INDEXED = re.compile(r"(?P<prompt>.+)-\d+", re.DOTALL)
NUMBERED = re.compile(r"\d{4}")
PROMPT_LIST = "prompt700.txt"


@dataclass(frozen=True)
class Listing:
    """The clips of a folder, those left out because a less compressed file has their name, and the layout found."""

    clips: list[Found]
    left_out: list[Path]
    layout: str = "plain"


def find_videos(folder: Path, layout: str = "auto") -> Listing:
    """The clips of a folder and, where its layout tells them, their prompts.

    Raises `InputError` for an unknown layout and a folder without videos.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    kind = _recognised(folder) if layout == "auto" else layout
    return {"plain": _plain, "vbench": _vbench, "evalcrafter": _evalcrafter}[kind](folder)


def by_number(clips: Sequence[Found], prompts: Sequence[Prompt], where: Path) -> tuple[tuple[Found, Prompt], ...]:
    """EvalCrafter's rule for a list of prompts: clip 0000 has the first one. Raises `InputError` if one is missing."""
    beyond = next((clip for clip in clips if int(clip.path.stem) >= len(prompts)), None)
    if beyond is not None:
        raise InputError(f"{where}: {len(prompts)} prompts, and {beyond.path.name} asks for number {beyond.path.stem}")
    return tuple((clip, prompts[int(clip.path.stem)]) for clip in clips)


def _plain(folder: Path) -> Listing:
    clips, left_out = find_clips(folder)
    return Listing(clips, left_out)


def _recognised(folder: Path) -> str:
    """The layout that the folder's names give away; "plain" in doubt."""
    if any(part.name in DIMENSIONS for part in _parts(folder)):
        return "vbench"
    if _videos_of_evalcrafter(folder) is not None and any(_prompt_places(folder)):
        return "evalcrafter"
    if not holds_clips(folder):
        return "plain"
    indexed = [INDEXED.fullmatch(clip.path.stem) for clip in find_clips(folder)[0] if clip.prompt is None]
    return "vbench" if indexed and all(found and " " in found["prompt"] for found in indexed) else "plain"


def _parts(folder: Path) -> list[Path]:
    """Folders inside that hold videos."""
    try:
        return sorted(part for part in folder.iterdir() if not part.name.startswith(".") and holds_clips(part))
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from None


def _vbench(folder: Path) -> Listing:
    parts = _parts(folder)
    if not parts:
        clips, left_out = find_clips(folder)
        return Listing([_indexed(clip, clip.name) for clip in clips], left_out, "vbench")
    found = [(part, find_clips(part)) for part in parts]
    clips = [_indexed(clip, f"{part.name}/{clip.name}") for part, (inside, _) in found for clip in inside]
    return Listing(clips, [path for _, (_, left) in found for path in left], "vbench")


def _indexed(clip: Found, name: str) -> Found:
    match = INDEXED.fullmatch(clip.name)
    return replace(clip, name=name, prompt=clip.prompt or (match["prompt"] if match else clip.name))


def _videos_of_evalcrafter(folder: Path) -> Path | None:
    """The folder with nothing but numbered videos: FOLDER/videos or FOLDER."""
    for place in (folder / "videos", folder):
        if holds_clips(place) and all(NUMBERED.fullmatch(clip.path.stem) for clip in find_clips(place)[0]):
            return place
    return None


def _prompt_places(folder: Path) -> Iterator[Path]:
    for place in (folder, folder.parent):
        if (place / "prompts").is_dir() and any(NUMBERED.fullmatch(f.stem) for f in (place / "prompts").glob("*.txt")):
            yield place / "prompts"
        if (place / PROMPT_LIST).is_file():
            yield place / PROMPT_LIST


def _evalcrafter(folder: Path) -> Listing:
    place = _videos_of_evalcrafter(folder)
    if place is None:
        raise InputError(
            f"{folder}: not EvalCrafter's layout, which is 0000.mp4, 0001.mp4, ... (or in {folder}/videos)"
        )
    clips, left_out = find_clips(place)
    source = next(_prompt_places(folder), None)
    if source is not None and source.is_dir():
        clips = [replace(clip, prompt=_text(source / f"{clip.path.stem}.txt")) for clip in clips]
    elif source is not None:
        clips = [replace(clip, prompt=p.prompt) for clip, p in by_number(clips, read_prompts(source), source)]
    return Listing(clips, left_out, "evalcrafter")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
