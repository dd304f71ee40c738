"""What metrics answer to damage: damage does what it says, verdicts on made-up numbers, and the command end to end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals import Item, cards
from evals.card_charts import chart
from evals.damage import DAMAGES, reencode
from evals.metric import Score
from evals.metrics import flicker, truth
from evals.sensitivity import judge, judge_set, measure
from evals.suites import Suite
from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.errors import InputError
from magicvideo.world import render_clip, sample_scene

SET = Suite("pixels", (flicker.METRIC,), {"pixels": flicker.Pixels})


@pytest.fixture(scope="module")
def clips() -> list[VideoClip]:
    """Six rendered clips that move, 10 frames of 32 x 48."""
    rng = np.random.default_rng(8)
    drawn = [sample_scene(rng) for _ in range(20)]
    square = [render_clip(scene, 10, 48) for scene in drawn if scene.motion != "still"][:6]
    return [VideoClip(clip.frames[:, :, 8:40], clip.fps) for clip in square]


# ---- damage


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_keeps_the_form_repeats_itself_and_grows(damage: Any, clips: list[VideoClip]) -> None:
    apart = []
    for strength in damage.strengths:
        spoiled = [damage(clip, strength) for clip in clips]
        assert [(s.frames.shape, s.fps) for s in spoiled] == [(c.frames.shape, c.fps) for c in clips]
        differences = [np.abs(s.frames.astype(float) - c.frames).mean() for s, c in zip(spoiled, clips, strict=True)]
        apart.append(np.mean(differences))
        assert damage(clips[0], strength) == spoiled[0]
    assert apart[1] > 0
    assert apart[4] > apart[2] > apart[0] or damage.name in ("shuffle", "crop")
    assert apart[4] > apart[0]


def test_another_clip_is_damaged_in_another_way(clips: list[VideoClip]) -> None:
    noises = [DAMAGES["noise"](clip, 0.1).frames.astype(int) - clip.frames for clip in clips[:2]]
    assert not np.array_equal(*noises)


def test_frames_are_held_and_frozen_not_made_up(clips: list[VideoClip]) -> None:
    for clip in clips:
        assert len(np.unique(DAMAGES["freeze"](clip, 1.0).frames, axis=0)) == 1
        for kind in ("drop", "freeze", "shuffle"):
            known = {frame.tobytes() for frame in clip.frames}
            assert {frame.tobytes() for frame in DAMAGES[kind](clip, 0.5).frames} <= known
        assert np.array_equal(DAMAGES["drop"](clip, 0.7).frames[0], clip.frames[0])


def test_reencoding_takes_odd_sizes(clips: list[VideoClip]) -> None:
    odd = VideoClip(clips[0].frames[:, :, :31, :33], 30_000 / 1001)
    assert reencode(odd, 30).frames.shape == odd.frames.shape


# ---- verdicts


def values(shift: float = 0.0, noise: float = 0.0, seed: int = 1) -> dict[str, tuple[str, float]]:
    """20 clips of 20 prompts, spread 1 between them, moved by `shift` and by noise of their own."""
    base = np.random.default_rng(0).normal(size=20)
    moved = base + shift + noise * np.random.default_rng(seed).normal(size=20)
    return {str(i): (f"p{i}", float(v)) for i, v in enumerate(moved)}


def answer(shifts: list[float], better: bool | None = True, noise: float = 0.01) -> Any:
    return judge(values(), [values(s, noise, k) for k, s in enumerate(shifts)], better)


@pytest.mark.parametrize(
    ("shifts", "better", "verdict", "monotone", "saturated"),
    [
        ([-0.2, -0.4, -0.6, -0.8, -1.0], True, "worse", True, None),
        ([-0.2, -0.4, -0.6, -0.8, -1.0], False, "better", True, None),
        ([-0.2, -0.4, -0.6, -0.8, -1.0], None, "down", True, None),
        ([0.2, 0.4, 0.6, 0.8, 1.0], True, "better", True, None),
        ([0.5, 0.99, 1, 1, 1], False, "worse", True, 2),
        ([-1.0, -1.0, -1.0, -1.0, -0.5], True, "worse", False, None),
        ([0.3, 0.0, -0.3, -0.5, -0.9], True, "both ways", False, None),
        ([0.02, 0.03, -0.02, 0.04, 0.05], True, "blind", False, None),
        ([0.0] * 5, True, "blind", False, None),
    ],
)
def test_verdicts(
    shifts: list[float], better: bool | None, verdict: str, monotone: bool, saturated: int | None
) -> None:
    found = answer(shifts, better)
    assert (found.verdict, found.monotone, found.saturated) == (verdict, monotone, saturated)


def test_a_difference_that_is_not_certain_is_none() -> None:
    assert answer([0.2] * 5, noise=3.0).verdict == "blind"


def test_what_is_unscored_is_told_not_counted_as_zero() -> None:
    some = {name: values()[name] for name in list(values())[:3]}
    found = judge(values(-1), [values(-1.5), {}, some, values(-2), {}], True)
    assert [step.difference is None for step in found.steps] == [False, True, True, False, True]
    assert found.verdict == "worse"
    assert judge(values(), [{}] * 5, True).verdict == "unscored"


def test_a_metric_of_the_set_is_judged_by_both_intervals() -> None:
    def score(value: float, half: float) -> Score:
        return Score(value, value - half, value + half, 20, 0, "u", False, "protocol")

    found = judge_set(score(1, 0.3), [score(1 + d, 0.4) for d in (0.1, 0.4, 0.6, 1, 2)])
    assert found.verdict == "worse"
    assert found.steps[1].low == pytest.approx(0.4 - 0.5)
    assert [step.certain for step in found.steps] == [False, False, True, True, True]
    assert judge_set(score(1, 2), [score(2, 2)] * 5).verdict == "blind"


# ---- measured


@pytest.fixture(scope="module")
def found(clips: list[VideoClip]) -> dict[str, Any]:
    items = [Item(str(n), clip, None, f"p{n}") for n, clip in enumerate(clips)]
    suite = Suite("pixels", (flicker.METRIC, truth.PSNR_BETWEEN), {**SET.backbones, "fidelity": _Pixelwise})
    damages = [DAMAGES[name] for name in ("freeze", "flicker", "blur")]
    return cards.record(measure(items, suite, progress=False, damages=damages).to_dict())


class _Pixelwise:
    id = "mse"

    def observe_pairs(self, pairs: Any) -> Any:
        return [{"mse": ((a.floats() - b.floats()) ** 2).mean((1, 2, 3))} for a, b in pairs]


def test_flicker_sees_flicker_rewards_standing_still_and_leaves_out_what_is_static(found: Mapping[str, Any]) -> None:
    answers = found["cards"]["flicker"]["answers"]
    assert answers["flicker"]["verdict"] == "worse"
    assert answers["flicker"]["monotone"]
    assert answers["freeze"]["verdict"] == "better"
    assert answers["freeze"]["difference"][4] is None, "all static, so unscored"
    assert found["without"] == {"psnr_between": "which frames were made in between is not known"}
    table = cards.table(found)
    assert re.search(r"^flicker +better\S* +worse", table, re.M)
    assert "psnr_between: no card" in table
    json.dumps(found, allow_nan=False)


def test_charts_show_every_damage_with_its_scored_strengths(found: Mapping[str, Any]) -> None:
    drawn = chart(found, "flicker").to_dict()
    (rows,) = (data for data in [drawn["data"]["values"]])
    assert {row["damage"] for row in rows} == {DAMAGES[name].title for name in found["cards"]["flicker"]["answers"]}
    assert sum(row["damage"] == "Frozen" for row in rows) == 1 + 4
    assert all(row["low"] <= row["difference"] <= row["high"] for row in rows)


def test_few_and_short_clips_are_refused(clips: list[VideoClip]) -> None:
    items = [Item(str(n), clip, None, f"p{n}") for n, clip in enumerate(clips)]
    with pytest.raises(InputError, match="fewer than 6"):
        measure(items[:5], SET)
    with pytest.raises(InputError, match="at least 3 frames"):
        measure([Item("a", VideoClip(clips[0].frames[:2], 8.0), None, "p")], SET)


def test_the_command_writes_cards_and_charts(
    clips: list[VideoClip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, clip in enumerate(clips):
        write_lossless(tmp_path / "videos" / f"{n}.mkv", VideoClip(clip.frames[:4, :, ::2, ::2], 8.0))
    write_lossless(tmp_path / "videos" / "short.mkv", VideoClip(clips[0].frames[:2], 8.0))
    words = [
        "evaluate",
        tmp_path / "videos",
        "--sensitivity",
        "--metrics",
        "flicker",
        "--out",
        tmp_path / "run",
        "--json",
    ]
    assert main([str(word) for word in words]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["sensitivity"]["clips"] == 6
    assert list(result["sensitivity"]["cards"]) == ["flicker"]
    assert "short is left out: 2 frame(s)" in err
    assert "metric   shuffle" in err
    kept = json.loads((tmp_path / "run" / "sensitivity.json").read_text())
    assert kept == result["sensitivity"]
    assert "<svg" in (tmp_path / "run" / "sensitivity" / "flicker.svg").read_text()
    assert "<svg" in Path(result["page"]).read_text()


# ---- pages


def test_a_section_is_replaced_not_doubled(found: Mapping[str, Any]) -> None:
    sets = {"made": {"title": "On made-up clips.", "found": found}}
    section = cards.section("flicker", sets)
    page = cards.with_section("# Flicker\n\n## Known biases\n\n- One.\n", section)
    assert cards.with_section(page, section) == page
    assert page.count(cards.HEADING) == 1
    assert "| Frozen | share of frames" in section
    assert "No card: unscored there" in cards.section("psnr_between", sets)
    assert re.search(r"^\| \[`flicker`\]\(metrics/flicker.md\) \| better", cards.overview(sets), re.M)
    assert "do not ship" in cards.section("musiq", sets)
