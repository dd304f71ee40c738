"""Where clips come from: handed over, read from a trusted store, or decoded in a child; opened as late as possible.

A file's clip digest is remembered under the hash of the file's bytes, so that a file whose features are all cached is
not decoded again.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evals.decode import Decoded, Decoder, decode
from evals.states import Unscored
from magicvideo.clip import IMAGE_SUFFIXES, VideoClip
from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json

STORE_NAME = re.compile(r"[0-9a-f]{64}")
LARGEST = 8 << 30
"""Bytes of a file; more is refused before anything is read."""


class Unreadable(Exception):
    """A file that was known before cannot be decoded now."""


@dataclass
class Opened:
    """A clip whose digest is known; its frames are decoded at first use."""

    digest: str
    frames: int
    nbytes: int
    codec: str
    _read: Callable[[], Decoded | Unscored]
    _clip: VideoClip | None = field(default=None, repr=False)

    @property
    def clip(self) -> VideoClip:
        """The frames. Raises `Unreadable` with the reason."""
        if self._clip is None:
            found = self._read()
            if isinstance(found, Unscored):
                raise Unreadable(found.reason)
            self._clip = found.clip
        return self._clip

    def load(self) -> None:
        """Decode the frames now; a failure shows when they are asked for."""
        with suppress(Unreadable):
            _ = self.clip


@dataclass
class Sources:
    """Opens clips. `cache` is the evaluation's cache folder, or None."""

    cache: Path | None
    decoder: Decoder

    def open(self, source: Path | VideoClip, trusted: bool = False) -> Opened | Unscored:
        """The clip, or the reason why it cannot be had."""
        if isinstance(source, VideoClip):
            return _opened(Decoded(source, "memory"), lambda: Decoded(source, "memory"))
        try:
            _refuse_odd(source)
            key = _file_key(source, trusted) if self.cache is not None else None
        except OSError as error:
            return Unscored(f"{source}: cannot be read ({error.strerror or error})")
        except (InputError, ValueError) as error:
            return Unscored(str(error) if isinstance(error, InputError) else f"{source}: cannot be read ({error})")

        def read() -> Decoded | Unscored:
            return _decode_here(source) if trusted else self.decoder.decode(source)

        known = self._known(key)
        if known is not None:
            return Opened(**known, _read=read)
        found = read()
        if isinstance(found, Unscored):
            return found
        opened = _opened(found, read)
        self._remember(key, opened)
        return opened

    def _known(self, key: str | None) -> dict[str, Any] | None:
        if key is None or not self._facts_path(key).exists():
            return None
        try:
            facts = read_json(self._facts_path(key))
            return {name: facts[name] for name in ("digest", "frames", "nbytes", "codec")}
        except (InputError, KeyError, TypeError):
            return None

    def _remember(self, key: str | None, opened: Opened) -> None:
        if key is not None:
            facts = {name: getattr(opened, name) for name in ("digest", "frames", "nbytes", "codec")}
            write_json(self._facts_path(key), facts)

    def _facts_path(self, key: str) -> Path:
        assert self.cache is not None
        return self.cache / "files" / key[:2] / f"{key}.json"


def _opened(found: Decoded, read: Callable[[], Decoded | Unscored]) -> Opened:
    clip = found.clip
    return Opened(clip.digest, len(clip), clip.frames.nbytes, found.codec, read, clip)


def _decode_here(path: Path) -> Decoded | Unscored:
    try:
        return decode(path)
    except InputError as error:
        return Unscored(str(error))


def _refuse_odd(path: Path) -> None:
    """Raise `InputError` for what would block or never end: pipes, devices, sockets, files beyond `LARGEST`.

    Symbolic links are followed. A folder's pictures are looked at too. Raises `OSError` for what is not there.
    """
    found = path.stat()
    inside = stat.S_ISDIR(found.st_mode)
    for file in [f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES] if inside else [path]:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{file}: not a regular file")
        if found.st_size > LARGEST:
            raise InputError(f"{file}: larger than {LARGEST >> 30} GiB; cut it")


def _file_key(path: Path, trusted: bool) -> str:
    """sha256 of the file's kind and bytes (of a folder: its pictures' names and bytes) and the decoder's version.

    A trusted file named by a clip's digest (our own store's) is known by its name.
    """
    head = f"av {version('av')}:{path.suffix.lower()}:"
    if trusted and STORE_NAME.fullmatch(path.stem):
        return hashlib.sha256(f"{head}{path.stem}".encode()).hexdigest()
    digest = hashlib.sha256(head.encode())
    if not path.is_dir():
        digest.update(_file_digest(path))
        return digest.hexdigest()
    for picture in sorted(f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES):
        digest.update(picture.name.encode(errors="surrogateescape") + b"\0" + _file_digest(picture))
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
