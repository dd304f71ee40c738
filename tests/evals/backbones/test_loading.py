"""Loading: ids name the weights, wrong or missing weights are refused, torch is not imported early."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evals.backbones import BACKBONES, load
from evals.features import Backbone
from magicvideo import weights
from magicvideo.errors import InputError


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_carries_its_name_and_the_hash_of_its_weights(untrained: Path, name: str) -> None:
    identity = load(name).id
    assert identity.startswith(name + "-v")
    assert weights.digest(BACKBONES[name][2])[:12] in identity


def test_what_observes_keeps_the_contract(untrained: Path) -> None:
    backbones = {name: load(name) for name in BACKBONES if name != "pocket-perceptual"}
    assert all(isinstance(backbone, Backbone) for backbone in backbones.values())
    assert {name: b.frames for name, b in backbones.items()} == {
        "pocket-clip": "per_frame",
        "pocket-reader": "per_clip",
        "pocket-subject": "per_frame",
        "pocket-video": "per_clip",
    }


def test_one_object_a_version_of_the_weights(untrained: Path) -> None:
    assert load("pocket-reader") is load("pocket-reader")


@pytest.mark.parametrize("name", BACKBONES)
def test_a_changed_weights_file_is_refused(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(untrained, folder)
    path = folder / f"{BACKBONES[name][2]}.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(folder))
    with pytest.raises(InputError, match="sha256"):
        load(name)


def test_missing_weights_and_unknown_names_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="no weights in"):
        load("pocket-reader")
    with pytest.raises(InputError, match="did you mean 'pocket-clip'"):
        load("pocket-clop")


def test_moments_are_kept_in_more_than_float16(untrained: Path) -> None:
    video = load("pocket-video")
    assert video.reference_n == 7
    assert video.reference_mean.dtype == video.reference_cov.dtype == np.float64
    np.testing.assert_allclose(video.reference_mean, 1 / 3, rtol=1e-7)
    np.testing.assert_allclose(np.diag(video.reference_cov), 1e-9, rtol=1e-6)


def test_importing_the_table_does_not_import_torch() -> None:
    code = "import sys, evals.backbones, evals.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
