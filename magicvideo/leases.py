"""Leases: who is computing what, so that workers that share a store do not do the same work twice.

    ROOT/leases/ab/<key>.json      owner (host, pid, start), a heartbeat counter, and when it was taken, for people

A lease saves work; nothing relies on it for being right, since equal keys write equal bytes. No clock is trusted. A
lease whose owner has ended on this machine is free at once. Any other is free when its heartbeat has not changed for
`expiry` seconds of the observer's own monotonic clock. Does not know stages or clips.
"""

from __future__ import annotations

import fcntl
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from magicvideo.errors import WriteError
from magicvideo.machine import Process, this_process

EXPIRY = 60.0
"""Seconds without a heartbeat after which a lease of another machine is free."""
BEATS = 4
"""Heartbeats within `EXPIRY`."""


class LeaseFiles(Protocol):
    """Small files under names, changed only if they are still what one has seen."""

    def read(self, name: str) -> bytes | None: ...

    def swap(self, name: str, expected: bytes | None, new: bytes | None) -> bool:
        """Replace the content (None: no file) if it is `expected`; False when it is not."""

    def names(self) -> list[str]: ...


class FolderFiles:
    """Files of a folder. One lock for all of them makes comparing and replacing one step."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self._path(name), error) from error

    def swap(self, name: str, expected: bytes | None, new: bytes | None) -> bool:
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                return self._swap(path, expected, new)
        except OSError as error:
            raise _unusable(path, error) from error

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.root.glob("??/*.json") if path.name[0] != ".")

    def _swap(self, path: Path, expected: bytes | None, new: bytes | None) -> bool:
        found = path.read_bytes() if path.exists() else None
        if found != expected:
            return False
        if new is None:
            path.unlink(missing_ok=True)
            return True
        # Not synced: a lease that a power cut loses is one that nobody holds any more.
        temporary = path.with_name(f".partial-{this_process()}-{threading.get_ident()}.json")
        try:
            temporary.write_bytes(new)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            with suppress(OSError):  # a filesystem without locks: two thieves may both win there, and work twice
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, name: str) -> Path:
        return self.root / name[:2] / f"{name}.json"


class Leases:
    """The leases of one worker. Held ones are renewed by a thread until they are given back."""

    def __init__(self, files: LeaseFiles, expiry: float = EXPIRY) -> None:
        self.files = files
        self.expiry = expiry
        self._token = uuid4().hex
        self._held = dict[str, tuple[int, bytes]]()
        self._seen = dict[str, tuple[bytes, float]]()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._beating: threading.Thread | None = None

    @contextmanager
    def hold(self, key: str) -> Iterator[bool]:
        """Take the lease of `key` for the block; yields False when another worker has it. Raises `WriteError`."""
        mine = self.take(key)
        try:
            yield mine
        finally:
            if mine:
                self.give_back(key)

    def take(self, key: str) -> bool:
        """Take the lease if it is free, or if whoever held it is gone."""
        found = self.files.read(key)
        if found is not None and not self.free(key, found):
            return False
        content = self._content(0)
        with self._guard:
            if not self.files.swap(key, found, content):
                return False
            self._held[key] = (0, content)
            self._seen.pop(key, None)
            self._beat_from_now_on()
        return True

    def give_back(self, key: str) -> None:
        """Let go of a lease. One that was stolen meanwhile stays the thief's; a store that is gone keeps its own."""
        with self._guard:
            held = self._held.pop(key, None)
            if held is not None:
                with suppress(WriteError):
                    self.files.swap(key, held[1], None)

    def free(self, key: str, content: bytes) -> bool:
        """Whether this content's owner is gone: ended on this machine, or without a heartbeat for `expiry` seconds."""
        owner = _owner(content)
        if owner is not None and owner.gone:
            return True
        seen, since = self._seen.get(key, (None, 0.0))
        if seen != content:
            self._seen[key] = (content, time.monotonic())
            return False
        return time.monotonic() - since >= self.expiry

    def sweep(self) -> int:
        """Remove the leases of processes of this machine that have ended; returns how many."""
        removed = 0
        for name in self.files.names():
            content = self.files.read(name)
            owner = _owner(content) if content else None
            removed += bool(owner and owner.gone and self.files.swap(name, content, None))
        return removed

    def close(self) -> None:
        """Give everything back and end the heartbeat."""
        self._stop.set()
        for key in list(self._held):
            self.give_back(key)
        if self._beating is not None:
            self._beating.join()

    def _content(self, beat: int) -> bytes:
        about = {
            "owner": str(this_process()),
            "worker": self._token,
            "beat": beat,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return json.dumps(about).encode()

    def _beat_from_now_on(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(target=self._beat, name="lease heartbeat", daemon=True)
            self._beating.start()

    def _beat(self) -> None:
        while not self._stop.wait(self.expiry / BEATS):
            with self._guard:
                for key, (beat, content) in list(self._held.items()):
                    self._renew(key, beat + 1, content)

    def _renew(self, key: str, beat: int, content: bytes) -> None:
        new = self._content(beat)
        try:
            if self.files.swap(key, content, new):
                self._held[key] = (beat, new)
            else:
                del self._held[key]  # stolen: it took us for dead
        except (WriteError, OSError):
            pass  # the store cannot be written: what is being computed will say so


def _unusable(path: Path, error: OSError) -> WriteError:
    return WriteError(f"cannot use {path}: {error.strerror or error}. Free space or choose another store")


def _owner(content: bytes) -> Process | None:
    try:
        return Process.parse(str(json.loads(content)["owner"]))
    except (ValueError, KeyError, TypeError):
        return None
