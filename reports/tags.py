"""Tags of runs: the one thing that a person may add to a store, in one small file beside the runs.

STORE/tags.json    {"<id>": ["baseline", ...]}
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json
from reports.tables import plain

FILE = "tags.json"
LONGEST, MOST = 40, 20


def writable(store: Path) -> bool:
    return os.access(store, os.W_OK)


def read(store: Path) -> dict[str, list[str]]:
    """Id -> its tags; empty where there is no such file, or none that makes sense."""
    try:
        found = read_json(store / FILE)
    except InputError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(id): [str(tag) for tag in tags] for id, tags in found.items() if isinstance(tags, list)}


def change(store: Path, ids: Sequence[str], add: set[str], remove: set[str]) -> None:
    """Add and remove tags of these runs. Raises `InputError` where the store cannot be written."""
    tagged = read(store)
    clean = {plain(tag).strip()[:LONGEST] for tag in add} - {""}
    for id in ids:
        kept = sorted((set(tagged.get(id, ())) | clean) - remove)[:MOST]
        tagged = {**tagged, id: kept} if kept else {name: tags for name, tags in tagged.items() if name != id}
    write_json(store / FILE, tagged)
