"""Finds a preset's files, checks them, and fetches what is missing.

    FOLDER/OWNER/REPOSITORY/path/in/repository       FOLDER as in `magicvideo.checkpoints`
    HUB/models--OWNER--REPOSITORY/snapshots/REVISION/path/in/repository      the hub's own cache

Nothing is loaded before it is whole safetensors and its sha256 is the pinned one. A file whose hash no citable source
states is *trusted* once, explicitly: its hash goes into `trusted.json` in the user's cache, and from then on another
file in its place is refused.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicvideo.checkpoints import GIVEN, OFFLINE, cache_folder, folders, hash_of
from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json
from magicvideo.presets import SAFE, File, Placed, Preset

LONGEST_HEADER = 100_000_000
"""Bytes that the safetensors format allows its header."""


@dataclass(frozen=True)
class Wanted:
    """One file of a preset."""

    placed: Placed
    file: File

    @property
    def name(self) -> str:
        """What `trusted.json` calls it."""
        return f"{self.placed.repository}@{self.placed.revision or 'any'}/{self.file.path}"

    @property
    def places(self) -> list[Path]:
        """Where it may lie, in the order of looking."""
        here = [folder / self.placed.repository / self.file.path for folder in folders()]
        if self.placed.revision is None:
            return here
        folder = f"models--{self.placed.repository.replace('/', '--')}"
        return [*here, hub_cache() / folder / "snapshots" / self.placed.revision / self.file.path]

    @property
    def path(self) -> Path | None:
        """Where it lies, or None."""
        return next((place for place in self.places if place.is_file()), None)

    @property
    def sha256(self) -> str | None:
        """What its hash must be: pinned by the preset, or trusted before; None if neither."""
        return self.file.sha256 or trusted().get(self.name)

    @property
    def size(self) -> str:
        return f"{self.file.bytes / 1e6:,.0f} MB" if self.file.bytes else "size not recorded"


def hub_cache() -> Path:
    """Where huggingface_hub keeps what it fetched, by its own environment variables."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home) / "hub"


def wanted(parts: Iterable[Placed]) -> list[Wanted]:
    """The files of these parts, each once."""
    every = [Wanted(placed, file) for placed in parts for file in placed.part.files]
    return list({w.name: w for w in every}.values())


def trusted() -> dict[str, str]:
    """Name -> sha256 of the files whose first use was agreed to."""
    path = _lock()
    return read_json(path) if path.exists() else {}


def trust(files: Iterable[Wanted]) -> dict[str, str]:
    """Record the hashes of those of the files that are here and unpinned; returns what is new. Whole safetensors only.

    A file that was trusted before and has changed is not trusted again: delete its line in `trusted.json` to do so.
    """
    known = trusted()
    found = {w.name: hash_of(_whole(w.path)) for w in files if w.sha256 is None and w.path is not None}
    if found:
        write_json(_lock(), dict(sorted({**known, **found}.items())))
    return found


def digests(parts: Iterable[Placed], preset: str) -> list[str]:
    """The sha256 of every file of the parts, as pinned or trusted; reads no weights. What a stage's key is made of.

    Raises `InputError` for files that are neither, or first of all for what is missing then; `preset` is the name or
    path by which its remedies call the preset.
    """
    files = wanted(parts)
    unknown = [w for w in files if w.sha256 is None]
    if unknown:
        gone = [w for w in files if w.path is None]
        raise InputError(missing(gone, preset) if gone else _untrusted(unknown, preset))
    return [str(w.sha256) for w in files]


def check(parts: Iterable[Placed], preset: str) -> dict[str, list[Path]]:
    """All parts' files, whole and with the right hashes: name of the part -> paths.

    Raises one `InputError` that lists everything missing, with sizes and where each file must lie; else one for the
    first file that is damaged, of another kind, or not the one that it should be.
    """
    parts = list(parts)
    files = wanted(parts)
    gone = [w for w in files if w.path is None]
    if gone:
        raise InputError(missing(gone, preset))
    for w in files:
        _whole(w.path)
    digests(parts, preset)
    for w in files:
        examine(w)
    return {p.name: [path for f in p.part.files if (path := Wanted(p, f).path)] for p in parts}


def command(preset: str, option: str) -> str:
    """A `magicvideo presets` command to paste, for the folder of weights that is in force."""
    given = os.environ.get(GIVEN)
    return shlex.join(["magicvideo", "presets", preset, option, *(["--weights", given] if given else [])])


