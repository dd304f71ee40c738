"""Designs beyond leave-one-out: factorials and their main effects, sweeps, groups of prompts, stages, truth."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ablations.effects import by_stratum, effects
from ablations.execute import execute
from ablations.grid import load_grid
from ablations.shipped import find_grid
from ablations.summary import sentences
from evals.stats import paired
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl
from magicvideo.runs import Store
from magicvideo.world import SHAPES, in_video_data, is_held_out, read_caption, render_clip, scene_for
from reports.folder import read_run

HEAD = "name: g\nprompts: [a red star]\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "g.yaml"
    path.write_text(text)
    return path


# ---- factorial


def test_a_factorial_holds_every_combination_once(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path, HEAD + "factorial: [controlnet, v2v, {vfi: linear}]\n"))
    assert grid.factors == ("controlnet", "v2v", "vfi")
    assert len(grid.arms) == 8
    assert [(a.name, a.switch, a.off) for a in grid.arms[:5]] == [
        ("full", None, ()),
        ("without controlnet", "controlnet", ("controlnet",)),
        ("without v2v", "v2v", ("v2v",)),
        ("without vfi", "vfi", ("vfi",)),
        ("without controlnet, v2v", None, ("controlnet", "v2v")),
    ]
    assert {a.off for a in grid.arms} == {
        tuple(s for s, o in zip(grid.factors, row, strict=True) if o) for row in product((0, 1), repeat=3)
    }
    last = grid.arms[-1].config
    assert last == PipelineConfig().without("controlnet").without("v2v").with_setting("vfi", "linear")
    assert [a.title for a in (*grid.arms[1:5], grid.arms[-1])] == [
        "without the ControlNet",
        "without V2V (bicubic upscaling)",
        "with vfi=linear",
        "without the ControlNet and V2V (bicubic upscaling)",
        "without the ControlNet and V2V (bicubic upscaling), with vfi=linear",
    ]


def factorial_run(tmp_path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two factors with effects -1 and +0.25 and an interaction of 0.5, 16 prompts, two seeds."""
    grid = load_grid(write(tmp_path, HEAD + "factorial: [controlnet, v2v]\n"))
    arms = [{"name": a.name, "switch": a.switch, "title": a.title, "off": list(a.off or ())} for a in grid.arms]
    run = {
        "base": "full",
        "arms": arms,
        "prompts": [{"id": f"p{i}", "prompt": str(i)} for i in range(16)],
        "seeds": [0, 1],
        "metrics": {"clip_score": {"title": "CLIP score", "unit": "", "higher_is_better": True}},
        "grid": {},
    }
    rng, rows = np.random.default_rng(0), []
    for i, seed in product(range(16), (0, 1)):
        level = rng.normal()
        for arm in arms:
            c, v = ("controlnet" in arm["off"]), ("v2v" in arm["off"])
            value = level - 1.0 * c + 0.25 * v + 0.5 * (c and v) + 0.01 * rng.normal()
            rows.append(
                {
                    "arm": arm["name"],
                    "prompt_id": f"p{i}",
                    "seed": seed,
                    "metric": "clip_score",
                    "value": value,
                    "stage": "vfi",
                }
            )
    return run, rows


def test_main_effects_average_over_the_other_switches(tmp_path: Path) -> None:
    run, rows = factorial_run(tmp_path)
    found = {e.switch: e for e in effects(rows, run)}
    assert set(found) == {"controlnet", "v2v"}, "one effect a switch, none for arms with two off"
    assert found["controlnet"].difference == pytest.approx(-0.75, abs=0.01)
    assert found["v2v"].difference == pytest.approx(0.5, abs=0.01)
    assert [found[s].verdict for s in ("controlnet", "v2v")] == ["worse", "better"]
    assert (found["v2v"].arms, found["v2v"].n, found["v2v"].clusters) == (2, 32, 16)


def test_main_effects_say_what_they_average_over(tmp_path: Path) -> None:
    run, rows = factorial_run(tmp_path)
    lines = sentences(effects(rows, run), {**run, "prompts": {f"p{n}": "" for n in range(16)}, "seeds": [0, 1]})
    assert any(line.startswith("Without the ControlNet, averaged over the other switches: ") for line in lines)


