"""Which clips are in a folder, which prompts in a file, and which belong together. Mistakes are answered by name."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicvideo.clip import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl

PREFERENCE = (".npy", "", ".mkv", ".webm", ".mov", ".mp4", ".avi", ".gif")
"""Of files that share a name, the first kind is taken: lossless ones first ("" is a folder of pictures)."""
MADE, RECORD = "clip.mkv", "record.json"
"""What `magicvideo generate` writes into each video's folder: the lossless clip, and what it was made from."""
PROMPT_SUFFIXES = (".jsonl", ".csv", ".txt")


@dataclass(frozen=True)
class Found:
    """A clip of a folder. `prompt` and `reference` are known of clips that `magicvideo generate` made."""

    path: Path
    name: str
    prompt: str | None = None
    reference: Path | None = None


@dataclass(frozen=True)
class Prompt:
    """One line of a prompt file. `id` and `file` are None where the line names none."""

    line: int
    prompt: str
    id: str | None
    file: str | None

    @property
    def cluster(self) -> str:
        """What counts as the same prompt: its id, or its words."""
        return self.id or self.prompt

    def names(self, clip: Found) -> bool:
        """Whether this line is about that clip: by file name (with or without suffix), by id, or because the clip was
        made from these words."""
        if self.file is not None:
            return self.file == clip.path.name or clip.name in (self.file, Path(self.file).stem)
        return self.id == clip.name or self.prompt == clip.prompt


@dataclass(frozen=True)
class Matched:
    """Clips with their prompts, and the lines of the prompt file that no clip answers to."""

    pairs: tuple[tuple[Found, Prompt | None], ...]
    without_clip: tuple[Prompt, ...]


def clip_name(path: Path) -> str:
    """A file's name without its suffix; a folder's name whole."""
    return path.stem if path.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".npy") else path.name


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
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=_natural)
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
        prompt = read_json(path / RECORD).get("prompt")
    except (InputError, AttributeError):
        prompt = None
    picture = path / "t2i.png"
    return Found(
        path / MADE, path.name, prompt if isinstance(prompt, str) else None, picture if picture.exists() else None
    )


def read_prompts(path: Path) -> list[Prompt]:
    """Prompts of a .jsonl or .csv file (fields `prompt` and `id` or `file`), or of a .txt file (one a line).

    Raises `InputError` naming file and line: no prompts, an empty one, no id, ids or files that repeat.
    """
    suffix = path.suffix.lower()
    if suffix not in PROMPT_SUFFIXES:
        raise InputError(f"{path}: unknown kind of prompt file; known: {', '.join(PROMPT_SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"no such prompt file: {path}")
    if suffix == ".txt":
        prompts = [Prompt(n, line.strip(), None, None) for n, line in _numbered(_text(path)) if line.strip()]
    elif suffix == ".csv":
        prompts = list(_from_csv(path))
    else:
        prompts = [_from_row(path, n, row) for n, row in zip(_filled_lines(path), read_jsonl(path), strict=True)]
    if not prompts:
        raise InputError(f"{path}: holds no prompts; give at least one")
    _refuse_repeats(path, prompts)
    return prompts


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
    pairs = tuple((clip, next((p for p in prompts if p.names(clip)), None)) for clip in clips)
    used = {p for _, p in pairs if p is not None}
    if not used:
        first = prompts[0].file or prompts[0].cluster
        raise InputError(
            f"{where}: no prompt belongs to any video: the first one is for {first!r}, the first video is "
            f"{clips[0].path.name!r}. An id must be the video's name without its suffix, a file the video's name"
        )
    return Matched(pairs, tuple(p for p in prompts if p not in used))


def _is_clip(path: Path) -> bool:
    if path.is_dir():
        return _is_made(path) or _holds_pictures(path)
    return path.suffix.lower() in (*VIDEO_SUFFIXES, ".npy")


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


def _natural(path: Path) -> list[tuple[int, str]]:
    """Orders clip2 before clip10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _empty(folder: Path, entries: Iterable[Path]) -> InputError:
    deeper = next((e for e in entries if e.is_dir() and any(_is_clip(f) for f in e.iterdir())), None)
    hint = f" Did you mean {deeper}?" if deeper is not None else ""
    kinds = ", ".join(s for s in PREFERENCE if s)
    return InputError(f"{folder}: holds no videos (looked for {kinds} and folders of pictures).{hint}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None


def _numbered(text: str) -> Iterable[tuple[int, str]]:
    return enumerate(text.splitlines(), start=1)


def _filled_lines(path: Path) -> list[int]:
    return [n for n, line in _numbered(_text(path)) if line.strip()]


def _from_csv(path: Path) -> Iterable[Prompt]:
    reader = csv.DictReader(_text(path).splitlines())
    fields = reader.fieldnames or []
    if "prompt" not in fields or not {"id", "file"} & set(fields):
        raise InputError(f"{path}, line 1: the header needs `prompt` and `id` or `file`; it has {', '.join(fields)}")
    for row in reader:
        yield _from_row(path, reader.line_num, {name: row[name] or None for name in fields if name})


def _from_row(path: Path, line: int, row: Any) -> Prompt:
    where = f"{path}, line {line}"
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise InputError(f'{where}: needs {{"id": ..., "prompt": ...}} or {{"file": ..., "prompt": ...}}')
    if not row["prompt"].strip():
        raise InputError(f"{where}: the prompt is empty; write it or remove the line")
    name, file = row.get("id"), row.get("file")
    if name in (None, "") and file in (None, ""):
        raise InputError(f"{where}: needs an `id` (the video's name without suffix) or a `file` (the video's name)")
    return Prompt(
        line, row["prompt"].strip(), str(name) if name not in (None, "") else None, str(file) if file else None
    )


def _refuse_repeats(path: Path, prompts: Iterable[Prompt]) -> None:
    """A file names one line; so does an id, unless its lines name files (seeds of one prompt)."""
    seen = dict[tuple[str, str], int]()
    for p in prompts:
        key = ("file", p.file) if p.file is not None else ("id", p.id)
        if key[1] is None:
            continue
        if key in seen:
            raise InputError(
                f"{path}: lines {seen[key]} and {p.line} share the {key[0]} {key[1]!r}; each line needs its own"
            )
        seen[key[0], key[1]] = p.line