def missing(files: list[Wanted], preset: str) -> str:
    """What is missing: sizes, hashes, licences, where each file must lie, and how to get it."""
    total = sum(w.file.bytes or 0 for w in files)
    lines = [f"{len(files)} file(s) of weights are missing, {total / 1e9:.1f} GB:"]
    for repository, those in _by_repository(files):
        of = those[0].placed
        lines.append(f"  {repository} at revision {of.revision or '(none pinned)'}, {of.licence} ({of.terms})")
        lines += [f"    {w.file.path}  ({w.size}, sha256 {w.sha256 or 'recorded at first use'})" for w in those]
        lines.append(f"    must lie in {those[0].places[0].parents[len(Path(those[0].file.path).parts) - 1]}")
    lines.append(f"fetch them with: {command(preset, '--fetch')}   ({OFFLINE} forbids it)")
    lines.append("--weights FOLDER or MAGICVIDEO_WEIGHTS names another folder")
    return "\n".join(lines)


def fetch(preset: Preset) -> list[Path]:
    """Fetch from the hub what of a preset is missing, at its pinned revision, into the first folder looked at.

    A file that is not the pinned one is deleted again. Raises `InputError` where the hub cannot be reached.
    """
    if os.environ.get(OFFLINE):
        raise InputError(f"{OFFLINE} is set: nothing is fetched. Unset it, or put the files there yourself")
    got = []
    for w in wanted(preset.parts_of()):
        if w.path is not None:
            continue
        path = _from_hub(w)
        try:
            examine(w)
        except InputError:
            path.unlink()
            raise
        got.append(path)
    return got


def _from_hub(w: Wanted) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    print(f"fetching {w.placed.repository}/{w.file.path} ({w.size}, {w.placed.licence})", file=sys.stderr)
    target = folders()[0] / w.placed.repository
    try:
        hf_hub_download(
            w.placed.repository,
            w.file.path,
            revision=w.placed.revision,
            local_dir=target,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise InputError(f"{w.placed.repository}/{w.file.path} cannot be fetched: {error}") from None
    return target / w.file.path


def used(parts: Iterable[Placed]) -> list[dict[str, Any]]:
    """What a run's record says of its weights: repository, revision, licence, and the files with their hashes."""
    return [
        {
            "repository": repository,
            "revision": those[0].placed.revision,
            "licence": those[0].placed.licence,
            "terms": those[0].placed.terms,
            "files": {w.file.path: w.sha256 for w in those},
        }
        for repository, those in _by_repository(wanted(parts))
    ]


def _by_repository(files: list[Wanted]) -> Iterator[tuple[str, list[Wanted]]]:
    for repository in dict.fromkeys(w.placed.repository for w in files):
        yield repository, [w for w in files if w.placed.repository == repository]


def _lock() -> Path:
    return cache_folder() / "trusted.json"


def _untrusted(files: list[Wanted], preset: str) -> str:
    names = "".join(f"\n  {w.placed.repository}/{w.file.path}" for w in files)
    return (
        f"no source that could be cited states the sha256 of {len(files)} file(s):{names}\n"
        f"look where they came from, then record what they are with: {command(preset, '--trust-new')}   "
        "(from then on another file in their place is refused)"
    )


def examine(w: Wanted) -> None:
    """Raise `InputError` if the file that is here is a pickle, cut, or not the one that was pinned or trusted."""
    path = _whole(w.path)
    found = hash_of(path)
    if w.sha256 is not None and found != w.sha256:
        why = "the preset pins" if w.file.sha256 else f"{_lock()} has recorded"
        raise InputError(
            f"{path} has sha256 {found}, {why} {w.sha256}: it is damaged or another file. Delete it, and take it again "
            f"from {w.placed.repository} at revision {w.placed.revision or '(none pinned)'}"
        )


def _whole(path: Path | None) -> Path:
    """The path of a whole safetensors file, or of a vocabulary. Raises `InputError` for a pickle or a cut file."""
    assert path is not None
    if path.suffix != SAFE:
        return path
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(9)
        length = int.from_bytes(head[:8], "little")
        if head[8:] != b"{" and head[:1] in (b"P", b"\x80"):  # a zip archive or a bare pickle
            raise InputError(
                f"{path} is a pickle (torch.save), not {SAFE}: unpickling runs whatever code is in it; it is not read"
            )
        if head[8:] != b"{" or length > min(size - 8, LONGEST_HEADER):
            raise InputError(f"{path} is no whole {SAFE} file ({size} bytes): it was cut, or is something else")
        ends = _ends(path, b"{" + file.read(length - 1))
    if 8 + length + ends != size:
        raise InputError(f"{path} should have {8 + length + ends:,} bytes and has {size:,}: it was cut; fetch it again")
    return path


def _ends(path: Path, header: bytes) -> int:
    """Bytes of the tensors that a header lists."""
    try:
        entries = json.loads(header)
        return max((int(e["data_offsets"][1]) for name, e in entries.items() if name != "__metadata__"), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise InputError(f"{path} is no {SAFE} file: its header cannot be read") from None
