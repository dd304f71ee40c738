"""What a run says beyond leave-one-out: doses, stages, costs, signs of failure, and how much a plan can show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from ablations.attribution import waterfall
from ablations.diagnosis import RULES, diagnose
from ablations.doses import responses, setting_of, swept
from ablations.effects import effects, interactions
from ablations.pareto import fronts
from ablations.precision import precision
from ablations.readings import _some, precision_lines, sections
from ablations.steadiness import unsteady
from evals import stats
from magicvideo.config import PipelineConfig

PROMPTS = 16
CONFIG = PipelineConfig().model_dump(mode="json")
Row = dict[str, Any]


def rows(values: Mapping[tuple[str, str, str], Callable[[int], float]], noise: float = 0.01) -> list[Row]:
    """(arm, stage, metric) -> a function of the prompt's number, with noise of its own."""
    rng = np.random.default_rng(3)
    return [
        {
            "arm": arm,
            "stage": stage,
            "metric": metric,
            "prompt_id": f"p{p}",
            "seed": 0,
            "value": f(p) + noise * rng.normal(),
        }
        for (arm, stage, metric), f in values.items()
        for p in range(PROMPTS)
    ]


def swept_run(doses: list[float]) -> Row:
    arms = [{"name": "full", "switch": None, "config": CONFIG}]
    arms += [{"name": f"noise_prior.strength={d}", "switch": "noise_prior", "config": CONFIG} for d in doses]
    metrics = {"flicker": {"higher_is_better": True}, "motion_magnitude": {"higher_is_better": None}}
    return {"base": "full", "arms": arms, "metrics": metrics, "grid": {"sweep": {"noise_prior.strength": doses}}}


# ---- doses


def test_a_sweep_is_read_in_the_order_of_its_values_with_the_full_model_among_them() -> None:
    run = swept_run([0, 0.5, 4, 2])
    assert list(swept(run, "noise_prior.strength").items()) == [
        (0, "noise_prior.strength=0"),
        (0.5, "noise_prior.strength=0.5"),
        (1.0, "full"),
        (2, "noise_prior.strength=2"),
        (4, "noise_prior.strength=4"),
    ]
    assert setting_of(CONFIG, "i2v.frames") == 8
    assert setting_of(CONFIG, "vfi") == "fused"


def test_a_sweep_of_words_has_no_doses() -> None:
    run = swept_run([]) | {"grid": {"sweep": {"vfi": ["linear", "flow"]}}}
    assert responses([], run) == []


def test_a_monotone_response_is_told_from_a_hump_and_from_none() -> None:
    doses = {0: "noise_prior.strength=0", 1: "full", 2: "noise_prior.strength=2", 4: "noise_prior.strength=4"}
    run = swept_run([0, 2, 4])
    shapes: dict[str, list[float]] = {"flicker": [0, 1, 2, 2.5], "motion_magnitude": [0, 1, 0.9, 0]}
    values = {
        (arm, "vfi", metric): (lambda p, level=level: p + level)
        for metric, levels in shapes.items()
        for (_, arm), level in zip(doses.items(), levels, strict=True)
    }
    rising, hump = responses(rows(values), run)
    assert (rising.metric, rising.trend.verdict, rising.monotone, rising.highest) == ("flicker", "better", True, 4)
    # Ranks -1.5, -.5, .5, 1.5: (1.5 * 2.5 + .5 * (2 - 1)) / 5.
    assert rising.trend.difference == pytest.approx(0.85, abs=0.02)
    assert [round(d.mean.value - rising.doses[0].mean.value, 1) for d in rising.doses] == [0, 1, 2, 2.5]
    assert (hump.monotone, hump.highest) == (False, 1.0)
    assert hump.trend.verdict == "inconclusive" or abs(hump.trend.difference or 0) < 0.03


