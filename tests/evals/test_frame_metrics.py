"""Metrics of features, frame by frame: closed forms, and the mistakes that others made with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from evals import Item, evaluate
from evals.features import Arrays, OfReference, Steps, StepsOfTruth
from evals.metric import Metric, Need, Seen
from evals.metrics import clip_reference, clip_temporal, consistency, cuts, laion, musiq, nima, tlp
from evals.runner import Evaluation
from evals.states import Unscored
from evals.suites import Suite
from magicvideo.clip import VideoClip, resize

Make = Callable[..., VideoClip]


def unit(*rows: tuple[float, ...]) -> np.ndarray[Any, Any]:
    x = np.array(rows, np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def seen(**arrays: Any) -> Callable[[Need], Seen]:
    return lambda need: Seen(None, {need: {name: np.asarray(a, np.float32) for name, a in arrays.items()}})


@dataclass
class Colour:
    """Mean colour as an embedding, its brightness as every kind of rating, and a cut where the colour turns over."""

    id: str = "mean-colour"
    frames: str = "per_frame"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [self._look(clip) for clip in clips]

    def _look(self, clip: VideoClip) -> Arrays:
        colour = clip.floats().mean((2, 3)) + np.float32(1e-3)
        bright = colour.mean(1)
        ratings = np.stack([1 - bright, *[np.zeros_like(bright)] * 8, bright], 1)
        jump = np.abs(np.diff(bright, append=bright[-1:]))
        same = {"linear": 1 + bright, "mlp": 2 + bright, "musiq": 100 * bright, "ratings": ratings}
        return {"image": unit(*map(tuple, colour)), "probability": jump.clip(0, 1), **same}


class SquaredError:
    id = "mse-v1"

    def distance(self, a: Any, b: Any) -> Any:
        return (((a.astype(np.float32) - b) / 255) ** 2).mean(axis=(1, 2, 3))

    def steps(self, frames: Any) -> Any:
        return self.distance(frames[:-1], frames[1:])


METRICS = (
    clip_reference.METRIC,
    consistency.SUBJECT,
    consistency.BACKGROUND,
    cuts.METRIC,
    laion.LINEAR,
    laion.MLP,
    nima.METRIC,
    musiq.METRIC,
    tlp.METRIC,
)
SUITE = Suite(
    "colours",
    METRICS,
    {
        **dict.fromkeys(("clip", "subject", "scene", "cuts", "laion", "nima", "musiq"), Colour),
        "clip_of_reference": lambda: OfReference(Colour()),
        "perceptual_steps": lambda: Steps(SquaredError()),
        "perceptual_steps_of_truth": lambda: StepsOfTruth(SquaredError()),
    },
)


def items(make: Make, n: int = 9) -> list[Item]:
    """Clips of several lengths and sizes, with reference and truth."""
    clips = [make(i, frames=2 + i % 4, size=(16 + 8 * (i % 2), 32)) for i in range(n)]
    return [Item(str(i), c, None, f"p{i % 3}", VideoClip(c.frames[-1:], 8.0), truth=c) for i, c in enumerate(clips)]


def test_shards_batches_and_order_change_nothing(noise_clip: Make) -> None:
    given = items(noise_clip)
    whole = evaluate(given, SUITE, progress=False)
    parts = [evaluate(given[i::3], SUITE, progress=False) for i in range(3)]
    assert sorted(whole.rows, key=str) == sorted((row for part in parts for row in part.rows), key=str)
    backwards: Evaluation = evaluate(given[::-1], SUITE, progress=False)
    assert backwards.scores == whole.scores
    assert all(score.n == 9 for score in whole.scores.values())


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_what_cannot_be_scored_has_a_reason_and_is_left_out_of_the_mean(metric: Metric, noise_clip: Make) -> None:
    """The faulty form counts it as 0 and pulls the mean down."""
    given = items(noise_clip, 4)
    bare = Item("bare", VideoClip(given[0].clip.frames[:1], 8.0), None, "p0")  # type: ignore[union-attr]
    only = SUITE.only([metric.name])
    found, without = (evaluate(some, only, progress=False).scores[metric.name] for some in ([*given, bare], given))
    if metric.min_frames == 1 and metric is not clip_reference.METRIC:
        assert found.unscored == 0, "one frame is enough for what looks at single frames"
    else:
        assert (found.value, found.n, found.unscored) == (without.value, 4, 1)


# ---- consistency with a reference, the first frame and the neighbour


def test_similarity_to_the_reference_is_the_mean_cosine() -> None:
    arrays = {
        clip_reference.FRAMES: {"image": unit((1, 0), (1, 1), (0, 1))},
        clip_reference.REFERENCE: {"image": unit((1, 0))},
    }
    assert clip_reference.value(Seen(None, arrays)) == pytest.approx((1 + np.sqrt(0.5)) / 3)


def test_the_references_first_frame_counts_at_its_own_size(noise_clip: Make) -> None:
    clip = noise_clip(1)
    still = VideoClip(clip.frames[:1].repeat(3, 0), 8.0)
    for reference in (clip, resize(VideoClip(clip.frames[:1], 8.0), 48, 64)):
        (row,) = evaluate([Item("a", still, None, "p", reference)], SUITE, ["clip_reference"], progress=False).rows
        assert row.value == pytest.approx(1, abs=1e-4)
    (row,) = evaluate([Item("a", still, None, "p")], SUITE, ["clip_reference"], progress=False).rows
    assert row.reason == "no reference"


def test_consistency_by_hand() -> None:
    image = unit((1, 0), (0, 1), (1, 1))
    neighbours, firsts = (0, np.sqrt(0.5)), (0, np.sqrt(0.5))
    assert consistency.consistency(image) == pytest.approx((sum(neighbours) + sum(firsts)) / 4)
    assert consistency.consistency(unit((3, 4)).repeat(5, 0)) == pytest.approx(1)
    assert consistency.consistency(unit((1, 0), (-1, 0))) == 0, "opposite features count as 0, not as -1"


def test_consistency_tells_a_jump_from_a_drift_and_both_from_rest() -> None:
    angles = {"rest": [0.0] * 5, "jump": [0, 0, 0.5, 0.5, 0.5], "drift": [0, 0.25, 0.5, 0.75, 1.0]}
    found = {
        k: consistency.consistency(np.stack([np.cos(a), np.sin(a)], 1).astype(np.float32)) for k, a in angles.items()
    }
    assert found["rest"] > found["jump"] > found["drift"]
    neighbours_only = np.cos(0.25)
    assert found["drift"] < neighbours_only, "the first frame is remembered"


def test_features_must_be_normalised() -> None:
    """EvalCrafter leaves the normalisation out: the value then follows the features' length."""
    raw = np.array([(3, 0), (3, 3)], np.float32)
    faulty = float((raw[:-1] * raw[1:]).sum(axis=1).mean())
    assert faulty == 9
    right = clip_temporal.value(seen(image=unit(*map(tuple, raw)))(clip_temporal.FRAMES))
    assert right == pytest.approx(np.sqrt(0.5))
    for metric in (clip_temporal.METRIC, clip_reference.METRIC, consistency.SUBJECT, consistency.BACKGROUND):
        assert metric.scale[1] == 1, "what is above 1 was not normalised"


