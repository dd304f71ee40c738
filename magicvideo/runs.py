"""The store: content-addressed clips and stage records on disk, and run folders beside them.

    ROOT/clips/ab/<digest>.mkv      lossless, what metrics read      (clip digest)
    ROOT/previews/ab/<digest>.mp4   H.264, what people watch
    ROOT/stages/ab/<key>.json       StageRecord: this key gave that clip; written last, so its presence means whole
    ROOT/leases/ab/<key>.json       who is computing it just now (`leases.py`)

Knows paths and bytes, not tensors. Every write is atomic; a killed writer leaves nothing under a final name.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from magicvideo.clip import VideoClip, read_clip, write_lossless, write_preview
from magicvideo.errors import InputError
from magicvideo.files import left_behind, read_json, write_json
from magicvideo.leases import FolderFiles, Leases


def content_key(value: Any) -> str:
    """sha256 (hex) of plain data as canonical JSON: the same content, the same key."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class StageRecord:
    """What one stage did: `key` names everything it depended on, `digest` the clip it made."""

    key: str
    stage: str
    digest: str
    seconds: float
    """Wall time of computing it, models loaded."""
    frames: int
    height: int
    width: int
    fps: float
    bytes: int | None = None
    """Size of the clip's file. Like what follows, unknown in records of earlier versions."""
    peak_memory: int | None = None
    """Most resident memory of the process while it was computed, in bytes."""
    peak_cuda: int | None = None
    """Most memory of the GPU while it was computed, in bytes; None without one."""


FIELDS = frozenset(field.name for field in fields(StageRecord))


class Store:
    """Clips and stage records under one folder. Safe to share between processes: equal keys write equal bytes."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @cached_property
    def leases(self) -> Leases:
        """This process's leases on stages that it computes."""
        return Leases(FolderFiles(self.root / "leases"))

    def clip_path(self, digest: str) -> Path:
        return self.root / "clips" / digest[:2] / f"{digest}.mkv"

    def preview_path(self, digest: str) -> Path:
        return self.root / "previews" / digest[:2] / f"{digest}.mp4"

    def stage_path(self, key: str) -> Path:
        return self.root / "stages" / key[:2] / f"{key}.json"

    def put_clip(self, clip: VideoClip) -> str:
        """Write the clip without loss (once) and return its digest."""
        if not self.has_clip(clip.digest):
            write_lossless(self.clip_path(clip.digest), clip)
        return clip.digest

    def has_clip(self, digest: str) -> bool:
        return self.clip_path(digest).exists()

    def clip(self, digest: str) -> VideoClip:
        """Read a clip back; bit-exact. A file that is no longer what its name says is an `InputError`."""
        path = self.clip_path(digest)
        clip = read_clip(path)
        if clip.digest != digest:
            raise InputError(f"{path}: the clip has changed since it was written; delete it and it is made again")
        return clip

    def preview(self, digest: str, scale: int = 1) -> Path:
        """The path of the clip's H.264 preview, made at first use."""
        path = self.preview_path(digest)
        if not path.exists():
            write_preview(path, self.clip(digest), scale=scale)
        return path

    def stage(self, key: str) -> StageRecord | None:
        """The record of a finished stage, or None. A record whose clip is gone counts as not finished."""
        record = self.record(key)
        return record if record and self.has_clip(record.digest) else None

    def record(self, key: str) -> StageRecord | None:
        """The record under a key, whether or not its clip is there."""
        path = self.stage_path(key)
        return parse_record(path, read_json(path)) if path.exists() else None

    def put_stage(self, record: StageRecord) -> None:
        """Write the record; the clip it names must have been put before."""
        write_json(self.stage_path(record.key), asdict(record))

    def keys(self) -> frozenset[str]:
        """Keys of all records, from listing the folders once."""
        return frozenset(_stems(self.root / "stages"))

    def digests(self) -> frozenset[str]:
        """Digests of all clips, likewise."""
        return frozenset(_stems(self.root / "clips"))

    def sweep(self) -> int:
        """Remove what processes of this machine left when they were killed; returns how many files.

        Half-written files and leases of living processes, and of other machines, stay.
        """
        folders = [self.root, *(self.root / name for name in ("clips", "previews", "stages", "leases"))]
        left = [Path(e.path) for f in folders for e in _entries(f) if left_behind(e.name)]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left) + self.leases.sweep()


def parse_record(path: Path | str, data: Any) -> StageRecord:
    """A stage record from plain data; fields that a later version added are left out."""
    try:
        return StageRecord(**{name: value for name, value in data.items() if name in FIELDS})
    except (TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a stage record ({error}); delete it and the stage runs again") from None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Files of a folder and of its two-letter subfolders."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if len(entry.name) == 2 and entry.is_dir():
            yield from os.scandir(entry.path)
        elif entry.is_file():
            yield entry


def _stems(folder: Path) -> Iterator[str]:
    return (entry.name.partition(".")[0] for entry in _entries(folder) if entry.name[0] != ".")


def environment() -> dict[str, Any]:
    """Where a number came from: versions, commit, dirty flag, machine. Plain data for a run's record."""
    packages = ("magicvideo", "torch", "torchvision", "diffusers", "open-clip-torch", "lpips", "torchmetrics", "av")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "packages": {name: _version(name) for name in packages},
        "commit": os.environ.get("MAGICVIDEO_COMMIT") or _git("rev-parse", "HEAD"),
        "branch": _branch(),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "command": " ".join(["magicvideo", *sys.argv[1:]]),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _branch() -> str:
    """`MAGICVIDEO_BRANCH` where it is set (the system under test may live elsewhere), else git's; CI systems check out
    a commit without a branch and name it in their own variables."""
    found = os.environ.get("MAGICVIDEO_BRANCH") or _git("rev-parse", "--abbrev-ref", "HEAD")
    if found and found != "HEAD":
        return found
    names = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _git(*words: str) -> str:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
