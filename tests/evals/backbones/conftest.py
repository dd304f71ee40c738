"""Untrained weights of every backbone in a folder of their own: enough for all that does not ask for accuracy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evals.backbones.clip import PocketClipNet, Tokenizer
from evals.backbones.reader import ATTRIBUTES, ReaderNet
from evals.backbones.video import DIM, VideoNet
from magicvideo import weights
from magicvideo.world import VOCABULARY


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGICVIDEO_WEIGHTS", str(folder))
        accuracy = {name: {"value": 0.5, "n": 2} for name in ATTRIBUTES}
        weights.save("reader", ReaderNet().state_dict(), {}, accuracy)
        size = len(Tokenizer(VOCABULARY))
        weights.save("clip", PocketClipNet(size).state_dict(), {"vocabulary": list(VOCABULARY)}, {})
        moments = {"reference.mean": torch.full((DIM,), 1 / 3), "reference.cov": torch.eye(DIM) * 1e-9}
        state = {**VideoNet().state_dict(), **moments}
        weights.save("video", state, {}, {"reference_n": 7}, keep=tuple(moments))
    return folder


@pytest.fixture
def untrained(untrained_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The untrained weights in force."""
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(untrained_folder))
    return untrained_folder
