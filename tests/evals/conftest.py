"""Small real backbones in NumPy, and clips to look at, so that the engine is tested without trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
from PIL import ImageColor

from evals.features import Array, Arrays, Steps, ToReference
from evals.metrics import aesthetic, clip_score, clip_temporal, fvd_pocket, lpips_reference, temporal_lpips
from evals.suites import POCKET, Suite
from magicvideo.clip import Frames, VideoClip


@dataclass
class Histogram:
    """Colour histograms, 4 bins a channel, L2-normalised; a prompt's first colour word gives its text embedding."""

    id: str = "histogram-v1"
    frames: Literal["per_frame", "per_clip"] = "per_frame"
    looked: list[str] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        bad = next((c for c in clips if c.digest in self.refuses), None)
        if bad is not None:
            raise RuntimeError("a clip this backbone cannot take")
        self.looked += [c.digest for c in clips]
        return [{"image": _histogram(c.frames), "aesthetic": c.frames.std(axis=(1, 2, 3)) / 12.8 + 1} for c in clips]

    def text(self, prompts: Sequence[str]) -> Array:
        return np.concatenate([_histogram(_picture(prompt)) for prompt in prompts])


def _picture(prompt: str) -> Frames:
    word = next(w for w in prompt.split() if w in ImageColor.colormap)
    rgb = np.array(ImageColor.getrgb(word), np.uint8)
    return np.broadcast_to(rgb[None, :, None, None], (1, 3, 8, 8))


def _histogram(frames: Frames) -> Array:
    """[T,3,H,W] -> [T,12] of length 1."""
    bins = np.stack([(frames // 64 == b).mean(axis=(2, 3)) for b in range(4)], axis=2).reshape(len(frames), -1)
    return (bins / np.linalg.norm(bins, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class SquaredError:
    """A distance between pictures: mean squared error on [0,1]."""

    id: str = "mse-v1"

    def distance(self, a: Frames, b: Frames) -> Array:
        return (((a.astype(np.float32) - b) / 255) ** 2).mean(axis=(1, 2, 3))

    def steps(self, frames: Frames) -> Array:
        return self.distance(frames[:-1], frames[1:])


@dataclass
class MeanColour:
    """A clip's embedding: mean and standard deviation of each channel, [6]; its own reference set is grey noise."""

    id: str = "mean-colour-v1"
    frames: Literal["per_frame", "per_clip"] = "per_clip"
    reference_n: int = 500

    @property
    def reference_mean(self) -> np.ndarray:
        return np.full(6, 0.5)

    @property
    def reference_cov(self) -> np.ndarray:
        return np.eye(6) * 0.01

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        floats = [c.floats() for c in clips]
        return [{"embedding": np.concatenate([f.mean((0, 2, 3)), f.std((0, 2, 3))])} for f in floats]


@pytest.fixture
def histogram() -> Histogram:
    return Histogram()


@pytest.fixture
def suite(histogram: Histogram) -> Suite:
    """The pocket suite's metrics, all but the reader's, on backbones that need no weights."""
    return Suite(
        "numpy",
        metrics=(
            clip_score.METRIC,
            clip_temporal.METRIC,
            lpips_reference.METRIC,
            temporal_lpips.METRIC,
            aesthetic.METRIC,
            *(m for m in POCKET.metrics if m.name in ("flicker", "motion_magnitude")),
            fvd_pocket.METRIC,
        ),
        backbones={
            **POCKET.backbones,
            "clip": lambda: histogram,
            "video": MeanColour,
            "perceptual_steps": lambda: Steps(SquaredError()),
            "perceptual_to_reference": lambda: ToReference(SquaredError()),
        },
    )


@pytest.fixture
def noise_clip():
    """`noise_clip(seed, frames=4, size=(24, 32), fps=8.0)`: smooth random colours that drift."""

    def make(seed: int, frames: int = 4, size: tuple[int, int] = (24, 32), fps: float = 8.0) -> VideoClip:
        rng = np.random.default_rng(seed)
        start, drift = rng.integers(40, 200, size=(3, *size)), rng.integers(-5, 6, size=(3, *size))
        moving = start + drift * np.arange(frames)[:, None, None, None]
        return VideoClip(np.clip(moving, 0, 255).astype(np.uint8), fps)

    return make