def test_false_trends_are_as_rare_as_promised() -> None:
    """40 runs in which no dose does anything: at the level of 5 % per family, 0 to 6 alarms (binomial, 99 %)."""
    run, rng, alarms = swept_run([0, 2, 4]), np.random.default_rng(0), 0
    for _ in range(40):
        made = [
            {"arm": arm["name"], "stage": "vfi", "metric": m, "prompt_id": f"p{p}", "seed": 0, "value": rng.normal()}
            for arm in run["arms"]
            for m in run["metrics"]
            for p in range(PROMPTS)
        ]
        alarms += any(r.trend.verdict != "inconclusive" for r in responses(made, run))
    assert alarms <= 6


# ---- interactions


def test_an_interaction_is_the_difference_of_differences() -> None:
    arms = [
        {"name": n, "switch": None, "off": o} for n, o in (("full", []), ("a", ["x"]), ("b", ["y"]), ("ab", ["x", "y"]))
    ]
    run = {"base": "full", "arms": arms, "metrics": {"flicker": {"higher_is_better": True}}}
    levels = {"full": 0.0, "a": -1.0, "b": 0.25, "ab": -0.25}
    made = rows({(arm, "vfi", "flicker"): (lambda p, level=level: p + level) for arm, level in levels.items()})
    (found,) = interactions(made, run)
    assert found.arm == "x x y"
    assert found.difference == pytest.approx(0.5, abs=0.03)
    assert found.verdict == "better"
    assert (found.n, found.clusters, found.arms) == (PROMPTS, PROMPTS, 2)


# ---- stages


def staged_run(metrics: Mapping[str, bool | None]) -> Row:
    arms = [{"name": "full", "switch": None}, {"name": "other", "switch": None}]
    return {
        "base": "full",
        "arms": arms,
        "metrics": {m: {"higher_is_better": b} for m, b in metrics.items()},
        "grid": {},
    }


def test_a_waterfall_pairs_each_stage_with_the_one_before() -> None:
    run = staged_run({"shape_accuracy": True, "flicker": True})
    levels = {"t2i": 3.0, "i2v": 2.0, "v2v": 2.5, "vfi": 2.5}
    made = {("full", s, "shape_accuracy"): (lambda p, v=v: p + v) for s, v in levels.items()}
    made |= {("full", s, "flicker"): (lambda p, v=v: p + v) for s, v in levels.items() if s != "t2i"}
    steps = waterfall(rows(made), run)
    assert [(s.metric, s.before, s.stage) for s in steps] == [
        ("shape_accuracy", None, "t2i"),
        ("shape_accuracy", "t2i", "i2v"),
        ("shape_accuracy", "i2v", "v2v"),
        ("shape_accuracy", "v2v", "vfi"),
        ("flicker", None, "i2v"),
        ("flicker", "i2v", "v2v"),
        ("flicker", "v2v", "vfi"),
    ]
    assert [s.verdict for s in steps[1:4]] == ["worse", "better", "inconclusive"]
    assert [s.difference for s in steps[1:3]] == pytest.approx([-1, 0.5], abs=0.02)
    changes = sum(s.difference or 0 for s in steps[:4])
    assert changes == pytest.approx((steps[3].value or 0) - (steps[0].value or 0)), "steps add up to the whole"


def test_one_stage_is_no_waterfall() -> None:
    run = staged_run({"flicker": True})
    made = rows({("full", "vfi", "flicker"): float})
    assert waterfall(made, run) == []
    assert diagnose(made, run) == []


# ---- signs


PLANTED: dict[str, tuple[str, bool | None, dict[str, float]]] = {
    "keyframes lose what the reference shows": (
        "shape_accuracy",
        True,
        {"t2i": 1.0, "i2v": 0.7, "v2v": 0.7, "vfi": 0.7},
    ),
    "keyframes are blurred or broken": ("aesthetic", True, {"t2i": 8.0, "i2v": 6.0, "v2v": 7.0, "vfi": 7.0}),
    "keyframes do not move as asked": ("motion_accuracy", True, {"i2v": 0.5, "v2v": 0.5, "vfi": 0.5}),
    "faults survive V2V": ("fault_remaining", False, {"t2i": 1.0, "i2v": 0.9, "v2v": 0.9, "vfi": 0.9}),
    "V2V adds faults": ("lpips_truth", False, {"t2i": 0.1, "i2v": 0.1, "v2v": 0.3, "vfi": 0.3}),
    "jitter or flicker comes with interpolation": ("flicker", True, {"i2v": 0.9, "v2v": 0.9, "vfi": 0.8}),
}


