"""Effects on rows whose answer is known beforehand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from ablations.effects import Effect, effects, prompts_needed
from ablations.summary import capital, sentences
from evals.stats import holm, paired

METRICS: dict[str, Any] = {
    "clip_score": {"title": "CLIP score", "unit": "", "higher_is_better": True},
    "flicker": {"title": "flicker", "unit": "", "higher_is_better": False},
    "motion_magnitude": {"title": "motion", "unit": "px", "higher_is_better": None},
}
PROMPTS, SEEDS = 16, (0, 1)


def make_run(margins: dict[str, float] | None = None, prompts: int = PROMPTS, **metrics: Any) -> dict[str, Any]:
    arms = [("full", None), ("without controlnet", "controlnet"), ("without v2v", "v2v")]
    return {
        "base": "full",
        "arms": [{"name": n, "switch": s, "title": n} for n, s in arms],
        "prompts": [{"id": f"p{i}", "prompt": str(i)} for i in range(prompts)],
        "seeds": list(SEEDS),
        "metrics": {**METRICS, **metrics},
        "grid": {"margins": margins or {}},
    }


def make_scores(shift: dict[tuple[str, str], float], prompts: int = PROMPTS) -> list[dict[str, Any]]:
    """Every arm's values: the prompt's own level, which all arms share, a little noise, and the arm's shift."""
    rng, rows = np.random.default_rng(0), []
    for metric in METRICS:
        level = rng.normal(size=prompts)
        for arm in ("full", "without controlnet", "without v2v"):
            for p in range(prompts):
                for seed in SEEDS:
                    value = level[p] + 0.01 * rng.normal() + shift.get((arm, metric), 0.0)
                    row = {"arm": arm, "prompt_id": f"p{p}", "seed": seed, "metric": metric, "value": value}
                    rows.append({**row, "reason": None})
    return rows


def find(found: list[Effect], arm: str, metric: str) -> Effect:
    return next(e for e in found if (e.arm, e.metric) == (arm, metric))


def test_planted_effects_are_found_with_their_direction_and_others_are_not() -> None:
    arm = "without controlnet"
    shift = {(arm, "clip_score"): -0.5, (arm, "flicker"): -0.5, (arm, "motion_magnitude"): 0.5}
    found = effects(make_scores(shift), make_run())
    assert [(e.arm, e.metric) for e in found] == [(a, m) for a in (arm, "without v2v") for m in METRICS]
    assert [find(found, arm, m).verdict for m in METRICS] == ["worse", "better", "different"]
    assert [find(found, "without v2v", m).verdict for m in METRICS] == ["inconclusive"] * 3
    e = find(found, arm, "clip_score")
    assert e.switch == "controlnet"
    assert e.difference == pytest.approx(-0.5, abs=0.01)
    assert e.low is not None
    assert e.high is not None
    assert e.low < -0.49 < e.high < -0.48 or e.low <= e.difference <= e.high < 0
    assert (e.n, e.clusters) == (PROMPTS * 2, PROMPTS)
    assert e.value - e.base == pytest.approx(e.difference)  # type: ignore[operator]


def test_numbers_are_those_of_stats_with_prompts_as_clusters_and_holm_over_all() -> None:
    scores, run = make_scores({("without v2v", "flicker"): 0.02}), make_run()
    found = effects(scores, run)
    for e in found:
        pairs = {(r["arm"], r["prompt_id"], r["seed"]): r["value"] for r in scores if r["metric"] == e.metric}
        places = sorted((p, s) for a, p, s in pairs if a == "full")
        d = paired(
            [pairs["full", *p] for p in places], [pairs[e.arm, *p] for p in places], [prompt for prompt, _ in places]
        )
        assert (e.difference, e.low, e.high, e.p, e.standardised) == (d.value, d.low, d.high, d.p, d.standardised)
    assert [e.p_adjusted for e in found] == holm([e.p for e in found])


def test_the_order_of_lines_changes_nothing() -> None:
    scores = make_scores({("without v2v", "flicker"): 0.02})
    shuffled = [scores[i] for i in np.random.default_rng(1).permutation(len(scores))]
    assert effects(shuffled, make_run()) == effects(scores, make_run())


def test_a_margin_makes_small_differences_equivalent() -> None:
    found = effects(make_scores({}), make_run(margins={"flicker": 0.1}))
    assert find(found, "without v2v", "flicker").verdict == "equivalent"
    assert find(found, "without v2v", "clip_score").verdict == "inconclusive"


