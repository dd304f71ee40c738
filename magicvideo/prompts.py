"""Prompt files: one prompt a line of text, or JSONL / CSV with names. Every mistake is answered by file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicvideo.errors import InputError
from magicvideo.files import read_jsonl_lines

PROMPT_SUFFIXES = (".jsonl", ".csv", ".txt")


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


def read_prompts(path: Path, named: bool = True) -> list[Prompt]:
    """Prompts of a .jsonl or .csv file (fields `prompt` and `id` or `file`), or of a .txt file (one a line).

    With `named=False` the lines of .jsonl and .csv need no id or file either. Raises `InputError` naming file and line:
    no prompts, an empty one, no id, ids or files that repeat.
    """
    suffix = path.suffix.lower()
    if suffix not in PROMPT_SUFFIXES:
        raise InputError(f"{path}: unknown kind of prompt file; known: {', '.join(PROMPT_SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"no such prompt file: {path}")
    if suffix == ".txt":
        lines = enumerate(_text(path).splitlines(), start=1)
        prompts = [Prompt(n, line.strip(), None, None) for n, line in lines if line.strip()]
    else:
        rows = _csv_lines(path, named) if suffix == ".csv" else read_jsonl_lines(path)
        prompts = [_from_row(f"{path}, line {n}", n, row, named) for n, row in rows]
    if not prompts:
        raise InputError(f"{path}: holds no prompts; give at least one")
    _refuse_repeats(path, prompts)
    return prompts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None


def _csv_lines(path: Path, named: bool) -> Iterable[tuple[int, Any]]:
    reader = csv.DictReader(_text(path).splitlines())
    fields = reader.fieldnames or []
    if "prompt" not in fields or (named and not {"id", "file"} & set(fields)):
        needs = "`prompt` and `id` or `file`" if named else "`prompt`"
        raise InputError(f"{path}, line 1: the header needs {needs}; it has {', '.join(fields)}")
    for row in reader:
        yield reader.line_num, {name: row[name] or None for name in fields if name}


def _from_row(where: str, line: int, row: Any, named: bool) -> Prompt:
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise InputError(f'{where}: needs {{"id": ..., "prompt": ...}} or {{"file": ..., "prompt": ...}}')
    if not row["prompt"].strip():
        raise InputError(f"{where}: the prompt is empty; write it or remove the line")
    name, file = (None if row.get(key) in (None, "") else str(row[key]) for key in ("id", "file"))
    if named and name is None and file is None:
        raise InputError(f"{where}: needs an `id` (the video's name without suffix) or a `file` (the video's name)")
    return Prompt(line, row["prompt"].strip(), name, file)


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
