"""A folder of runs and studies, found and summarised without reading a single score.

    STORE/run.json, study.json          the folder itself may be a run,
    STORE/NAME/run.json                 hold runs,
    STORE/GROUP/NAME/run.json           or groups of runs

What is known of each lies in an index in the user's cache folder, keyed by path, time and size of its records: a store
is never written to, and a thousand runs are opened once. Scores are read when a page asks for them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from magicvideo.errors import InputError

Kind = Literal["evaluation", "ablation", "study", "unknown"]
Status = Literal["complete", "running", "broken"]
RECORDS = ("run.json", "summary.json", "study.json", "scores.jsonl", "items.jsonl", "votes.sqlite", "votes.sqlite-wal")
SKIPPED = ("store", "cache", "media", "clips", "previews", "stages", "node_modules")
DEPTH = 2
FORMAT = 2
"""Raised when entries change their form: an older index is then built anew."""
FRESH_SECONDS = 2.0
"""So long a scan of the folder is taken as it is."""


@dataclass(frozen=True)
class Entry:
    """What is known of one run or study without its scores."""

    id: str
    """Its path within the store, with slashes: what links name."""
    kind: Kind
    status: Status
    title: str = ""
    created: str = ""
    problem: str = ""
    """Why it is broken, or what its record lacks."""
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    suite: str = ""
    command: str = ""
    items: int = 0
    """Videos that were to be scored; pairs of a study."""
    arms: tuple[str, ...] = ()
    """Titles of an ablation's arms, or names of a study's systems."""
    arm_names: tuple[str, ...] = ()
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name -> title, unit, higher_is_better, reads, protocol; of an evaluation also value, low, high, n, unscored."""
    touched: float = 0.0
    """When its newest record was written, seconds since 1970."""

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def when(self) -> str:
        """Date and minute, or a dash."""
        return self.created[:16].replace("T", " ") or "–"


