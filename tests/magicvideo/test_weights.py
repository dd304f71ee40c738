"""Weights: verified before they are read, float16 with exceptions, a manifest that is written last."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from magicvideo import weights
from magicvideo.errors import InputError
from magicvideo.files import read_json

FullDisk = Callable[[int], AbstractContextManager[None]]
STATE = {"w": torch.linspace(-3, 3, 1000).reshape(10, 100), "n": torch.tensor(7), "sums": torch.tensor([1e6, 1e-9])}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_what_is_saved_is_loaded(folder: Path) -> None:
    path = weights.save("part", STATE, {"steps": 3}, {"accuracy": 0.5}, keep=("sums",))
    loaded = weights.load("part")
    assert path == folder / "part.safetensors"
    assert loaded["w"].dtype == torch.float32
    assert torch.equal(loaded["w"], STATE["w"].half().float())
    assert torch.equal(loaded["sums"], STATE["sums"])
    assert loaded["n"].dtype == torch.int64
    assert loaded["n"] == 7


def test_the_manifest_tells_where_a_part_came_from(folder: Path) -> None:
    path = weights.save("b", STATE, {"steps": 3}, {"accuracy": 0.5})
    weights.save("a", STATE, {}, {})
    assert list(weights.manifest()) == ["a", "b"]
    entry = weights.entry("b")
    assert (entry["recipe"], entry["figures"], entry["licence"]) == ({"steps": 3}, {"accuracy": 0.5}, "Apache-2.0")
    assert entry["bytes"] == path.stat().st_size
    assert entry["sha256"] == weights.sha256(path) == weights.digest("b")
    assert read_json(folder / "manifest.json") == weights.manifest()


def test_the_same_state_gives_the_same_file(folder: Path) -> None:
    first = weights.sha256(weights.save("part", STATE, {}, {}))
    assert weights.sha256(weights.save("part", dict(reversed(STATE.items())), {}, {})) == first


def test_views_and_shared_memory_are_saved_whole(folder: Path) -> None:
    weights.save("part", {"turned": STATE["w"].T, "row": STATE["w"][1]}, {}, {})
    assert torch.equal(weights.load("part")["turned"], STATE["w"].T.half().float())


def test_a_damaged_file_is_refused(folder: Path) -> None:
    path = weights.save("part", STATE, {}, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # one bit of one weight
    path.write_bytes(data)
    for use in (weights.load, weights.verify):
        with pytest.raises(InputError, match=r"part\.safetensors has sha256 .* damaged or from another training"):
            use("part")


def test_a_retrained_part_is_loaded_anew(folder: Path) -> None:
    weights.save("part", STATE, {}, {})
    weights.load("part")
    weights.save("part", {"w": torch.ones(2)}, {}, {})
    assert weights.load("part")["w"].tolist() == [1, 1]


def test_missing_files_parts_and_folders_are_told_apart(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no weights in .*magicvideo train all"):
        weights.load("generator")
    path = weights.save("generator", STATE, {}, {})
    with pytest.raises(InputError, match=r"unknown weights 'genrator'.*did you mean 'generator'"):
        weights.digest("genrator")
    path.unlink()
    with pytest.raises(InputError, match="weights file missing"):
        weights.load("generator")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json"):
        weights.manifest()


def test_a_full_disk_keeps_the_old_weights(folder: Path, full_disk: FullDisk) -> None:
    weights.save("part", STATE, {"steps": 1}, {})
    with full_disk(500), pytest.raises(InputError, match=r"cannot write .*part\.safetensors"):
        weights.save("part", {"w": torch.zeros(5000)}, {"steps": 2}, {})
    assert weights.entry("part")["recipe"] == {"steps": 1}
    assert torch.equal(weights.load("part")["w"], STATE["w"].half().float())
    assert sorted(os.listdir(folder)) == ["manifest.json", "part.safetensors"]


def test_the_shipped_folder_is_whole_and_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICVIDEO_WEIGHTS", raising=False)
    assert weights.folder() == weights.SHIPPED
    parts = weights.manifest()
    assert parts
    for part, info in parts.items():
        assert weights.verify(part).stat().st_size == info["bytes"]
        assert info["licence"] == "Apache-2.0"
        assert info["recipe"]
    assert sum(info["bytes"] for info in parts.values()) <= 60e6
    assert {p.name for p in weights.SHIPPED.glob("*.safetensors")} == {info["file"] for info in parts.values()}


def test_a_folder_of_other_files_leaves_the_shipped_parts_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public checkpoints may lie in `MAGICVIDEO_WEIGHTS`; what is trained there takes over once it is there."""
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path))
    assert weights.folder() == tmp_path, "empty: nothing says that it is not to be trained into"
    (tmp_path / "ViT-B-32.pt").write_bytes(b"public")
    assert weights.folder() == weights.SHIPPED
    assert "reader" in weights.manifest()
    weights.save("part", {"w": torch.zeros(2)}, recipe={}, figures={})
    assert weights.folder() == tmp_path
    assert list(weights.manifest()) == ["part"]
