"""Where checkpoints of others are looked for on this machine, and their hashes, each file read once a process.

In this order: the folder of `--weights`, the folder that `MAGICVIDEO_WEIGHTS` names, the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from magicvideo.errors import InputError
from magicvideo.files import sha256

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
    """The sha256 of a file's bytes; of a file that did not change meanwhile, as found before."""
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, modified: int) -> str:
    return sha256(path)