def test_main_effects_are_paired_by_prompt_and_seed(tmp_path: Path) -> None:
    run, rows = factorial_run(tmp_path)
    table = {(r["arm"], r["prompt_id"], r["seed"]): r["value"] for r in rows}
    places = sorted({(r["prompt_id"], r["seed"]) for r in rows})
    with_it = [(table["full", *p] + table["without v2v", *p]) / 2 for p in places]
    without = [(table["without controlnet", *p] + table["without controlnet, v2v", *p]) / 2 for p in places]
    d = paired(with_it, without, [prompt for prompt, _ in places])
    e = next(e for e in effects(rows, run) if e.switch == "controlnet")
    assert (e.difference, e.low, e.high, e.p) == (d.value, d.low, d.high, d.p)


def test_a_pair_that_misses_an_arm_is_left_out(tmp_path: Path) -> None:
    run, rows = factorial_run(tmp_path)
    lost = next(r for r in rows if r["arm"] == "without controlnet, v2v")
    lost.update(value=None, reason="too dark")
    assert {e.n for e in effects(rows, run)} == {31}


# ---- sweeps, other bases


def test_a_sweep_gives_one_arm_a_value_and_leaves_out_the_bases(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path, HEAD + "sweep: {noise_prior.strength: [0, 1, 4], vfi: [linear]}\n"))
    assert [(a.name, a.switch) for a in grid.arms] == [
        ("full", None),
        ("noise_prior.strength=0", "noise_prior"),
        ("noise_prior.strength=4", "noise_prior"),
        ("vfi=linear", "vfi"),
    ]
    assert grid.arms[2].config.mechanisms.noise_prior.strength == 4


def test_an_arm_may_be_compared_with_another(tmp_path: Path) -> None:
    arms = "arms:\n  - {name: a, set: {i2v.steps: 4}}\n  - {name: b, against: a, set: {i2v.steps: 4}, without: [v2v]}\n"
    grid = load_grid(write(tmp_path, HEAD + arms))
    assert [(a.against, a.switch) for a in grid.arms] == [("full", None), ("full", None), ("a", "v2v")]
    assert grid.arms[2].title == "b (against: a)"
    run = {
        "base": "full",
        "arms": [{"name": a.name, "switch": a.switch, "against": a.against} for a in grid.arms],
        "metrics": {"flicker": {"higher_is_better": True}},
    }
    levels = {"full": 0.0, "a": 1.0, "b": 3.0}
    rows = [
        {"arm": arm, "prompt_id": f"p{i}", "seed": 0, "metric": "flicker", "value": level + i}
        for arm, level in levels.items()
        for i in range(6)
    ]
    assert {e.arm: e.difference for e in effects(rows, run)} == {"a": 1.0, "b": 2.0}