def cache_folder() -> Path:
    """Where this user's indexes and previews lie: `$XDG_CACHE_HOME/magicvideo`, by default `~/.cache/magicvideo`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "magicvideo"


class Index:
    """The entries of one store, kept up to date. Safe to use from several threads; one index a process and store."""

    def __init__(self, store: Path, cache: Path | None = None) -> None:
        self.store = Path(store).resolve()
        if not self.store.is_dir():
            raise InputError(f"{store}: no such folder. Give the folder that holds runs, such as runs/")
        name = hashlib.sha256(f"{FORMAT}\n{self.store}".encode()).hexdigest()[:24]
        self.file = (cache or cache_folder()) / f"index-{name}.sqlite"
        self._known: dict[str, tuple[str, Entry]] = self._load()
        self._scanned = float("-inf")
        self._entries: tuple[Entry, ...] = ()

    def entries(self, fresh: bool = False) -> tuple[Entry, ...]:
        """Newest first. Looks at the folder again when the last look is `FRESH_SECONDS` old, or if `fresh`."""
        if fresh or time.monotonic() - self._scanned > FRESH_SECONDS:
            self._scan()
        return self._entries

    def entry(self, id: str) -> Entry | None:
        return next((entry for entry in self.entries() if entry.id == id), None)

    def path(self, id: str) -> Path:
        """The folder of an entry. Raises `InputError` for a name that is none: links come from strangers."""
        if all(entry.id != id for entry in self.entries()):
            raise InputError(f"{id}: no such run or study in {self.store}")
        return self.store if id == "." else self.store / id

    def signature(self, id: str) -> str:
        """Changes whenever one of the records does."""
        return self._known[id][0] if id in self._known else ""

    def _scan(self) -> None:
        found: dict[str, tuple[str, Entry]] = {}
        new: dict[str, tuple[str, Entry]] = {}
        for id, folder, records in _folders(self.store):
            signature = " ".join(f"{name}:{stat.st_mtime_ns}:{stat.st_size}" for name, stat in records.items())
            old = self._known.get(id)
            if old is None or old[0] != signature:
                touched = max(stat.st_mtime for stat in records.values())
                old = new[id] = (signature, read_entry(id, folder, touched))
            found[id] = old
        gone = self._known.keys() - found.keys()
        self._known = found
        order = sorted((entry for _, entry in found.values()), key=lambda e: (e.created, e.id), reverse=True)
        self._entries = tuple(order)
        self._scanned = time.monotonic()
        if new or gone:
            self._save(new, gone)

    def _load(self) -> dict[str, tuple[str, Entry]]:
        """What an earlier process knew; nothing if its file cannot be read."""
        with suppress(sqlite3.Error, OSError, ValueError, TypeError), closing(self._open()) as database:
            rows = database.execute("SELECT id, signature, entry FROM entries").fetchall()
            return {id: (signature, _entry_of(json.loads(text))) for id, signature, text in rows}
        return {}

    def _save(self, new: Mapping[str, tuple[str, Entry]], gone: set[str]) -> None:
        """A cache that cannot be written costs time, not answers."""
        rows = [(id, signature, json.dumps(asdict(entry))) for id, (signature, entry) in new.items()]
        with suppress(sqlite3.Error, OSError), closing(self._open()) as database, database:
            database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
            database.executemany("DELETE FROM entries WHERE id = ?", [(id,) for id in gone])

    def _open(self) -> sqlite3.Connection:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.file, timeout=5)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, signature TEXT, entry TEXT)")
        return database


def read_entry(id: str, folder: Path, touched: float = 0.0) -> Entry:
    """Summarise one folder. Whatever is wrong with it becomes its `problem`, never an error."""
    try:
        if (folder / "study.json").exists():
            return _study(id, _object(folder / "study.json"), touched)
        record = _object(folder / "run.json")
        kind = record.get("kind")
        if kind == "ablation":
            return _ablation(id, record, touched)
        if kind == "evaluation":
            whole = (folder / "summary.json").exists()
            return _evaluation(id, record, _object(folder / "summary.json") if whole else {}, touched)
        raise InputError(f"run.json: kind is {kind!r}, expected 'evaluation' or 'ablation'")
    except InputError as error:
        return Entry(id, "unknown", "broken", problem=str(error), touched=touched)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"a field is missing or of the wrong kind: {error}"
        return Entry(id, "unknown", "broken", problem=problem, touched=touched)


def _evaluation(id: str, record: Mapping[str, Any], summary: Mapping[str, Any], touched: float) -> Entry:
    scores = dict(summary.get("metrics") or {})
    about = {str(name): dict(told) for name, told in (record.get("metrics") or {}).items()}
    metrics = {name: about.get(name, {}) | dict(scores.get(name) or {}) for name in dict.fromkeys([*about, *scores])}
    return Entry(
        id,
        "evaluation",
        "complete" if summary else "running",
        title=str(record.get("name") or record.get("folder") or ""),
        items=len(record.get("items") or ()),
        metrics=metrics,
        touched=touched,
        **_common(record),
    )


def _ablation(id: str, record: Mapping[str, Any], touched: float) -> Entry:
    arms = tuple(str(arm.get("title") or arm["name"]) for arm in record["arms"])
    return Entry(
        id,
        "ablation",
        "complete" if record.get("status") == "complete" else "running",
        title=str(record.get("question") or record.get("name") or ""),
        items=len(arms) * len(record["prompts"]) * len(record["seeds"]),
        arms=arms,
        arm_names=tuple(str(arm["name"]) for arm in record["arms"]),
        metrics={str(name): dict(told) for name, told in record["metrics"].items()},
        touched=touched,
        **_common(record),
    )


def _study(id: str, record: Mapping[str, Any], touched: float) -> Entry:
    bundle = record["study"]
    systems = tuple(str(system) for system in bundle["systems"])
    title, pairs = str(bundle.get("title") or ""), len(bundle.get("units") or ())
    return Entry(id, "study", "complete", title=title, items=pairs, arms=systems, touched=touched)


def _common(record: Mapping[str, Any]) -> dict[str, Any]:
    about = record.get("environment") or {}
    return {
        "created": str(record.get("created") or ""),
        "commit": str(about.get("commit") or ""),
        "branch": str(about.get("branch") or record.get("branch") or ""),
        "dirty": bool(about.get("dirty")),
        "suite": str(record.get("suite") or ""),
        "command": str(about.get("command") or ""),
    }


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name}: cannot be read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path.name}: holds no JSON object")
    return found


def _entry_of(data: dict[str, Any]) -> Entry:
    known = {f.name for f in fields(Entry)}
    kept: dict[str, Any] = {name: value for name, value in data.items() if name in known}
    for name in ("arms", "arm_names"):
        kept[name] = tuple(kept.get(name, ()))
    return Entry(**kept)


def _folders(store: Path) -> Iterator[tuple[str, Path, dict[str, os.stat_result]]]:
    """(id, folder, its records) of every run and study, up to `DEPTH` folders deep."""
    waiting = [(".", store, 0)]
    while waiting:
        id, folder, depth = waiting.pop()
        records, inner = _look(folder)
        if "run.json" in records or "study.json" in records:
            yield id, folder, records
        elif depth < DEPTH:
            waiting += [(name if id == "." else f"{id}/{name}", folder / name, depth + 1) for name in inner]


def _look(folder: Path) -> tuple[dict[str, os.stat_result], list[str]]:
    """The folder's records and the names of folders in it; nothing of a folder that cannot be read."""
    inner, held = [], dict[str, os.DirEntry[str]]()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in RECORDS:
                held[entry.name] = entry
            elif entry.is_dir() and entry.name not in SKIPPED and not entry.name.startswith("."):
                inner.append(entry.name)
    records = {}
    for name in RECORDS:
        with suppress(OSError, KeyError):
            records[name] = held[name].stat()
    return records, sorted(inner)
