"""The store: content has one name, records come last, damage is noticed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicvideo.clip import VideoClip, read_clip, write_lossless
from magicvideo.errors import InputError
from magicvideo.runs import StageRecord, Store, content_key, environment

MakeClip = Callable[..., VideoClip]
FullDisk = Callable[[int], AbstractContextManager[None]]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def record(key: str, clip: VideoClip) -> StageRecord:
    return StageRecord(key, "i2v", clip.digest, 0.25, len(clip), *clip.size, clip.fps)


def test_keys_do_not_depend_on_the_order_of_names() -> None:
    assert content_key({"a": 1, "b": [2, None]}) == content_key({"b": [2, None], "a": 1})
    assert content_key([1, 2]) != content_key([2, 1])
    assert content_key("1") != content_key(1)
    assert content_key((1, 2)) == content_key([1, 2])


def test_a_key_is_the_hash_of_the_shortest_sorted_json() -> None:
    text = '["t2i",1,{"größe":64,"seed":7}]'
    assert content_key(["t2i", 1, {"seed": 7, "größe": 64}]) == hashlib.sha256(text.encode()).hexdigest()


@settings(max_examples=40)
@given(PLAIN, PLAIN)
def test_different_content_different_key(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (content_key(one) == content_key(other)) == same


def test_nan_has_no_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_key(float("nan"))


def test_a_clip_goes_in_once_and_comes_back(tmp_path: Path, noise_clip: MakeClip) -> None:
    store, clip = Store(tmp_path), noise_clip()
    assert store.put_clip(clip) == clip.digest
    path = store.clip_path(clip.digest)
    written = path.stat().st_mtime_ns
    assert store.put_clip(VideoClip(clip.frames.copy(), 8.0)) == clip.digest
    assert path.stat().st_mtime_ns == written
    assert store.clip(clip.digest) == clip
    assert path.parent.name == clip.digest[:2]


@pytest.mark.parametrize("fps", [7.123456, 1 / 3, 23.976])
def test_any_rate_comes_back_under_its_digest(fps: float, tmp_path: Path, noise_clip: MakeClip) -> None:
    store, clip = Store(tmp_path), noise_clip(2, 8, 8, fps)
    assert store.clip(store.put_clip(clip)).digest == clip.digest


def test_a_preview_is_made_once_and_scaled(tmp_path: Path, noise_clip: MakeClip) -> None:
    store, clip = Store(tmp_path), noise_clip(3, 16, 16)
    store.put_clip(clip)
    path = store.preview(clip.digest, scale=2)
    written = path.stat().st_mtime_ns
    assert read_clip(path).size == (32, 32)
    assert store.preview(clip.digest, scale=2) == path
    assert path.stat().st_mtime_ns == written


def test_a_record_comes_back_and_needs_its_clip(tmp_path: Path, noise_clip: MakeClip) -> None:
    store, clip = Store(tmp_path), noise_clip()
    made = record(content_key("k"), clip)
    assert store.stage(made.key) is None
    store.put_stage(made)
    assert store.stage(made.key) is None  # a record whose clip is gone counts as not finished
    store.put_clip(clip)
    assert store.stage(made.key) == made
    store.clip_path(clip.digest).unlink()
    assert store.stage(made.key) is None


def test_a_changed_clip_is_noticed(tmp_path: Path, noise_clip: MakeClip) -> None:
    store, clip = Store(tmp_path), noise_clip()
    store.put_clip(clip)
    write_lossless(store.clip_path(clip.digest), noise_clip(seed=1))
    with pytest.raises(InputError, match="has changed since it was written; delete it"):
        store.clip(clip.digest)
    with pytest.raises(InputError, match="no such file"):
        store.clip("0" * 64)


@pytest.mark.parametrize("content", ["{}", "[]", '{"key": 1, "other": 2}', "{half"])
def test_a_broken_record_is_named(content: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.stage_path("ab" * 32)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(InputError, match=f"{'ab' * 32}.json"):
        store.stage("ab" * 32)


def test_a_full_disk_leaves_nothing_that_counts(tmp_path: Path, noise_clip: MakeClip, full_disk: FullDisk) -> None:
    store, clip = Store(tmp_path), noise_clip(8, 64, 64)
    with full_disk(2000), pytest.raises(InputError, match="cannot write"):
        store.put_clip(clip)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    store.put_clip(clip)
    with full_disk(10), pytest.raises(InputError, match="cannot write"):
        store.put_stage(record(content_key("k"), clip))
    assert store.stage(content_key("k")) is None


def test_the_environment_can_trace_a_number() -> None:
    found = environment()
    json.dumps(found, allow_nan=False)
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["torch"] != "not installed"
    assert isinstance(found["dirty"], bool)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert found["commit"] == commit.stdout.strip()
