"""A store's self-check: every record whole, every clip still what its name says, nothing left by the dead.

Reads all that is there and changes nothing. What it finds names the file and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from magicvideo.errors import InputError
from magicvideo.files import PARTIAL
from magicvideo.leases import Leases
from magicvideo.runs import Store


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what, whether it is as it should be, and what to do if not."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def check_store(root: Path) -> Iterator[Finding]:
    """Records and their clips, clips without a record, half-written files, leases."""
    store = Store(root)
    keys = sorted(path.stem for path in (root / "stages").glob("??/*.json") if path.name[0] != ".")
    if not keys:
        yield Finding("store", False, f"no stage records under {root}", "give the folder that holds stages/ and clips/")
        return
    named, broken = set[str](), list[str]()
    for key in keys:
        try:
            named.add(_checked(store, key))
        except InputError as error:
            broken.append(f"{key}.json: {error}")
    detail = f"{len(keys)} records" + (f", broken: {'; '.join(broken[:3])}" if broken else "")
    yield Finding("store", not broken, detail, "delete the named records; the next run computes them again")
    yield _clips(store, named)
    left = sorted(path for path in root.rglob(f"{PARTIAL}*"))
    detail = f"{len(left)} left behind" + (f", {left[0]} first" if left else "")
    yield Finding(
        "partial files", not left, detail, "delete them if no run is going on: a writer was killed, nothing is lost"
    )
    yield _leases(store.leases)


def _checked(store: Store, key: str) -> str:
    """The digest of a record's clip, the clip having been read. Raises `InputError` for whatever does not agree."""
    record = store.record(key)
    if record is None:
        raise InputError("it has just been deleted")
    if record.key != key:
        raise InputError(f"it says it is {record.key}")
    clip = store.clip(record.digest)
    if (len(clip), *clip.size, clip.fps) != (record.frames, record.height, record.width, record.fps):
        raise InputError("its clip has another shape or rate than it says")
    return record.digest


def _clips(store: Store, named: set[str]) -> Finding:
    """Clips that no record names: made just before a kill, given by the user, or exact renders. They do no harm."""
    broken, others = list[str](), 0
    for path in sorted((store.root / "clips").glob("??/*.mkv")):
        if path.name[0] == "." or path.stem in named:
            continue
        others += 1
        try:
            store.clip(path.stem)
        except InputError as error:
            broken.append(str(error))
    detail = f"{others} without a record" + (f", broken: {'; '.join(broken[:3])}" if broken else "")
    return Finding("other clips", not broken, detail, "delete the named files; they are made again if needed")


def _leases(leases: Leases) -> Finding:
    held = [name for name in leases.files.names() if not leases.free(name, leases.files.read(name) or b"")]
    dead = len(leases.files.names()) - len(held)
    detail = f"{len(held)} stages are being computed" + (f", {dead} leases of processes that ended" if dead > 0 else "")
    return Finding(
        "leases", dead <= 0, detail, "run the grid again, or delete the folder leases/ if no run is going on"
    )
