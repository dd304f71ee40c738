"""The engine: each clip once, each feature once, any split the same total, and a reason for everything missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals import stats
from evals.decode import Decoder
from evals.features import FeatureCache
from evals.measure import Item, measure
from evals.metric import Metric, Need, Seen
from evals.metrics import consistency
from evals.observe import Observer
from evals.runner import Evaluation, evaluate, summarise
from evals.sources import Sources
from evals.suites import POCKET, Suite, find
from magicvideo.clip import VideoClip, write_lossless, write_preview
from magicvideo.errors import InputError
from magicvideo.runs import Store

COLOURS = ("red", "green", "blue", "gray")
Make = Callable[..., VideoClip]


@pytest.fixture
def items(noise_clip: Make) -> list[Item]:
    """24 clips of 6 prompts, lengths and sizes mixed, each with a reference."""
    return [
        Item(
            f"clip{n}",
            noise_clip(n, frames=3 + n % 3, size=(24, 20 + 4 * (n % 4))),
            f"a {COLOURS[n % 4]} thing number {n % 6}",
            f"p{n % 6}",
            noise_clip(100 + n % 6, frames=1),
        )
        for n in range(24)
    ]


def run_shards(items: list[Item], suite: Suite, shards: int, chunk: int = 16) -> Evaluation:
    observer = Observer(suite.load(), FeatureCache(None))
    with Decoder() as decoder:
        sources = Sources(None, decoder)
        parts = [measure(items[s::shards], suite, observer, sources, chunk_clips=chunk) for s in range(shards)]
    return summarise(items, parts[0].merge(*parts[1:]), suite, observer.backbones)


@pytest.mark.parametrize(("shards", "chunk"), [(2, 16), (8, 16), (1, 1), (1, 7), (3, 2)])
def test_any_number_of_shards_and_any_batch_give_the_same_totals(
    items: list[Item], suite: Suite, shards: int, chunk: int
) -> None:
    one, other = run_shards(items, suite, 1), run_shards(items, suite, shards, chunk)
    assert other.scores == one.scores
    assert other.rows == one.rows


def test_a_score_is_the_clustered_mean_of_its_rows(items: list[Item], suite: Suite) -> None:
    found = evaluate(items, suite, progress=False)
    assert set(found.scores) == set(suite.names)
    for name in set(suite.names) - {"fvd_pocket"}:
        rows = [row for row in found.rows if row.metric == name]
        assert [row.item for row in rows] == [item.name for item in items]
        expected = stats.interval([row.value for row in rows], [row.prompt_id for row in rows])
        score = found.scores[name]
        assert score.value == pytest.approx(expected.value)
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.value < score.high
        assert (score.n, score.unscored) == (24, 0)
    assert set(found.scores["flicker"].to_dict()) == {
        "value", "low", "high", "n", "unscored", "unit", "higher_is_better", "protocol",
    }  # fmt: skip


def test_each_clip_is_looked_at_once_for_all_metrics(items: list[Item], suite: Suite, histogram: Any) -> None:
    evaluate(items, suite, progress=False)
    assert sorted(histogram.looked) == sorted(i.clip.digest for i in items if isinstance(i.clip, VideoClip))


def test_two_roles_of_one_network_look_at_each_clip_once(items: list[Item], suite: Suite, histogram: Any) -> None:
    both = replace(
        suite,
        metrics=(*suite.metrics, consistency.BACKGROUND),
        backbones={**suite.backbones, "scene": lambda: histogram},
    )
    found = evaluate(items, both, progress=False)
    assert sorted(histogram.looked) == sorted(i.clip.digest for i in items if isinstance(i.clip, VideoClip))
    assert found.scores["background_consistency"].n == len(items)
    alone = evaluate(items, both, ["background_consistency"], progress=False)
    assert alone.scores["background_consistency"] == found.scores["background_consistency"]


def test_equal_clips_are_looked_at_once(suite: Suite, histogram: Any, noise_clip: Make) -> None:
    items = [Item(str(n), noise_clip(1), "red", str(n)) for n in range(5)]
    found = evaluate(items, suite, ["clip_score", "clip_temporal"], progress=False)
    assert len(histogram.looked) == 1
    assert found.scores["clip_temporal"].n == 5


def test_a_second_evaluation_costs_only_what_is_new(
    items: list[Item], suite: Suite, histogram: Any, noise_clip: Make, tmp_path: Path
) -> None:
    first = evaluate(items, suite, cache=tmp_path, progress=False)
    histogram.looked.clear()
    assert evaluate(items, suite, cache=tmp_path, progress=False) == first
    assert histogram.looked == []
    evaluate([*items, Item("new", noise_clip(77), "red", "p")], suite, cache=tmp_path, progress=False)
    assert histogram.looked == [noise_clip(77).digest]


def test_files_whose_features_are_kept_are_not_decoded_again(
    suite: Suite, noise_clip: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lossless(tmp_path / "a.mkv", noise_clip(1))
    items = [Item("a", tmp_path / "a.mkv", "red", "p")]
    first = evaluate(items, suite, cache=tmp_path / "cache", progress=False)
    started = []
    running = Decoder._running
    monkeypatch.setattr(Decoder, "_running", lambda self: started.append(1) or running(self))
    assert evaluate(items, suite, cache=tmp_path / "cache", progress=False) == first
    assert not started
    write_lossless(tmp_path / "a.mkv", noise_clip(2))
    assert evaluate(items, suite, cache=tmp_path / "cache", progress=False) != first, "other bytes, another clip"
    assert started


def test_files_and_clips_in_memory_score_alike(suite: Suite, noise_clip: Make, tmp_path: Path) -> None:
    write_lossless(tmp_path / "a.mkv", noise_clip(1))
    np.save(tmp_path / "a.npy", noise_clip(1).frames)
    scores = [
        evaluate([Item("a", clip, "red", "p")], suite, progress=False).scores
        for clip in (noise_clip(1), tmp_path / "a.mkv", tmp_path / "a.npy")
    ]
    assert scores[0] == scores[1] == scores[2]


def test_a_trusted_store_is_read_without_a_child(
    suite: Suite, noise_clip: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "_running", lambda self: pytest.fail("a child was started"))
    store = Store(tmp_path / "store")
    path = store.clip_path(store.put_clip(noise_clip(1)))
    found = evaluate([Item("a", path, "red", "p", trusted=True)], suite, cache=tmp_path / "cache", progress=False)
    assert found.scores["clip_score"].n == 1


def test_a_bad_clip_costs_itself_alone(items: list[Item], suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    broken = Item("bad", tmp_path / "bad.mp4", "red", "p0")
    gone = Item("gone", tmp_path / "gone.mp4", "red", "p0")
    good = evaluate(items, suite, progress=False)
    for cache in (None, tmp_path / "cache"):
        found = evaluate([*items[:3], broken, gone, *items[3:]], suite, cache=cache, progress=False)
        for name, score in found.scores.items():
            assert score == replace(good.scores[name], unscored=2)
        reasons = {(row.item, row.reason) for row in found.rows if row.value is None}
        assert {item for item, _ in reasons} == {"bad", "gone"}
        assert all(item in str(reason) for item, reason in reasons)


def test_a_clip_that_a_backbone_cannot_take_costs_itself_alone(items: list[Item], suite: Suite, histogram: Any) -> None:
    assert isinstance(items[5].clip, VideoClip)
    histogram.refuses = frozenset({items[5].clip.digest})
    found = evaluate(items, suite, progress=False)
    assert (found.scores["clip_score"].n, found.scores["flicker"].n) == (23, 24)
    (row,) = [row for row in found.rows if row.metric == "clip_score" and row.value is None]
    assert (row.item, row.reason) == ("clip5", "a clip this backbone cannot take")


@pytest.mark.parametrize(
    ("change", "metrics", "reason"),
    [
        ({"prompt": None}, {"clip_score"}, "no prompt"),
        ({"reference": None}, {"lpips_reference"}, "no reference"),
    ],
)
def test_what_a_clip_lacks_is_its_reason(
    items: list[Item], suite: Suite, change: dict[str, Any], metrics: set[str], reason: str
) -> None:
    found = evaluate([replace(items[0], **change), *items[1:]], suite, progress=False)
    rows = [row for row in found.rows if row.reason is not None]
    assert {row.metric for row in rows} == metrics
    assert {row.reason for row in rows} == {reason}
    assert all(found.scores[name].unscored == 1 and found.scores[name].n == 23 for name in metrics)


def test_one_frame_has_no_time(suite: Suite, noise_clip: Make) -> None:
    found = evaluate([Item("a", noise_clip(1, frames=1), "red", "p", noise_clip(2))], suite, progress=False)
    reasons = {row.metric: row.reason for row in found.rows if row.reason is not None}
    assert set(reasons) == {"clip_temporal", "temporal_lpips", "flicker", "motion_magnitude", "fvd_pocket"}
    assert reasons["flicker"] == "1 frame(s); needs at least 2"
    assert found.scores["clip_score"].n == 1


def test_a_feature_that_is_not_finite_never_becomes_a_score(suite: Suite, noise_clip: Make) -> None:
    class Broken:
        id = "broken"

        def observe(self, clips: list[VideoClip]) -> list[dict[str, np.ndarray]]:
            return [{"image": np.full((len(c), 3), np.nan, np.float32)} for c in clips]

    broken = replace(suite, backbones={**suite.backbones, "clip": Broken})
    found = evaluate([Item("a", noise_clip(1), None, "p")], broken, ["clip_temporal"], progress=False)
    assert found.scores["clip_temporal"].value is None
    assert found.rows[0].reason == "broken gave 'image' that is not finite"


def test_items_must_have_names_of_their_own(items: list[Item], suite: Suite) -> None:
    with pytest.raises(InputError, match="'clip0'"):
        evaluate([items[0], replace(items[1], name="clip0")], suite, progress=False)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'flikker' in suite 'pocket': did you mean 'flicker'"):
        POCKET.only(["flikker"])
    with pytest.raises(InputError, match="did you mean 'pocket'"):
        find("pockets")


def test_only_the_backbones_that_are_needed_are_loaded() -> None:
    assert set(POCKET.only(["flicker", "motion_magnitude"]).load()) == {"pixels", "flow"}


def test_no_items_give_no_scores(suite: Suite) -> None:
    found = evaluate([], suite, progress=False)
    assert found.rows == []
    assert all(s.value is None and s.n == 0 for s in found.scores.values())


def test_memory_is_bounded_by_bytes_too(
    items: list[Item], suite: Suite, monkeypatch: pytest.MonkeyPatch, histogram: Any
) -> None:
    whole = evaluate(items, suite, progress=False)
    batches = []
    observe = type(histogram).observe
    monkeypatch.setattr(type(histogram), "observe", lambda self, c: batches.append(len(c)) or observe(self, c))
    monkeypatch.setattr("evals.measure.CHUNK_BYTES", 20_000)
    assert evaluate(items, suite, progress=False) == whole
    assert max(batches) <= 4


def test_protocols_name_backbone_definition_and_codec(suite: Suite, noise_clip: Make, tmp_path: Path) -> None:
    write_preview(tmp_path / "a.mp4", noise_clip(1))
    coded = evaluate([Item("a", tmp_path / "a.mp4", "red", "p")], suite, ["clip_score"], progress=False)
    lossless = evaluate([Item("a", noise_clip(1), "red", "p")], suite, ["clip_score"], progress=False)
    assert coded.scores["clip_score"].protocol.endswith("|histogram-v1|source=h264")
    assert lossless.scores["clip_score"].protocol.endswith("|histogram-v1|source=lossless")
    assert lossless.scores["clip_score"].protocol.startswith("clip_score|")


def test_a_metric_of_ones_own_is_a_few_lines(noise_clip: Make) -> None:
    need = Need("pixels")
    jump = Metric(
        name="jump",
        title="Largest jump",
        unit="levels",
        higher_is_better=False,
        reads="the largest change from one frame to the next",
        definition="max over neighbours",
        needs=(need,),
        value=lambda seen: float(seen[need]["difference"].max()),
        min_frames=2,
    )
    assert jump.value(Seen(None, {need: {"difference": np.array([1, 3], np.float32)}})) == 3
    own = Suite("own", (jump,), POCKET.backbones)
    assert evaluate([Item("a", noise_clip(1), None, "p")], own, progress=False).scores["jump"].n == 1


def test_importing_the_package_does_not_import_torch() -> None:
    code = (
        "import sys, evals, evals.stats, evals.compare, evals.cli; print('torch' in sys.modules, 'cv2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_each_file_is_decoded_once_for_all_metrics(
    suite: Suite, noise_clip: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The habit of decoding once per metric, and references once per clip."""
    for n in range(20):
        write_lossless(tmp_path / f"{n}.mkv", noise_clip(n))
    write_lossless(tmp_path / "reference.mkv", noise_clip(99))
    items = [Item(str(n), tmp_path / f"{n}.mkv", "red", "p", tmp_path / "reference.mkv") for n in range(20)]
    decoded = list[str]()
    decode = Decoder.decode
    monkeypatch.setattr(Decoder, "decode", lambda self, path: decoded.append(path.name) or decode(self, path))
    evaluate(items, suite, progress=False)
    assert sorted(decoded) == sorted([f"{n}.mkv" for n in range(20)] + ["reference.mkv"])


