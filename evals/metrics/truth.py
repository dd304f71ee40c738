"""Fidelity to a known truth: PSNR, SSIM and a perceptual distance, frame by frame.

Each comes twice: over all frames, and over the frames that were made in between key frames alone (`*_between`), which
is what judges an interpolator: key frames pass through it untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.metric import Metric, Need, Seen
from evals.states import Unscored

PIXELS = Need("fidelity", of="truth")
PERCEPTUAL = Need("perceptual_to_truth", of="truth")
LEAST_MSE = 1 / 12 / 255**2
"""What rounding to 8 bits costs on its own (a uniform error of one level): a difference below it says nothing."""

PerFrame = Callable[[Seen], NDArray[np.float64]]


def psnr(seen: Seen) -> NDArray[np.float64]:
    """[T] in dB: 10 log10(1 / MSE), at most 58.9."""
    return np.asarray(-10 * np.log10(np.maximum(seen[PIXELS]["mse"].astype(np.float64), LEAST_MSE)))


def ssim(seen: Seen) -> NDArray[np.float64]:
    """[T] in [-1,1]."""
    return seen[PIXELS]["ssim"].astype(np.float64)


def lpips(seen: Seen) -> NDArray[np.float64]:
    """[T], >= 0."""
    return seen[PERCEPTUAL]["distance"].astype(np.float64)


def over_all(per_frame: PerFrame) -> Callable[[Seen], float | Unscored]:
    return lambda seen: float(per_frame(seen).mean())


def between(per_frame: PerFrame) -> Callable[[Seen], float | Unscored]:
    """The mean over frames whose number is no multiple of `key_every`."""

    def value(seen: Seen) -> float | Unscored:
        values = per_frame(seen)
        if not seen.key_every:
            return Unscored("which frames were made in between is not known")
        made = values[np.arange(len(values)) % seen.key_every != 0]
        return float(made.mean()) if len(made) else Unscored("no frame was made in between")

    return value


@dataclass(frozen=True)
class _Kind:
    """What a metric over all frames and its twin over the made ones share."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    per_frame: PerFrame
    need: Need
    scale: tuple[float | None, float | None]
    definition: str

    def metric(self, made_only: bool) -> Metric:
        which = "frames made in between" if made_only else "frames"
        return Metric(
            name=f"{self.name}_{'between' if made_only else 'truth'}",
            title=f"{self.title}, {'frames in between' if made_only else 'to the truth'}",
            unit=self.unit,
            higher_is_better=self.higher_is_better,
            reads=f"how close the {which} are to the true ones; only where the truth is known",
            definition=f"{self.definition}, mean over {which}; truth resized to the clip by bicubic",
            needs=(self.need,),
            value=between(self.per_frame) if made_only else over_all(self.per_frame),
            scale=self.scale,
        )


_PSNR = _Kind(
    "psnr", "PSNR", "dB", True, psnr, PIXELS, (0, None), "10log10(1/MSE) on RGB, MSE at least 1/12 of a level squared"
)
_SSIM = _Kind("ssim", "SSIM", "share", True, ssim, PIXELS, (-1, 1), "SSIM 11x11 on RGB")
_LPIPS = _Kind("lpips", "LPIPS", "distance", False, lpips, PERCEPTUAL, (0, None), "distance to the truth")
PSNR, SSIM, LPIPS = (kind.metric(made_only=False) for kind in (_PSNR, _SSIM, _LPIPS))
PSNR_BETWEEN, SSIM_BETWEEN, LPIPS_BETWEEN = (kind.metric(made_only=True) for kind in (_PSNR, _SSIM, _LPIPS))
