"""Hashes of large files: read once, remembered between processes, and found anew when the file changes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from magicvideo import checkpoints
from magicvideo.checkpoints import hash_of
from magicvideo.files import read_json, sha256

OLD = 3600


class Reads:
    """How often a file was read to its end."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path) -> str:
        self.count += 1
        return sha256(path)


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    found = Reads()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoints, "sha256", found)
    monkeypatch.setattr(checkpoints, "REMEMBERED", 4)
    monkeypatch.setattr(checkpoints, "SETTLED", -OLD)  # a test's files are new
    checkpoints._hash.cache_clear()
    yield found
    checkpoints._hash.cache_clear()


def another_process() -> None:
    checkpoints._hash.cache_clear()


def true(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def asked_by(processes: int, path: Path) -> None:
    """So many processes, one after the other, find the true hash."""
    for _ in range(processes):
        another_process()
        assert hash_of(path) == true(path)


def test_a_file_is_read_once_over_many_processes(tmp_path: Path, reads: Reads) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one hundred")
    asked_by(3, path)
    assert reads.count == 1
    link = tmp_path / "link"
    link.symlink_to(path)
    assert hash_of(link) == true(path)
    assert reads.count == 1, "by another name too"


@pytest.mark.parametrize("how", ["written", "replaced", "with its old time", "longer"])
def test_a_file_that_changed_is_read_again(how: str, tmp_path: Path, reads: Reads) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one hundred")
    hash_of(path)
    before = path.stat()
    time.sleep(0.02)
    if how == "replaced":
        (tmp_path / "new").write_bytes(b"two hundred")
        (tmp_path / "new").replace(path)
    else:
        path.write_bytes(b"two hundred" + b"!" * (how == "longer"))
    if how != "written":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    asked_by(2, path)
    assert reads.count == 2


def test_a_small_file_and_one_just_written_are_not_remembered(
    tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, small = tmp_path / "weights", tmp_path / "small"
    path.write_bytes(b"one hundred")
    small.write_bytes(b"one")
    monkeypatch.setattr(checkpoints, "SETTLED", 60.0)
    for _ in range(2):
        another_process()
        assert (hash_of(path), hash_of(small)) == (true(path), true(small))
    assert reads.count == 4
    assert not (tmp_path / "cache" / "magicvideo" / "hashes").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"path": 3}', "damaged"])
def test_a_damaged_memory_is_no_memory(content: str, tmp_path: Path, reads: Reads) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one hundred")
    hash_of(path)
    (kept,) = (tmp_path / "cache" / "magicvideo" / "hashes").iterdir()
    whole = read_json(kept)
    assert whole["sha256"] == true(path)
    kept.write_text(content)
    another_process()
    assert hash_of(path) == true(path)
    assert read_json(kept) == whole


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, reads: Reads) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    path = tmp_path / "weights"
    path.write_bytes(b"one hundred")
    asked_by(2, path)
    assert reads.count == 2