# ---- against the truth


def test_tlp_compares_each_step(noise_clip: Make) -> None:
    steps = seen(distance=[0.1, 0.4])(tlp.STEPS).arrays | seen(distance=[0.4, 0.1])(tlp.TRUE_STEPS).arrays
    assert tlp.value(Seen(None, steps)) == pytest.approx(0.3), "not the difference of the means, which is 0"


def test_tlp_is_zero_for_the_truth_and_sees_a_frozen_clip(noise_clip: Make) -> None:
    clip = noise_clip(3)
    frozen = VideoClip(clip.frames[:1].repeat(4, 0), 8.0)
    values = {}
    for name, made in (("same", clip), ("frozen", frozen)):
        (row,) = evaluate([Item("a", made, None, "p", truth=clip)], SUITE, ["tlp"], progress=False).rows
        values[name] = row.value
    assert values["same"] == 0
    assert values["frozen"] == pytest.approx(float(SquaredError().distance(clip.frames[1:], clip.frames[:-1]).mean()))
    short = VideoClip(clip.frames[:3], 8.0)
    (row,) = evaluate([Item("a", clip, None, "p", truth=short)], SUITE, ["tlp"], progress=False).rows
    assert "the truth has 3 frame(s), the clip 4" in str(row.reason)


# ---- quality


def test_nima_is_the_expectation_over_ten_bins() -> None:
    even = np.full((2, 10), 0.1)
    assert nima.value(seen(ratings=even)(nima.FRAMES)) == pytest.approx(5.5)
    best = np.zeros((1, 10))
    best[0, 9] = 1
    assert nima.value(seen(ratings=best)(nima.FRAMES)) == 10
    for wrong in (even * 7, np.full((2, 10), 2.0), -even, np.full((2, 5), 0.2)):
        assert isinstance(nima.value(seen(ratings=wrong)(nima.FRAMES)), Unscored), "logits are no distribution"


def test_laions_two_heads_are_two_metrics() -> None:
    both = seen(linear=[5, 6], mlp=[4, 4])(laion.FRAMES)
    assert (laion.LINEAR.value(both), laion.MLP.value(both)) == (5.5, 4)
    ids = {"laion": "net"}
    assert laion.LINEAR.protocol(ids) != laion.MLP.protocol(ids)


def test_musiq_is_a_share() -> None:
    assert musiq.value(seen(musiq=[60, 80])(musiq.FRAMES)) == pytest.approx(0.7)


# ---- cuts


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        ([0, 0, 0], 0),
        ([0, 0.9, 0], 1),
        ([0.9, 0.8, 0.7, 0], 1),
        ([0.9, 0, 0.9, 0], 2),
        ([0.5, 0.5, 0.5, 0], 0),
        ([1, 1], 1),
    ],
)
def test_cuts_are_runs(probability: list[float], expected: int) -> None:
    assert cuts.value(seen(probability=probability)(cuts.FRAMES)) == expected
