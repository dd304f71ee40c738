"""Which clips are in a folder, and which prompts belong to them. Mistakes are answered by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magicvideo.clip import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_order
from magicvideo.errors import InputError
from magicvideo.files import read_json
from magicvideo.prompts import Prompt

PREFERENCE = (".npy", "", ".mkv", ".webm", ".mov", ".mp4", ".avi", ".gif")
"""Of files that share a name, the first kind is taken: lossless ones first ("" is a folder of pictures)."""
MADE, RECORD = "clip.mkv", "record.json"
"""What `magicvideo generate` writes into each video's folder: the lossless clip, and what it was made from."""


@dataclass(frozen=True)
class Found:
    """A clip of a folder. `prompt`, `reference` and `made` are known of clips that `magicvideo generate` made."""

    path: Path
    name: str
    prompt: str | None = None
    reference: Path | None = None
    made: Mapping[str, Any] | None = field(default=None, hash=False)
    """{"seconds": stage -> seconds, "processor"}: what making it cost."""


@dataclass(frozen=True)
class Matched:
    """Clips with their prompts, and the lines of the prompt file that no clip answers to."""

    pairs: tuple[tuple[Found, Prompt | None], ...]
    without_clip: tuple[Prompt, ...]


def clip_name(path: Path) -> str:
    """A file's name without its suffix; a folder's name whole. Bytes that are no UTF-8 are told as escapes."""
    name = path.stem if path.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".npy") else path.name
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def find_clips(folder: Path, images: bool = False) -> tuple[list[Found], list[Path]]:
    """(clips, left out) of a folder, in natural order: video files, .npy, folders of pictures, folders that `magicvideo
    generate` wrote, and with `images` single pictures. Of clips with one name the least compressed is taken.

    A folder that holds pictures alone is one clip. Raises `InputError` if there is none.
    """
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    try:
        return _listed(folder, images)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from None


def _listed(folder: Path, images: bool) -> tuple[list[Found], list[Path]]:
    if _is_made(folder):
        return [_found(folder)], []
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=natural_order)
    clips = [e for e in entries if _is_clip(e) or (images and e.suffix.lower() in IMAGE_SUFFIXES)]
    if not clips and _holds_pictures(folder):
        return [_found(folder)], []
    if not clips:
        raise _empty(folder, entries)
    taken = dict[str, Path]()
    for entry in sorted(clips, key=_rank):
        taken.setdefault(clip_name(entry), entry)
    chosen = set(taken.values())
    return [_found(e) for e in clips if e in chosen], [e for e in clips if e not in chosen]


def _found(path: Path) -> Found:
    """The clip at a path; of a folder that `magicvideo generate` wrote, its last clip, its prompt and its T2I image."""
    if not _is_made(path):
        return Found(path, clip_name(path))
    try:
        record = read_json(path / RECORD)
        prompt = record.get("prompt")
    except (InputError, AttributeError):
        record, prompt = {}, None
    picture = path / "t2i.png"
    return Found(
        path=path / MADE,
        name=path.name,
        prompt=prompt if isinstance(prompt, str) else None,
        reference=picture if picture.exists() else None,
        made=_cost(record),
    )


def _cost(record: Any) -> dict[str, Any] | None:
    """Seconds of each stage and the processor, from a video's record; None where it does not say."""
    try:
        seconds = {str(stage): float(about["seconds"]) for stage, about in record["stages"].items()}
        return {"seconds": seconds, "processor": str(record["made"]["processor"])}
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def match(clips: Sequence[Found], prompts: Sequence[Prompt], where: Path) -> Matched:
    """Clips with their prompts. Lines without id and file are matched by the words that the clips were made from, if
    those are known, else by order, which needs equal counts.

    Raises `InputError` if no prompt belongs to any clip.
    """
    bare = all(p.id is None and p.file is None for p in prompts)
    if bare and not any(clip.prompt for clip in clips):
        if len(clips) != len(prompts):
            raise InputError(
                f"{where}: {len(prompts)} prompts for {len(clips)} videos; lines are matched by order, so the counts "
                'must agree. Name the videos instead: a .jsonl file with {"file": ..., "prompt": ...} a line'
            )
        return Matched(tuple(zip(clips, prompts, strict=True)), ())
    index = _Index(prompts)
    pairs = tuple((clip, index.about(clip)) for clip in clips)
    used = {p for _, p in pairs if p is not None}
    if not used:
        first = prompts[0].file or prompts[0].cluster
        raise InputError(
            f"{where}: no prompt belongs to any video: the first one is for {first!r}, the first video is "
            f"{clips[0].path.name!r}. An id must be the video's name without its suffix, a file the video's name"
        )
    return Matched(pairs, tuple(p for p in prompts if p not in used))


class _Index:
    """Prompts by what a clip can be known by: file name (with or without suffix), id, or the words it was made from."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._prompts = prompts
        self._files, self._stems, self._ids, self._words = (dict[str, int]() for _ in range(4))
        for n, prompt in enumerate(prompts):
            if prompt.file is not None:
                self._files.setdefault(prompt.file, n)
                self._stems.setdefault(Path(prompt.file).stem, n)
                continue
            if prompt.id is not None:
                self._ids.setdefault(prompt.id, n)
            self._words.setdefault(prompt.prompt, n)

    def about(self, clip: Found) -> Prompt | None:
        """The first prompt that is about this clip."""
        keys = [(self._files, clip.path.name), (self._files, clip.name), (self._stems, clip.name)]
        keys += [(self._ids, clip.name), (self._words, clip.prompt or "")]
        found = [table[key] for table, key in keys if key in table]
        return self._prompts[min(found)] if found else None


def holds_clips(folder: Path) -> bool:
    """Whether a folder holds something to score; False for what is no folder or cannot be read."""
    try:
        return folder.is_dir() and (_is_made(folder) or any(_is_clip(e) for e in folder.iterdir()))
    except OSError:
        return False


def _is_clip(path: Path) -> bool:
    """A folder that is called like a video is listed too: that it is none becomes its reason."""
    named = path.suffix.lower() in (*VIDEO_SUFFIXES, ".npy")
    return named or (path.is_dir() and (_is_made(path) or _holds_pictures(path)))


def _is_made(folder: Path) -> bool:
    """Whether `magicvideo generate` wrote this folder."""
    return (folder / MADE).is_file() and (folder / RECORD).is_file()


def _holds_pictures(folder: Path) -> bool:
    """Whether a folder is a sequence of pictures: some, and no videos beside them."""
    kinds = {f.suffix.lower() for f in folder.iterdir()}
    return bool(kinds & set(IMAGE_SUFFIXES)) and not kinds & set(VIDEO_SUFFIXES)


def _rank(path: Path) -> int:
    suffix = "" if path.is_dir() else path.suffix.lower()
    return PREFERENCE.index(suffix) if suffix in PREFERENCE else len(PREFERENCE)


def _empty(folder: Path, entries: Iterable[Path]) -> InputError:
    deeper = next((e for e in entries if e.is_dir() and any(_is_clip(f) for f in e.iterdir())), None)
    hint = f" Did you mean {deeper}?" if deeper is not None else ""
    kinds = ", ".join(s for s in PREFERENCE if s)
    return InputError(f"{folder}: holds no videos (looked for {kinds} and folders of pictures).{hint}")