def test_a_metric_added_later_decodes_but_computes_only_what_is_new(
    suite: Suite, noise_clip: Make, tmp_path: Path, histogram: Any
) -> None:
    write_lossless(tmp_path / "a.mkv", noise_clip(1))
    items = [Item("a", tmp_path / "a.mkv", "red", "p")]
    evaluate(items, suite, ["clip_score"], cache=tmp_path / "cache", progress=False)
    assert len(histogram.looked) == 1
    found = evaluate(items, suite, ["clip_score", "flicker"], cache=tmp_path / "cache", progress=False)
    assert len(histogram.looked) == 1
    assert found.scores["flicker"].n == 1


def test_long_clips_are_shown_in_segments_to_networks_of_single_frames(
    suite: Suite, noise_clip: Make, histogram: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = VideoClip(np.random.default_rng(0).integers(0, 256, (1100, 3, 8, 8), np.uint8), 24.0)
    items = [Item("long", long, "red", "p"), Item("short", noise_clip(1), "red", "p")]
    lengths = []
    observe = type(histogram).observe
    monkeypatch.setattr(type(histogram), "observe", lambda self, c: lengths.extend(map(len, c)) or observe(self, c))
    found = evaluate(items, suite, progress=False)
    assert sorted(lengths) == [4, 76, 512, 512]
    monkeypatch.setattr("evals.observe.SEGMENT", 10_000)
    assert evaluate(items, suite, progress=False) == found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("cached", [True, False])
def test_what_is_no_regular_file_is_refused_before_it_is_read(suite: Suite, tmp_path: Path, cached: bool) -> None:
    """With a cache the file is hashed by this process, which a pipe or an endless device would stop for ever."""
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    (tmp_path / "pictures").mkdir()
    os.mkfifo(tmp_path / "pictures" / "0.png")
    names = ("pipe.mp4", "device.mp4", "pictures")
    items = [Item(name, tmp_path / name, None, name) for name in names]
    found = evaluate(items, suite, ["flicker"], tmp_path / "cache" if cached else None, progress=False)
    assert all(row.reason is not None and row.reason.endswith("not a regular file") for row in found.rows)
