"""Metrics of whole sets as the suite runs them: reference sets, too small sets, prompts, shards, notes, reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from evals import Item, evaluate
from evals.distances import JEDI, KVD, frechet_sets, mmd
from evals.features import Arrays
from evals.metric import Metric, Seen, Whole
from evals.metrics import (
    fid_frames,
    frechet_transnet,
    fvd,
    fvd_infinity,
    fvd_pocket_infinity,
    jedi_mmd,
    kvd,
    kvd_pocket,
)
from evals.states import Rows, Unscored
from evals.suites import Suite
from magicvideo.clip import VideoClip
from magicvideo.world import render_clip, scene_for

SETS = (fvd.METRIC, fvd_infinity.METRIC, kvd.METRIC, jedi_mmd.BIASED, jedi_mmd.UNBIASED)
SAME_AT_ZERO = (fvd.METRIC, jedi_mmd.BIASED)


def rows_of(x: np.ndarray, a_prompt: int = 1) -> Rows:
    return Rows().merge(*(Rows.of(f"{i:04d}", f"p{i // a_prompt:04d}", row) for i, row in enumerate(x)))


def total(metric: Metric, x: np.ndarray, reference: np.ndarray | None, a_prompt: int = 1, **backbones: Any) -> Any:
    assert metric.total is not None
    digest = None if reference is None else "abc"
    return metric.total(rows_of(x, a_prompt), Whole({"video": object(), **backbones}, reference, digest))


@pytest.fixture
def two_sets() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 6)) + 0.5, rng.normal(size=(50, 6))


def test_values_are_the_arithmetics(two_sets: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = two_sets
    assert total(fvd.METRIC, x, y).interval.value == pytest.approx(frechet_sets(x, y), rel=1e-8)
    assert total(kvd.METRIC, x, y).interval.value == pytest.approx(mmd(x, y, KVD), rel=1e-8)
    assert total(jedi_mmd.BIASED, x, y).interval.value == pytest.approx(100 * mmd(x, y, JEDI, True), rel=1e-8)
    assert total(jedi_mmd.UNBIASED, x, y).interval.value == pytest.approx(100 * mmd(x, y, JEDI), rel=1e-8)


@pytest.mark.parametrize("metric", SETS, ids=lambda m: m.name)
def test_farther_sets_score_higher_and_a_set_is_at_itself(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    y, noise = rng.normal(size=(60, 6)), rng.normal(size=(60, 6))
    values = [total(metric, noise + shift, y).interval for shift in (0, 0.7, 1.5)]
    assert values[0].value < values[1].value < values[2].value
    assert all(i.low < i.value < i.high for i in values[1:])
    itself = total(metric, y, y).interval.value
    assert itself == pytest.approx(0, abs=1e-9) if metric in SAME_AT_ZERO else itself < 0.05


@pytest.mark.parametrize("metric", SETS, ids=lambda m: m.name)
def test_a_set_without_a_reference_says_what_it_needs(metric: Metric) -> None:
    found = total(metric, np.random.default_rng(0).normal(size=(60, 6)), None)
    assert isinstance(found.interval, Unscored)
    assert "--reference" in found.interval.reason
    assert "reference=none" in found.protocol


@pytest.mark.parametrize("metric", SETS, ids=lambda m: m.name)
@pytest.mark.parametrize("sizes", [(1, 1), (9, 60), (60, 9)])
def test_too_few_clips_give_a_reason_and_never_a_distance(metric: Metric, sizes: tuple[int, int]) -> None:
    """Among them the single pair that elsewhere gets a distance from covariances of 0."""
    rng = np.random.default_rng(0)
    found = total(metric, *(rng.normal(size=(n, 6)) for n in sizes))
    assert isinstance(found.interval, Unscored)
    assert "at least" in found.interval.reason


def test_the_limit_needs_twice_the_dimensions_and_ten_prompts() -> None:
    x = np.random.default_rng(0).normal(size=(40, 6))
    assert "at least 12" in total(fvd_infinity.METRIC, x[:11], x).interval.reason
    assert "prompt(s)" in total(fvd_infinity.METRIC, x, x, a_prompt=5).interval.reason
    assert total(fvd_infinity.METRIC, x[:12], x).interval.n == 12


def test_notes_say_how_many_clips_a_precision_takes(two_sets: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = two_sets
    assert "would bring that to 5%" in total(fvd.METRIC, x, y).note
    assert "compare sets of equal size only" in total(fvd.METRIC, x[:11], y).note
    assert "below 5% from" in total(fvd_infinity.METRIC, x, y).note
    assert "not told apart" in total(fvd_infinity.METRIC, y, y + 0.01).note
    assert total(fvd.METRIC, x, y).protocol.endswith("|cov=N-1|biased at small n")


def test_prompts_of_many_clips_widen_the_interval() -> None:
    """Forty clips of ten prompts that are alike know less than forty of forty."""
    rng = np.random.default_rng(0)
    y, shared = rng.normal(size=(60, 6)), np.repeat(rng.normal(size=(10, 6)), 4, axis=0)
    x = 0.3 * rng.normal(size=(40, 6)) + shared
    apart, together = (total(fvd.METRIC, x, y, a_prompt).interval for a_prompt in (1, 4))
    assert together.value == apart.value
    assert together.high - together.low > 1.3 * (apart.high - apart.low)
    assert (together.clusters, apart.clusters) == (10, 40)
    assert total(kvd.METRIC, x, y, 4).interval.value < total(kvd.METRIC, x, y, 1).interval.value - 0.1


def test_the_order_of_clips_and_shards_changes_nothing(two_sets: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = two_sets
    whole = rows_of(x, 2)
    entries = list(whole.entries.items())
    shards = [type(whole)(dict(entries[i::8])) for i in range(8)]
    merged = shards[5].merge(*shards[:5], *shards[6:])
    for metric in SETS:
        assert metric.total is not None
        given = Whole({"video": object()}, y, "abc")
        assert metric.total(merged, given) == metric.total(whole, given)


def test_frames_of_a_clip_are_rows_of_one_prompt() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)).astype(np.float32)
    picked = fid_frames.value(Seen(None, {fid_frames.INCEPTION: {"embedding": features}}))
    assert picked.shape == (16, 5)
    assert np.array_equal(picked[[0, -1]], features[[0, -1]])
    short = fid_frames.value(Seen(None, {fid_frames.INCEPTION: {"embedding": features[:3]}}))
    assert np.array_equal(short, features[:3])
    clips, y = rng.normal(size=(12, 4, 5)), rng.normal(size=(50, 5))
    rows = Rows().merge(*(Rows.of(str(i), f"p{i}", clip) for i, clip in enumerate(clips)))
    assert fid_frames.METRIC.total is not None
    found = fid_frames.METRIC.total(rows, Whole({"inception": object()}, y, "abc"))
    assert found.interval.value == pytest.approx(frechet_sets(clips.reshape(48, 5), y), rel=1e-8)  # type: ignore[union-attr]
    assert (found.interval.n, found.interval.clusters) == (12, 12)  # type: ignore[union-attr]
    assert "n=48" in found.protocol


# ---- through an evaluation


@dataclass
class Colours:
    """A clip's embedding: mean of each channel [3]; of each frame [T,3]. No reference set ships with it."""

    per_clip: bool = True
    id: str = "colours-v1"
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def observe(self, clips: Any) -> list[Arrays]:
        found = [clip.floats().mean(axis=(2, 3)) for clip in clips]
        return [{"embedding": f.mean(axis=0) if self.per_clip else f} for f in found]