def healthy(levels: Mapping[str, float], better: bool | None) -> dict[str, float]:
    """Stage after stage a little better, and good at the end."""
    good = 0.95 if better else 0.05
    return {stage: good + (0.01 if better else -0.01) * n for n, stage in enumerate(levels)}


@pytest.mark.parametrize("sign", PLANTED)
def test_each_planted_failure_is_seen_and_no_other(sign: str) -> None:
    metric, better, levels = PLANTED[sign]
    run = staged_run({metric: better})
    made = rows({("full", s, metric): (lambda p, v=v: v + 0.001 * p) for s, v in levels.items()}, noise=0.0005)
    found = {s.rule.sign: s for s in diagnose(made, run)}
    assert found[sign].answer == "seen"
    assert {step.metric for step in found[sign].evidence} == {metric}
    assert [name for name, s in found.items() if s.answer == "seen"] == [sign]


@pytest.mark.parametrize("sign", PLANTED)
def test_a_healthy_run_shows_no_sign(sign: str) -> None:
    metric, better, levels = PLANTED[sign]
    run, good = staged_run({metric: better}), healthy(levels, better)
    made = rows({("full", s, metric): (lambda p, v=v: v + 0.0001 * p) for s, v in good.items()}, noise=0.0005)
    assert "seen" not in {s.answer for s in diagnose(made, run)}


def test_too_few_videos_leave_a_sign_open_and_missing_metrics_unmeasured() -> None:
    run = staged_run({"shape_accuracy": True})
    made = rows({("full", s, "shape_accuracy"): (lambda p: float(p)) for s in ("t2i", "i2v")}, noise=5)
    answers = {s.rule.sign: s.answer for s in diagnose(made, run)}
    assert answers["keyframes lose what the reference shows"] == "open"
    assert answers["faults survive V2V"] == "not measured"
    assert {s.rule.sign for s in diagnose(made, run)} == {rule.sign for rule in RULES}


# ---- cost


def test_the_front_holds_what_nobody_beats_at_its_price() -> None:
    run = staged_run({"flicker": True, "motion_magnitude": None})
    levels = {"cheap": (1.0, 0.5), "good": (2.0, 0.9), "waste": (3.0, 0.6), "best": (4.0, 0.95)}
    items = [
        {"arm": arm, "stages": {"t2i": {"seconds": cost / 2}, "i2v": {"seconds": cost / 2}}}
        for arm, (cost, _) in levels.items()
    ]
    made = rows({(arm, "vfi", "flicker"): (lambda p, v=v: v + 0.01 * p) for arm, (_, v) in levels.items()}, 0.001)
    points = {p.arm: p for p in fronts(made, items, run)}
    assert [p.arm for p in points.values() if p.front] == ["cheap", "good", "best"]
    assert points["waste"].beaten_by == ("good",)
    assert {p.metric for p in points.values()} == {"flicker"}, "no front where neither side is better"
    assert points["good"].seconds == 2.0


def timed(took: Mapping[str, Mapping[str, float]], stages: Mapping[str, Any] | None = None) -> list[Row]:
    """Items of arms -> stage -> seconds, four prompts each, a hundredth apart."""
    return [
        {
            "arm": arm,
            "prompt_id": f"p{p}",
            "seed": 0,
            "stages": {
                stage: {"key": f"{arm}-{stage}-{p}", "seconds": took[arm][stage] + 0.01 * p, "frames": 8}
                | (stages or {}).get(arm, {})
                for stage in took[arm]
            },
        }
        for arm in took
        for p in range(4)
    ]


def arms_with(**settings: Mapping[str, Any]) -> Row:
    """A run whose arms differ from `full` in the stage settings given."""
    arms = [{"name": "full", "config": CONFIG}]
    arms += [{"name": name, "config": {**CONFIG, **some}} for name, some in settings.items()]
    return {"base": "full", "arms": arms, "metrics": {"flicker": {"higher_is_better": True}}}


