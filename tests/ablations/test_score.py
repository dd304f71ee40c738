"""What scoring hands on: a line an arm for a metric of the whole set, with its reason if there is no number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ablations.grid import load_grid
from ablations.score import A_WORKER, describe_metrics, score, set_lines
from evals import SUITES, Evaluation, Row, Score, runner
from magicvideo.clip import VideoClip
from magicvideo.runs import Store
from magicvideo.world import render_clip, sample_scene


def evaluation(total: Score, rows: list[Row]) -> Evaluation:
    return Evaluation("pocket", rows, {"fvd_pocket": total}, {}, {})


def test_a_set_level_number_is_one_line_of_the_arm() -> None:
    total = Score(12.5, 11.0, 14.0, 20, 0, "", False, "fvd_pocket|v1")
    assert list(set_lines("full", evaluation(total, []))) == [
        {
            "arm": "full",
            "prompt_id": None,
            "seed": None,
            "metric": "fvd_pocket",
            "value": 12.5,
            "low": 11.0,
            "high": 14.0,
            "n": 20,
            "reason": None,
        }
    ]


def test_a_missing_set_level_number_keeps_its_reason() -> None:
    total = Score(None, None, None, 0, 2, "", False, "fvd_pocket|v1")
    rows = [Row(name, "p", "fvd_pocket", None, "2 clips; needs at least 3") for name in ("a", "b")]
    (line,) = set_lines("full", evaluation(total, rows))
    assert (line["value"], line["reason"], line["n"]) == (None, "2 clips; needs at least 3", 0)


def test_all_metrics_are_described_in_the_suites_order_unless_some_are_named(tiny: Path) -> None:
    assert list(describe_metrics(load_grid(tiny))) == ["flicker", "motion_magnitude"]
    tiny.write_text(tiny.read_text().replace("metrics: [flicker, motion_magnitude]", ""))
    assert tuple(describe_metrics(load_grid(tiny))) == SUITES["pocket"].names


def test_a_clip_that_cannot_be_scored_is_a_line_with_a_reason(tiny: Path, tmp_path: Path) -> None:
    """A single frame has no flicker: its line says so, the other's has a number."""
    store = Store(tmp_path / "store")
    moving = render_clip(sample_scene(np.random.default_rng(0)), frames=4, size=32)
    still = VideoClip(moving.frames[:1], moving.fps)
    rows = [
        {
            "arm": arm,
            "prompt_id": "p",
            "prompt": "a star",
            "seed": 0,
            "clip": digest,
            "stages": {"t2i": {"digest": digest}, "vfi": {"digest": digest, "frames": frames}},
        }
        for arm, digest, frames in (("full", store.put_clip(moving), 4), ("without v2v", store.put_clip(still), 1))
    ]
    lines, about = score(load_grid(tiny), rows, store, tmp_path / "cache", progress=False)
    flicker = [line for line in lines if line["metric"] == "flicker"]
    assert [(line["arm"], line["value"] is None, bool(line["reason"])) for line in flicker] == [
        ("full", False, False),
        ("without v2v", True, True),
    ]
    assert "frame" in flicker[1]["reason"]
    assert "lossless" in about["flicker"]["protocol"]


def test_scores_are_the_same_to_the_last_bit_however_many_workers_share_them(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write_text(tiny.read_text().replace("[flicker, motion_magnitude]", "[clip_score, temporal_lpips, flicker]"))
    store, rng, shared = Store(tmp_path / "store"), np.random.default_rng(0), list[int]()
    clips = [store.put_clip(render_clip(sample_scene(rng), frames=4, size=32)) for _ in range(2 * A_WORKER)]
    rows = [
        {
            "arm": "full",
            "prompt_id": f"p{n}",
            "prompt": "a star",
            "seed": 0,
            "clip": clip,
            "stages": {"vfi": {"digest": clip, "frames": 4}},
        }
        for n, clip in enumerate(clips)
    ]
    share = runner.measure_shared
    monkeypatch.setattr(runner, "measure_shared", lambda *given: shared.append(given[3]) or share(*given))
    grid = load_grid(tiny)
    one = score(grid, rows, store, tmp_path / "one", progress=False, threads=1)
    two = score(grid, rows, store, tmp_path / "two", progress=False, workers=8, threads=1)
    assert shared == [2], "16 videos a worker at least"
    assert two == one
    assert all(line["value"] is not None for line in two[0])
