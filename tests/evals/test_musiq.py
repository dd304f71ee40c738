"""MUSIQ by `pyiqa`'s own network: random weights in the true architecture and the true format (a bare state dict)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from evals.fetch import Found
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError
from magicvideo.files import sha256

CLIP = VideoClip(np.random.default_rng(0).integers(0, 256, (2, 3, 96, 128), dtype=np.uint8), 8.0)


def test_its_checkpoint_is_loaded_and_every_frame_rated(tmp_path: Path) -> None:
    arch = pytest.importorskip("pyiqa.archs.musiq_arch", reason="needs pyiqa, of the extra iqa")
    from evals.backbones.musiq import Musiq, prepare

    torch.manual_seed(0)
    network = arch.MUSIQ(pretrained=False).eval()
    path = tmp_path / "musiq_spaq_ckpt.pth"
    torch.save(network.state_dict(), path)
    backbone = Musiq(Found("musiq-spaq", path, sha256(path)))
    (seen,) = backbone.observe([CLIP])
    with torch.inference_mode():
        expected = network(prepare(CLIP.frames)).reshape(-1).numpy()
    np.testing.assert_allclose(seen["musiq"], expected, rtol=1e-5)
    assert sha256(path)[:12] in backbone.id


def test_without_the_package_clips_have_that_as_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evals.backbones import musiq

    monkeypatch.setattr(musiq, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[iqa\]'"):
        musiq.Musiq(Found("musiq-spaq", tmp_path / "none.pth", "0" * 64)).observe([CLIP])


def test_only_large_frames_are_made_smaller() -> None:
    from evals.backbones.musiq import prepare

    assert prepare(CLIP.frames).shape == (2, 3, 96, 128)
    assert prepare(np.zeros((1, 3, 300, 1024), np.uint8)).shape == (1, 3, 150, 512)
