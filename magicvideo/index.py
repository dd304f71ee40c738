"""A store at one moment, for those who ask about a great many stages.

Keys and clips are listed once, so that asking for what is not there costs nothing. Records that are there are read from
one file, ROOT/records.pack, which holds what single files hold and is only ever believed together with them:

    <key> [stage, digest, seconds, ...]        one line a record

A record that was deleted is not found, pack or no pack; one that the pack lacks is read from its own file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from magicvideo.files import atomic_path
from magicvideo.runs import StageRecord, Store

HEAD = b"records 1\n"
WORTH_PACKING = 1000
"""So many records that the pack lacks make writing it again worth while; a hundredth of all, if that is more."""


@dataclass(frozen=True)
class Index:
    """Which stages are finished, as things were when the index was made."""

    store: Store
    keys: frozenset[str]
    digests: frozenset[str]
    packed: Mapping[str, str]

    @classmethod
    def of(cls, store: Store) -> Index:
        return cls(store, store.keys(), store.digests(), _unpacked(_pack(store)))

    def stage(self, key: str) -> StageRecord | None:
        """As `Store.stage`."""
        if key not in self.keys:
            return None
        record = _parsed(key, self.packed[key]) if key in self.packed else None
        if record is None or record.digest not in self.digests:  # made again since, perhaps
            record = self.store.record(key)
        return record if record and record.digest in self.digests else None


def pack(store: Store) -> bool:
    """Write the pack again if it lacks much; tells whether it did. For whoever works on the store anyway."""
    index = Index.of(store)
    missing = index.keys - index.packed.keys()
    if len(missing) < max(WORTH_PACKING, len(index.keys) // 100):
        return False
    with atomic_path(_pack(store)) as temporary, temporary.open("wb") as file:
        file.write(HEAD)
        file.writelines(f"{k} {line}\n".encode() for k, line in index.packed.items() if k in index.keys)
        for key in sorted(missing):
            record = store.record(key)
            if record is not None:
                file.write(b"%s %s\n" % (key.encode(), json.dumps(astuple(record)[1:]).encode()))
    return True


def _pack(store: Store) -> Path:
    return store.root / "records.pack"


def _unpacked(path: Path) -> dict[str, str]:
    """Key -> its line, not parsed yet. A file that is something else counts as absent."""
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    if not content.startswith(HEAD):
        return {}
    lines = content[len(HEAD) :].decode("ascii", "replace").split("\n")
    return {line[:64]: line[65:] for line in lines if line[64:65] == " "}


def _parsed(key: str, line: str) -> StageRecord | None:
    try:
        return StageRecord(key, *json.loads(line))
    except (ValueError, TypeError):
        return None