SUITE = Suite(
    "sets",
    metrics=(*SETS, frechet_transnet.METRIC, fvd_pocket_infinity.METRIC, kvd_pocket.METRIC, fid_frames.METRIC),
    backbones={"video": Colours, "inception": lambda: Colours(per_clip=False, id="colours-of-frames-v1")},
)


def clips(n: int, first: int, frames: int = 10) -> list[VideoClip]:
    prompt = "a large red square moving right on a plain background"
    return [render_clip(scene_for(prompt, seed), frames, 16) for seed in range(first, first + n)]


def test_every_set_metric_is_scored_against_clips_of_ones_own(tmp_path: Path) -> None:
    items = [Item(str(i), clip, None, str(i)) for i, clip in enumerate(clips(14, 0))]
    found = evaluate(items, SUITE, cache=tmp_path, progress=False, reference_set=clips(12, 50))
    assert {name for name, score in found.scores.items() if score.value is None} == set()
    assert set(found.notes) >= {"fvd", "fvd_infinity", "fid_frames"}
    ids = {name: score.protocol for name, score in found.scores.items()}
    assert all("colours-v1" in ids[m.name] for m in SUITE.metrics if m is not fid_frames.METRIC)


def test_another_reference_set_is_never_taken_for_the_first(tmp_path: Path) -> None:
    """A cache keyed by the network's name alone would silently use the first set again."""
    items = [Item(str(i), clip, None, str(i)) for i, clip in enumerate(clips(14, 0))]
    names = ["fvd", "kvd", "fid_frames"]
    first, second, again = (
        evaluate(items, SUITE, names, tmp_path, progress=False, reference_set=clips(12, start)).scores
        for start in (50, 90, 50)
    )
    for name in names:
        assert first[name].value != second[name].value
        assert first[name].protocol != second[name].protocol
        assert first[name] == again[name]


def test_short_clips_are_unscored_and_the_rest_counts() -> None:
    items = [Item(str(i), clip, None, str(i)) for i, clip in enumerate(clips(12, 0))]
    items.append(Item("short", clips(1, 40, frames=4)[0], None, "short"))
    found = evaluate(items, SUITE, ["fvd", "kvd_pocket"], progress=False, reference_set=clips(12, 50))
    assert (found.scores["fvd"].n, found.scores["fvd"].unscored) == (12, 1)
    assert found.scores["kvd_pocket"].n == 13
    assert next(row.reason for row in found.rows if row.metric == "fvd") == "4 frame(s); needs at least 10"