def test_the_same_work_in_unlike_times_says_that_seconds_cannot_be_compared() -> None:
    run = arms_with(short={"i2v": {**CONFIG["i2v"], "steps": 5}})
    busy = timed({"full": {"i2v": 2.0, "vfi": 2.6}, "short": {"i2v": 1.0, "vfi": 1.3}})
    (found,) = unsteady(busy, run)
    assert (found.stage, found.quick_arm, found.slow_arm) == ("vfi", "short", "full"), "I2V did not do the same work"
    assert found.quick == pytest.approx(1.315)
    made = rows({("full", "vfi", "flicker"): lambda p: p, ("short", "vfi", "flicker"): lambda p: p})
    ((_, lines),) = [part for part in sections(made, busy, run) if part[0] == "Quality against cost"]
    (line,) = lines
    assert "cannot be compared: VFI did the same work in 1.3 s" in line
    calm = timed({"full": {"i2v": 2.0, "vfi": 1.3}, "short": {"i2v": 1.0, "vfi": 1.3}})
    assert unsteady(calm, run) == []


def test_longer_clips_other_mechanisms_and_few_clips_are_no_alarm() -> None:
    run = arms_with(long={}, plain={"mechanisms": {**CONFIG["mechanisms"], "vfi": "linear"}})
    took = {"full": {"vfi": 1.0}, "long": {"vfi": 4.0}, "plain": {"vfi": 0.1}}
    assert unsteady(timed(took, {"long": {"frames": 32}}), run) == []
    assert unsteady(timed({"full": {"vfi": 0.001}, "long": {"vfi": 0.004}}), run) == [], (
        "a moment is nothing to compare"
    )
    few = [item for item in timed(took) if item["arm"] == "full" or item["prompt_id"] in ("p0", "p1")]
    assert unsteady(few, run) == []
    assert [u.slow_arm for u in unsteady(timed(took), run)] == ["long"]


# ---- plans


def test_a_plan_says_what_it_can_show_and_keeps_its_word() -> None:
    """A pilot of 16 prompts; a true difference of the promised size is claimed in about 8 of 10 runs of 40 prompts."""
    rng, run = np.random.default_rng(1), staged_run({"flicker": True})
    pilot = rows({("full", "vfi", "flicker"): float, ("other", "vfi", "flicker"): float}, noise=1.0)
    (found,) = precision(effects(pilot, run), ["flicker"], prompts=40, comparisons=1)
    assert found.alone == pytest.approx(found.corrected)
    sure = sum(
        stats.paired(np.zeros(40), rng.normal(found.alone, found.spread, 40), range(40)).p < 0.05 for _ in range(200)
    )
    assert 0.7 <= sure / 200 <= 0.9
    (many,) = precision(effects(pilot, run), ["flicker"], prompts=40, comparisons=84)
    assert many.corrected > many.alone == found.alone
    assert precision(effects(pilot, run), ["flicker"], prompts=1, comparisons=1) == []
    (again,) = precision(effects(pilot, run), ["flicker"], prompts=many.prompts_for_half, comparisons=84)
    assert again.corrected <= many.corrected / 2 * 1.001


# ---- in words


def test_what_the_design_allows_is_told_and_nothing_else() -> None:
    assert sections([], [], staged_run({"flicker": True})) == []
    run = swept_run([0, 2, 4]) | {"metrics": {"flicker": {"title": "Flicker", "higher_is_better": True}}}
    arms = ["noise_prior.strength=0", "full", "noise_prior.strength=2", "noise_prior.strength=4"]
    made = rows({(a, "vfi", "flicker"): (lambda p, n=n: p + n) for n, a in enumerate(arms)})
    items = [{"arm": a, "stages": {"i2v": {"seconds": 1.0 + n}}} for n, a in enumerate(arms)]
    told = dict(sections(made, items, run))
    assert list(told) == ["Doses", "Quality against cost"]
    (doses,) = told["Doses"]
    assert doses.startswith("Flicker over noise_prior.strength (0: 7.5, 1: 8.5, 2: 9.5, 4: 10.5): rises by 1 ")
    assert "at every dose: better" in doses
    assert "cheapest to best: noise_prior.strength=0 (1 s, 7.5)" in told["Quality against cost"][0]