def test_an_interval_without_a_corrected_p_is_no_claim() -> None:
    """4 prompts: the interval excludes 0, but the least possible p is 2/16, so nothing may be claimed."""
    found = effects(make_scores({("without v2v", "flicker"): 9.0}, prompts=4), make_run(prompts=4))
    e = find(found, "without v2v", "flicker")
    assert e.low is not None
    assert e.low > 8
    assert e.verdict == "inconclusive"
    lines = sentences(found, make_run(prompts=4))
    assert any("a hint, not a finding: flicker rises" in line for line in lines)
    assert any("With 4 prompts no difference can survive" in line for line in lines)


def test_missing_values_drop_their_pair_and_never_count_as_zero() -> None:
    scores = make_scores({})
    lost = next(r for r in scores if r["arm"] == "without v2v" and r["metric"] == "flicker")
    lost.update(value=None, reason="too dark")
    found = effects(scores, make_run())
    e = find(found, "without v2v", "flicker")
    assert e.n == 2 * PROMPTS - 1
    assert abs(e.difference or 1) < 0.05
    assert any("fewer than 32 pairs (least: flicker, 31)" in line for line in sentences(found, make_run()))


def test_an_arm_without_values_has_no_number_and_no_claim() -> None:
    scores = [r for r in make_scores({}) if r["arm"] != "without v2v"]
    found = effects(scores, make_run())
    e = find(found, "without v2v", "flicker")
    assert (e.difference, e.p, e.p_adjusted, e.n, e.verdict) == (None, None, None, 0, "inconclusive")
    assert any(line.startswith("Without v2v: no pair of videos") for line in sentences(found, make_run()))


def test_a_set_level_metric_has_a_difference_and_no_claim() -> None:
    fvd = {"title": "FVD (pocket)", "unit": "", "higher_is_better": False}
    run = make_run(fvd_pocket=fvd)
    totals = [("full", 10.0), ("without controlnet", 25.0), ("without v2v", None)]
    scores = make_scores({})
    for arm, value in totals:
        row = {"arm": arm, "prompt_id": None, "seed": None, "metric": "fvd_pocket", "value": value, "reason": None}
        scores.append({**row, "low": None, "high": None, "n": 32})
    found = effects(scores, run)
    e = find(found, "without controlnet", "fvd_pocket")
    assert (e.difference, e.low, e.p, e.n, e.verdict, e.set_level) == (15.0, None, None, 32, "inconclusive", True)
    assert find(found, "without v2v", "fvd_pocket").difference is None
    # the family that Holm corrects for is not enlarged by what cannot be tested
    assert [x.p_adjusted for x in found if not x.set_level] == [
        x.p_adjusted for x in effects(make_scores({}), make_run())
    ]
    assert any("FVD (pocket): one number an arm" in line for line in sentences(found, run))


def test_sentences_tell_claims_with_numbers_and_motion_of_every_arm() -> None:
    shift = {("without controlnet", "clip_score"): -0.5}
    run = make_run(margins={"flicker": 0.1})
    lines = sentences(effects(make_scores(shift), run), run)
    assert lines[0].startswith("16 prompts x 2 seeds an arm. Of 6 comparisons")
    assert "1 show" in lines[0]
    told = next(line for line in lines if line.startswith("Without controlnet"))
    assert "CLIP score falls from" in told
    assert "95 % interval -0.5" in told
    assert ": worse;" in told
    assert "motion" in told
    assert "equal within the margin: flicker" in told
    assert any(line.startswith("Without v2v: no difference is shown on 1 metric;") for line in lines)


@pytest.mark.parametrize("comparisons", [1, 7, 84, 1000])
def test_prompts_needed_is_the_least_that_can_be_claimed(comparisons: int) -> None:
    g = prompts_needed(comparisons)
    assert 2 / 2**g * comparisons <= 0.05
    assert g == 2 or 2 / 2 ** (g - 1) * comparisons > 0.05


def test_importing_effects_does_not_import_torch() -> None:
    code = "import sys, ablations.effects, ablations.summary; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_setting_keeps_its_letters_where_a_sentence_begins() -> None:
    assert capital("without the ControlNet") == "Without the ControlNet"
    assert capital("i2v.steps=5, averaged") == "i2v.steps=5, averaged"
    assert capital("") == ""
