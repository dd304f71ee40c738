"""Interpolation by a TorchScript file: its interface, its hash, and what is refused."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.keys import stage_key
from magicvideo.pipeline import maker
from magicvideo.stages.vfi import interpolate

CLIP = VideoClip(np.random.default_rng(0).integers(0, 256, (3, 3, 40, 72), np.uint8), 8.0)


class Blend(nn.Module):
    """Linear, and only for the shapes that are promised."""

    def forward(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        assert first.dim() == 4
        assert first.shape[2] % 64 == 0 and first.shape[3] % 64 == 0  # noqa: PT018  # the script has no lines
        assert t.shape[0] == first.shape[0] and t.dim() == 4  # noqa: PT018
        return first * (1 - t) + last * t


class Half(nn.Module):
    def forward(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        return first[:, :, ::2]


def written(module: nn.Module, path: Path) -> PipelineConfig:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(str(path))
    return configured(path)


def configured(path: Path) -> PipelineConfig:
    config = PipelineConfig().with_setting("vfi", "script").with_setting("vfi.checkpoint", str(path))
    return config.with_setting("vfi.sha256", hashlib.sha256(path.read_bytes()).hexdigest())


def made(config: PipelineConfig) -> VideoClip:
    return maker(config, "vfi")("a red star", [CLIP, CLIP, CLIP], 0)


def test_a_script_makes_the_frames_between(tmp_path: Path) -> None:
    clip = made(written(Blend(), tmp_path / "blend.pt"))
    assert (clip.size, len(clip), clip.fps) == (CLIP.size, 7, 24.0)
    assert np.array_equal(clip.frames[::3], CLIP.frames)
    assert np.abs(clip.frames.astype(int) - interpolate(CLIP, 3, "linear").frames).max() <= 1


def test_its_hash_is_its_key(tmp_path: Path) -> None:
    one, other = written(Blend(), tmp_path / "a.pt"), written(Half(), tmp_path / "b.pt")
    (tmp_path / "moved.pt").write_bytes((tmp_path / "a.pt").read_bytes())
    inputs = ("a", "b", "c")
    key, moved, different = (
        stage_key(c, "vfi", "", 0, inputs) for c in (one, configured(tmp_path / "moved.pt"), other)
    )
    assert key == moved != different
    plain = PipelineConfig().with_setting("vfi", "linear")
    assert stage_key(plain, "vfi", "", 0, inputs) == stage_key(
        plain.with_setting("vfi.checkpoint", "x"), "vfi", "", 0, inputs
    )


def test_what_is_refused(tmp_path: Path) -> None:
    config = written(Blend(), tmp_path / "blend.pt")
    with pytest.raises(InputError, match=r"has sha256 [0-9a-f]{64}, vfi\.sha256 is 0{64}.*--set vfi\.sha256="):
        made(config.with_setting("vfi.sha256", "0" * 64))
    with pytest.raises(InputError, match="no such file"):
        made(config.with_setting("vfi.checkpoint", str(tmp_path / "gone.pt")))
    with pytest.raises(InputError, match=r"needs vfi\.checkpoint=FILE"):
        PipelineConfig().with_setting("vfi", "script").check()
    with pytest.raises(InputError, match=r"vfi\.sha256"):
        config.with_setting("vfi.sha256", "abc")
    with pytest.raises(InputError, match=r"gives \[2, 3, 32, 128\] where \[2, 3, 64, 128\] is due"):
        made(written(Half(), tmp_path / "half.pt"))
    torch.save({"weight": torch.ones(1)}, tmp_path / "pickle.pt")
    with pytest.raises(InputError, match="cannot be read as TorchScript"):
        made(configured(tmp_path / "pickle.pt"))
    with pytest.raises(InputError, match="go together"):
        interpolate(CLIP, 3, "script")
