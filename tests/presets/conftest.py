"""Tiny public weights, written once a process, and the environment in which nothing else is found."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_weights

from magicvideo import checkpoints


@pytest.fixture(scope="session")
def tiny_presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all shipped presets made tiny; their weights lie in `weights` beside it."""
    return tiny_weights.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's cache nor the hub's, and nothing is fetched."""
    for name in ("MAGICVIDEO_WEIGHTS", checkpoints.GIVEN, "HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(checkpoints.OFFLINE, "1")


@pytest.fixture
def here(tiny_presets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny presets, their weights found."""
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tiny_presets.parent / "weights"))
    return tiny_presets
