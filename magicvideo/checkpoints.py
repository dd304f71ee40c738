"""Where checkpoints of others are looked for on this machine, and their hashes, each file read once until it changes.

In this order: the folder of `--weights`, the folder that `MAGICVIDEO_WEIGHTS` names, the user's cache. Hashes of large
files are remembered in the user's cache (`hashes/`), each under its path with what tells that the file is the same: its
size, its place on the disk, and when it was last written.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from magicvideo.errors import InputError, WriteError
from magicvideo.files import read_json, sha256, write_json

GIVEN = "MAGICVIDEO_WEIGHTS_GIVEN"
"""How the folder of `--weights` reaches the processes that a command starts."""
OFFLINE = "MAGICVIDEO_OFFLINE"
"""Set, and nothing is fetched."""


@contextmanager
def searching(folder: Path | None) -> Iterator[None]:
    """Look for checkpoints in this folder first, here and in processes started meanwhile."""
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise InputError(f"--weights {folder}: no such folder")
    before = os.environ.get(GIVEN)
    os.environ[GIVEN] = str(folder.absolute())
    try:
        yield
    finally:
        os.environ.pop(GIVEN)
        if before is not None:
            os.environ[GIVEN] = before


def cache_folder() -> Path:
    """Where fetched files are kept: `$XDG_CACHE_HOME/magicvideo/weights`, by default under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magicvideo" / "weights"


def folders() -> list[Path]:
    """Where files are looked for, in order."""
    named = [os.environ.get(GIVEN), os.environ.get("MAGICVIDEO_WEIGHTS")]
    return list(dict.fromkeys([*(Path(name) for name in named if name), cache_folder()]))


def hash_of(path: Path) -> str:
    """The sha256 of a file's bytes; of a file that did not change meanwhile, as found before, by whatever process."""
    where = path.resolve()
    return _hash(where, _state(where))


REMEMBERED = 10_000_000
"""Bytes from which on a file's hash is kept for other processes: hashing less takes no time."""
SETTLED = 2.0
"""Seconds that a file must have been left alone: two writes in less may leave the same time on it."""


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file is written or replaced."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


@lru_cache(maxsize=256)
def _hash(path: Path, state: tuple[int, ...]) -> str:
    if state[0] < REMEMBERED:
        return sha256(path)
    place = cache_folder().parent / "hashes" / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    known = {"path": str(path), "state": list(state)}
    if kept := _kept(place, known):
        return kept
    found = sha256(path)
    if _state(path) == state and time.time() - max(state[1:3]) / 1e9 > SETTLED:
        with suppress(WriteError):  # a cache that cannot be written costs time and nothing else
            write_json(place, {**known, "sha256": found})
    return found


def _kept(place: Path, known: dict[str, Any]) -> str | None:
    """The hash that was kept of a file in this state."""
    try:
        kept = read_json(place)
    except InputError:
        return None
    same = isinstance(kept, dict) and all(kept.get(name) == value for name, value in known.items())
    found = str(kept.get("sha256")) if same else ""
    return found if re.fullmatch(r"[0-9a-f]{64}", found) else None
