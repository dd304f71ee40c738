"""A store that machines share without sharing a disk: any address that fsspec knows, with a folder here in front.

What is made here is written to the folder, then uploaded under a temporary name and moved; the record last. What
another machine made is fetched when its frames are asked for. Knows bytes and paths, not tensors.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from magicvideo.clip import VideoClip
from magicvideo.errors import InputError, WriteError
from magicvideo.files import PARTIAL, atomic_path
from magicvideo.leases import EXPIRY, Leases
from magicvideo.runs import StageRecord, Store, parse_record


@dataclass(frozen=True)
class StorePlace:
    """Where a store is, small enough to tell another process: a folder, or an address with a folder before it."""

    root: Path
    address: str | None = None
    expiry: float = field(default=EXPIRY)
    """Seconds after which the lease of a worker that gives no sign is free."""

    def open(self) -> Store:
        store = Store(self.root) if self.address is None else SharedStore(self.root, self.address)
        store.leases.expiry = self.expiry
        return store


def store_place(named: str | None, default: Path) -> StorePlace:
    """What `--store` says: a folder, an fsspec address (`s3://bucket/place`), or nothing for `default`.

    With an address, `default` is the folder before it.
    """
    if named is None:
        return StorePlace(default)
    if "://" not in named:
        return StorePlace(Path(named).absolute())
    if named.startswith("file://"):
        return StorePlace(Path(named.removeprefix("file://")).absolute())
    return StorePlace(default, named)


class SharedStore(Store):
    """Clips and records at an address; `root` keeps what this machine has made or looked at."""

    def __init__(self, root: Path, address: str) -> None:
        super().__init__(root)
        self.address = address
        self.fs, self.base = _filesystem(address)

    @cached_property
    def leases(self) -> Leases:
        return Leases(AddressFiles(self))

    def clip_path(self, digest: str) -> Path:
        """The clip's path here; fetched first if only the address has it."""
        path = super().clip_path(digest)
        if not path.exists():
            self._fetch(f"clips/{digest[:2]}/{digest}.mkv", path)
        return path

    def has_clip(self, digest: str) -> bool:
        if super().clip_path(digest).exists():
            return True
        with self._reached():
            return bool(self.fs.exists(self._there(f"clips/{digest[:2]}/{digest}.mkv")))

    def put_clip(self, clip: VideoClip) -> str:
        """Write the clip here and upload it, each once."""
        digest = clip.digest
        here = super().clip_path(digest)
        there = f"clips/{digest[:2]}/{digest}.mkv"
        if not here.exists():
            Store(self.root).put_clip(clip)
        with self._reached():
            known = self.fs.exists(self._there(there))
        if not known:
            self._put(there, here.read_bytes())
        return digest

    def record(self, key: str) -> StageRecord | None:
        found = super().record(key)
        if found is None:
            found = self._record_there(key)
            if found is not None:
                super().put_stage(found)
        return found

    def put_stage(self, record: StageRecord) -> None:
        """Upload the record, then keep it here: what is found here has reached the address."""
        self._put(f"stages/{record.key[:2]}/{record.key}.json", json.dumps(asdict(record)).encode())
        super().put_stage(record)

    def keys(self) -> frozenset[str]:
        return frozenset(self._names("stages"))

    def digests(self) -> frozenset[str]:
        return frozenset(self._names("clips"))

    def _record_there(self, key: str) -> StageRecord | None:
        name = f"stages/{key[:2]}/{key}.json"
        content = self.read(name)
        if content is None:
            return None
        try:
            return parse_record(f"{self.address}/{name}", json.loads(content))
        except json.JSONDecodeError as error:
            raise InputError(f"cannot read {self.address}/{name} as JSON: {error}") from None

    def _names(self, folder: str) -> Iterator[str]:
        with self._reached():
            paths = self.fs.find(self._there(folder)) if self.fs.exists(self._there(folder)) else []
        names = (posixpath.basename(str(path)) for path in paths)
        return (name.partition(".")[0] for name in names if name[0] != ".")

    def _there(self, name: str) -> str:
        return f"{self.base}/{name}"

    def read(self, name: str) -> bytes | None:
        """The bytes under a name at the address; None if there are none."""
        with self._reached():
            try:
                return bytes(self.fs.cat_file(self._there(name)))
            except FileNotFoundError:
                return None

    def _fetch(self, name: str, path: Path) -> None:
        content = self.read(name)
        if content is not None:
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)

    def _put(self, name: str, content: bytes) -> None:
        """Under a temporary name, then moved: nobody finds half of it under its own."""
        path = self._there(name)
        temporary = f"{posixpath.dirname(path)}/{PARTIAL}{uuid4().hex}"
        with self._reached():
            self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
            self.fs.pipe_file(temporary, content)
            self.fs.mv(temporary, path)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Whatever a filesystem says when it cannot be used becomes one error with the address."""
        try:
            yield
        except (InputError, FileNotFoundError):
            raise
        except Exception as error:  # each kind of filesystem has errors of its own
            raise WriteError(
                f"cannot use the store {self.address}: {error}. Check address, access and space"
            ) from error


class AddressFiles:
    """Leases at an address. Taking a free one is one step where the filesystem can create exclusively; taking over one
    of a dead worker is two, so two thieves may both win and do that one stage twice."""

    def __init__(self, store: SharedStore) -> None:
        self.store = store

    def read(self, name: str) -> bytes | None:
        return self.store.read(self._path(name))

    def swap(self, name: str, expected: bytes | None, new: bytes | None) -> bool:
        fs, path = self.store.fs, f"{self.store.base}/{self._path(name)}"
        if expected is not None and self.read(name) != expected:
            return False
        with self.store._reached():
            try:
                if expected is None and new is not None:
                    fs.makedirs(posixpath.dirname(path), exist_ok=True)
                    fs.pipe_file(path, new, mode="create")
                elif new is not None:
                    fs.pipe_file(path, new)
                elif expected is not None:
                    fs.rm_file(path)
            except FileExistsError:
                return False
            except FileNotFoundError:
                return False
        return True

    def names(self) -> list[str]:
        return sorted(self.store._names("leases"))

    @staticmethod
    def _path(name: str) -> str:
        return f"leases/{name[:2]}/{name}.json"


def _filesystem(address: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, base = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise InputError(f"--store {address}: {error}") from None
    return fs, str(base).rstrip("/")
