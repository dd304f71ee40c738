"""The store's self-check sees planted damage, and what the dead left is told from what the living do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from magicvideo.clip import VideoClip
from magicvideo.files import PARTIAL, left_behind
from magicvideo.index import WORTH_PACKING, Index, pack
from magicvideo.machine import Process, this_process
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.store_check import check_store


@pytest.fixture
def store(tmp_path: Path, noise_clip: Callable[..., VideoClip]) -> Store:
    made = Store(tmp_path / "store")
    for seed in range(2):
        clip = noise_clip(seed=seed)
        made.put_clip(clip)
        made.put_stage(StageRecord(content_key(seed), "i2v", clip.digest, 0.1, len(clip), *clip.size, clip.fps))
    return made


def failed(store: Store) -> list[str]:
    return [found.name for found in check_store(store.root) if not found.ok]


def gone() -> Process:
    me = this_process()
    return Process(me.host, me.pid, me.started + 1)


def test_a_whole_store_is_clean(store: Store) -> None:
    assert failed(store) == []


def test_a_record_that_does_not_fit_its_clip_or_its_name(store: Store) -> None:
    record = store.stage(content_key(0))
    assert record is not None
    store.put_stage(replace(record, frames=99))
    assert failed(store) == ["store"]
    store.put_stage(record)
    store.stage_path(content_key(1)).write_bytes(store.stage_path(record.key).read_bytes())
    assert failed(store) == ["store"]


def test_a_broken_clip_that_nobody_names(store: Store, noise_clip: Callable[..., VideoClip]) -> None:
    digest = store.put_clip(noise_clip(seed=7))
    assert failed(store) == []
    store.clip_path(digest).write_bytes(b"half")
    assert failed(store) == ["other clips"]


def test_leases_of_the_dead_and_half_files_are_told_and_swept(store: Store) -> None:
    dead = store.root / "stages" / "ab" / f"{PARTIAL}{gone()}-x.json"
    alive = store.root / "clips" / "ab" / f"{PARTIAL}{this_process()}-x.mkv"
    for path in (dead, alive):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    store.leases.files.swap("ab" * 32, None, json.dumps({"owner": str(gone())}).encode())
    assert failed(store) == ["partial files", "leases"]
    assert store.sweep() == 2
    assert not dead.exists()
    assert alive.exists(), "its writer lives"
    alive.unlink()
    assert failed(store) == []


def test_whose_a_temporary_file_is() -> None:
    assert left_behind(f"{PARTIAL}{gone()}-abc.mkv")
    assert not left_behind(f"{PARTIAL}{this_process()}-abc.mkv")
    assert not left_behind(f"{PARTIAL}0123456789ab.1.1-abc.mkv"), "another machine's"
    assert not left_behind(f"{PARTIAL}abc.mkv")
    assert not left_behind("clip.mkv")


def test_a_record_of_an_earlier_or_a_later_version_is_read(store: Store) -> None:
    path = store.stage_path(content_key(0))
    data = json.loads(path.read_text())
    for name in ("bytes", "peak_memory", "peak_cuda"):
        del data[name]
    path.write_text(json.dumps({**data, "colour": "blue"}))
    record = store.stage(content_key(0))
    assert record is not None
    assert (record.bytes, record.peak_memory, record.peak_cuda) == (None, None, None)


def test_the_pack_answers_like_single_files_and_follows_them(
    tmp_path: Path, noise_clip: Callable[..., VideoClip]
) -> None:
    store, clip, other = Store(tmp_path), noise_clip(), noise_clip(seed=1)
    store.put_clip(clip), store.put_clip(other)
    records = [
        StageRecord(content_key(n), "vfi", clip.digest, 0.1 * n, 1, 8, 8, 8.0, bytes=n) for n in range(WORTH_PACKING)
    ]
    for record in records:
        store.stage_path(record.key).parent.mkdir(parents=True, exist_ok=True)
        store.stage_path(record.key).write_text(json.dumps(record.__dict__))
    assert pack(store)
    assert not pack(store), "nothing is missing any more"
    index = Index.of(store)
    assert len(index.packed) == WORTH_PACKING
    assert all(index.stage(record.key) == record for record in records[:50])
    store.stage_path(records[0].key).unlink()
    assert Index.of(store).stage(records[0].key) is None, "deleted is deleted"
    store.put_stage(replace(records[1], digest=other.digest))
    store.clip_path(clip.digest).unlink()
    found = Index.of(store).stage(records[1].key)
    assert found is not None
    assert found.digest == other.digest, "made again since"
    assert Index.of(store).stage(records[2].key) is None, "its clip is gone"
    (tmp_path / "records.pack").write_bytes(b"something else")
    assert Index.of(store).packed == {}