def test_doses_without_an_answer_share_a_sentence() -> None:
    run = swept_run([0, 2]) | {"metrics": {m: {"title": m, "higher_is_better": True} for m in ("a", "b", "c")}}
    arms = ["noise_prior.strength=0", "full", "noise_prior.strength=2"]
    made = rows({(a, "vfi", m): (lambda p, m=m, n=n: p + n * (m == "b")) for n, a in enumerate(arms) for m in "abc"})
    (_, claimed, others), *_ = [(h, *lines) for h, lines in sections(made, [], run) if h == "Doses"]
    assert claimed.startswith("b over noise_prior.strength (0: 7.5, 1: 8.5, 2: 9.5): rises by 1 ")
    assert others == "Over noise_prior.strength (0, 1, 2), nothing is shown: a, c."


def test_many_beaten_arms_are_counted_instead_of_named() -> None:
    names = [f"arm {n}" for n in range(8)]
    run = {
        "base": names[0],
        "arms": [{"name": name, "config": {**CONFIG, "steps": n}} for n, name in enumerate(names)],
        "metrics": {"flicker": {"title": "Flicker", "higher_is_better": True}},
    }
    made = rows({(name, "vfi", "flicker"): (lambda p, n=n: p - n) for n, name in enumerate(names)})
    items = [{"arm": name, "stages": {"i2v": {"seconds": 1.0 + n}}} for n, name in enumerate(names)]
    (line,) = dict(sections(made, items, run))["Quality against cost"]
    assert line == "Flicker, cheapest to best: arm 0 (1 s, 7.5); surely beaten at their price: 7 of 8 arms."


def test_signs_and_stages_name_their_evidence() -> None:
    metric, better, levels = PLANTED["faults survive V2V"]
    run = staged_run({metric: better})
    made = rows({("full", s, metric): (lambda p, v=v: v + 0.001 * (p % 2)) for s, v in levels.items()}, noise=0.0001)
    told = dict(sections(made, [], run))
    assert re.match(r"fault_remaining: T2I 1, I2V 0\.9(01)? \(better\), V2V 0\.9", told["Stage by stage"][0])
    (sign,) = told["Signs of failure"]
    assert re.match(
        r"Seen: faults survive V2V \(fault_remaining 0\.9.* to 0\.9.*, i2v to v2v\)\. Look at V2V's ref", sign
    )


def test_interactions_are_told_with_their_size() -> None:
    arms = [
        {"name": n, "switch": None, "off": o} for n, o in (("full", []), ("a", ["x"]), ("b", ["y"]), ("ab", ["x", "y"]))
    ]
    run = {"base": "full", "arms": arms, "metrics": {"flicker": {"higher_is_better": True}}, "grid": {}}
    levels = {"full": 0.0, "a": -1.0, "b": 0.25, "ab": -0.25}
    made = rows({(arm, "vfi", "flicker"): (lambda p, level=level: p + level) for arm, level in levels.items()})
    told = dict(sections(made, [], run))["Interactions"]
    assert re.match(r"flicker, x x y: without both it is 0\.(49|5\d?) \(.*\) above what", told[0])
    assert told[-1] == "0 of 1 pairs and metrics show no interaction after correction."


def test_a_plan_is_told_a_line_a_metric() -> None:
    run = staged_run({"flicker": True})
    pilot = rows({("full", "vfi", "flicker"): float, ("other", "vfi", "flicker"): float}, noise=1.0)
    lines = precision_lines(precision(effects(pilot, run), ["flicker"], 40, 12))
    assert lines[0].endswith("corrected for 12 comparisons")
    assert lines[1].strip().startswith("flicker: ")
    assert precision_lines([]) == []


def test_dozens_of_arms_are_not_all_named() -> None:
    few = [f"arm {n}" for n in range(6)]
    assert _some(few) == ", ".join(few)
    assert _some(["a, b", "c"]) == "a, b; c"
    assert _some([f"arm {n}" for n in range(40)]) == "arm 0; arm 1; arm 2; arm 3; arm 4; 34 more; arm 39"
