"""Files that are whole or absent: written under a temporary name, synced, then renamed.

A reader therefore never sees half a file under a final name, whatever moment the writer was killed at. Temporary names
say which process writes, so that what a killed one left can be told from what a living one is writing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magicvideo.errors import InputError, WriteError
from magicvideo.machine import Process, this_process

PARTIAL = ".partial-"
"""How temporary names begin; the writing process follows."""


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); on success sync it and rename it to `path`.

    Raises `WriteError` when the folder cannot be written (read-only, full disk), naming the file.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{PARTIAL}{this_process()}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"cannot write {path}: {reason}. Free space or choose another --out folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def left_behind(name: str) -> bool:
    """Whether a file's name is that of a temporary file whose writer has ended."""
    if not name.startswith(PARTIAL):
        return False
    writer = Process.parse(name.removeprefix(PARTIAL).partition("-")[0])
    return writer is not None and writer.gone


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically. Bytes of a file name that are no UTF-8 become escapes, which JSON reads back."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given, NaN refused."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON value a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one is an `InputError` that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"cannot read {path} as JSON: {error}") from None


def read_jsonl(path: Path) -> list[Any]:
    """Read one JSON value a line; an error names file and line."""
    return [row for _, row in read_jsonl_lines(path)]


def read_jsonl_lines(path: Path) -> list[tuple[int, Any]]:
    """As `read_jsonl`, each value with the number of its line."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines would cut at U+2028 inside a text
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    read = json.JSONDecoder().raw_decode  # half the time of `json.loads`, which prepares for each line anew
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        text = line.strip(" \t\r")
        try:
            value, end = read(text)
            if end < len(text):
                raise json.JSONDecodeError("Extra data", text, end)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg})") from None
        rows.append((number, value))
    return rows