BAD = {
    "factor": ("factorial: [v2v, contolnet]\n", ["line 3", "factorial[1]", "'controlnet'"]),
    "one factor": ("factorial: [v2v]\n", ["leave_one_out"]),
    "two keys": ("factorial: [v2v, {vfi: linear, controlnet: false}]\n", ["factorial[1]", "{switch: value}"]),
    "value of a factor": ("factorial: [v2v, {vfi: liner}]\n", ["factorial[1]", "liner"]),
    "sweep": ("sweep: {noise_prior.strenth: [1]}\n", ["line 3", "strength"]),
    "value of a sweep": ("sweep: {vfi: [liner]}\n", ["line 3", "liner"]),
    "against": ("arms:\n  - {name: a, against: b, without: [v2v]}\n", ["line 4", "against", "'b'"]),
    "fault": ("arms:\n  - {name: a, set: {t2i.fault: blur}}\n", ["line 4", "t2i.source=world"]),
    "truth that is missing": ("leave_one_out: [v2v]\nsuite: truth\n", ["line 4", "truth: world"]),
    "truth for nothing": ("leave_one_out: [v2v]\ntruth: world\n", ["line 4", "suite: truth"]),
    "truth of another kind": ("leave_one_out: [v2v]\ntruth: video\n", ["line 4", "truth"]),
    "stage": ("leave_one_out: [v2v]\nscore_stages: [i3v]\n", ["line 4", "score_stages"]),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_each_mistake_is_answered_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        load_grid(write(tmp_path, HEAD + text))
    assert all(word in str(error.value) for word in words), str(error.value)


# ---- groups of prompts


def test_groups_of_prompts_hold_the_pairs_they_name() -> None:
    prompts = load_grid(find_grid("joint_training")).prompts
    groups = {name: [p for p in prompts if p.stratum == name] for name in ("images_only", "in_videos")}
    for name, some in groups.items():
        assert len(some) == 96
        for p in some:
            asked = read_caption(p.prompt)
            assert asked.shape in SHAPES
            assert asked.colour is not None
            assert not is_held_out(asked.shape, asked.colour)
            assert in_video_data(asked.shape, asked.colour) == (name == "in_videos")
    assert len({p.id for p in prompts}) == 192


def test_effects_are_told_group_by_group() -> None:
    run = {
        "base": "full",
        "arms": [{"name": "full", "switch": None}, {"name": "without v2v", "switch": "v2v"}],
        "prompts": [{"id": f"p{i}", "stratum": "ab"[i % 2]} for i in range(16)],
        "metrics": {"flicker": {"higher_is_better": True}},
    }
    rows = [
        {"arm": arm, "prompt_id": f"p{i}", "seed": 0, "metric": "flicker", "value": i + off * (1 + i % 2)}
        for arm, off in (("full", 0), ("without v2v", 1))
        for i in range(16)
    ]
    found = by_stratum(rows, run)
    assert {name: (e.difference, e.n) for name, (e,) in found.items()} == {"a": (1.0, 8), "b": (2.0, 8)}
    assert by_stratum(rows, {**run, "prompts": [{"id": "p1"}]}) == {}


# ---- stages and truth, on the fake pipeline


TRUTHFUL = """\
name: truthful
base: {t2i.size: 32, i2v.size: 32, i2v.frames: 3, v2v.size: 32, vfi.factor: 2}
leave_one_out: [controlnet]
prompts: [a red star moving left on a plain background, a blue ring bouncing on a dotted background]
suite: truth
truth: world
score_stages: [t2i, i2v]
metrics: [flicker, psnr_truth, psnr_between, trajectory_error]
"""


def test_stages_are_scored_against_the_truth_of_their_own_size(tmp_path: Path, fake: ModuleType) -> None:
    execute(load_grid(write(tmp_path, TRUTHFUL)), tmp_path / "run", fake.engine(), progress=False)
    rows, items = read_jsonl(tmp_path / "run" / "scores.jsonl"), read_jsonl(tmp_path / "run" / "items.jsonl")
    assert len(rows) == 3 * 4 * 4
    value = {(r["arm"], r["prompt_id"], r["stage"], r["metric"]): r["value"] for r in rows}
    assert {k[2] for k in value} == {"t2i", "i2v", "vfi"}
    assert all(value[a, p, "t2i", "psnr_truth"] is not None for a, p, s, _ in value if s == "t2i")
    assert all(value[a, p, "t2i", "flicker"] is None for a, p, s, _ in value if s == "t2i"), "one frame has no flicker"
    assert all((v is not None) == (k[2] == "vfi") for k, v in value.items() if k[3] == "psnr_between")
    store = Store(tmp_path / "run" / "store")
    for item in items:
        true = render_clip(scene_for(item["prompt"], item["seed"]), 5, 32, 16.0)
        assert store.clip(true.digest) == true, "kept in the store"
    made = store.clip(items[0]["clip"]).floats()
    true = render_clip(scene_for(items[0]["prompt"], 0), 5, 32, 16.0)
    mse = ((made.astype(float) - true.floats()) ** 2).mean(axis=(1, 2, 3))
    expected = (-10 * np.log10(mse))[[1, 3]].mean()
    assert value["full", "p01", "vfi", "psnr_between"] == pytest.approx(expected, rel=1e-4)


def test_reports_and_effects_read_the_last_stage(tmp_path: Path, fake: ModuleType) -> None:
    execute(load_grid(write(tmp_path, TRUTHFUL)), tmp_path / "run", fake.engine(), progress=False)
    record, rows = read_json(tmp_path / "run" / "run.json"), read_jsonl(tmp_path / "run" / "scores.jsonl")
    assert (record["truth"], record["score_stages"]) == ("world", ["t2i", "i2v", "vfi"])
    last = [r for r in rows if r["stage"] == "vfi"]
    assert effects(rows, record) == effects(last, record)
    assert effects(rows, record, "i2v") == effects([r for r in rows if r["stage"] == "i2v"], record, "i2v")
    assert effects(rows, record, "i2v") != effects(rows, record)
    assert list(read_run(tmp_path / "run").scores) == last
