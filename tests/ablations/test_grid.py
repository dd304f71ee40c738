"""Grids: what a good one expands to, and that each bad one is answered with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablations.grid import load_grid
from ablations.shipped import SHIPPED, find_grid, shipped_grids
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.stage_config import SWITCHES
from magicvideo.world import read_caption

HEAD = "name: g\nprompts: [a red star]\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "g.yaml"
    path.write_text(text)
    return path


def test_leave_one_out_makes_one_arm_a_switch_behind_the_full_model(tmp_path: Path) -> None:
    grid = load_grid(write(tmp_path, HEAD + "base: {i2v.steps: 3}\nleave_one_out: [controlnet, noise_prior]\n"))
    base = PipelineConfig().with_setting("i2v.steps", 3)
    assert [(a.name, a.switch) for a in grid.arms] == [
        ("full", None),
        ("without controlnet", "controlnet"),
        ("without noise_prior", "noise_prior"),
    ]
    assert [a.config for a in grid.arms] == [base, base.without("controlnet"), base.without("noise_prior")]
    assert grid.seeds == (0,)
    assert grid.metrics is None


def test_own_arms_set_fields_and_know_the_one_switch_they_change(tmp_path: Path) -> None:
    arms = """arms:
  - {name: linear blend, set: {vfi: linear}}
  - {name: strong, title: a stronger prior, set: {noise_prior.strength: 2}}
  - {name: bare, without: [controlnet, v2v]}
  - {name: short, set: {i2v.steps: 4}}
  - {name: no frames between, set: {vfi: off}}
"""
    grid = load_grid(write(tmp_path, HEAD + arms))
    assert [a.switch for a in grid.arms] == [None, "vfi", "noise_prior", None, None, "vfi"]
    assert grid.arms[2].config.mechanisms.noise_prior.strength == 2
    assert grid.arms[2].title == "a stronger prior"
    assert grid.arms[3].config == PipelineConfig().without("controlnet").without("v2v")
    assert grid.arms[5].config.mechanisms.vfi == "off"


def test_prompts_may_be_listed_read_or_drawn(tmp_path: Path) -> None:
    arm = "leave_one_out: [v2v]\n"
    (tmp_path / "p.txt").write_text("a red star\n\na blue ring\n")
    (tmp_path / "p.jsonl").write_text('{"id": "x", "prompt": "a red star"}\n{"prompt": "a blue ring"}\n')
    listed = load_grid(write(tmp_path, f"name: g\n{arm}prompts: [a red star, {{id: b, prompt: a blue ring}}]\n"))
    assert [(p.id, p.prompt) for p in listed.prompts] == [("p01", "a red star"), ("b", "a blue ring")]
    text = load_grid(write(tmp_path, f"name: g\n{arm}prompts: p.txt\n"))
    assert [(p.id, p.prompt) for p in text.prompts] == [("p01", "a red star"), ("p02", "a blue ring")]
    lines = load_grid(write(tmp_path, f"name: g\n{arm}prompts: p.jsonl\n"))
    assert [p.id for p in lines.prompts] == ["x", "p02"]


def test_world_prompts_are_different_and_follow_from_their_seed(tmp_path: Path) -> None:
    def drawn(seed: int) -> list[str]:
        text = f"name: g\nleave_one_out: [v2v]\nprompts: {{world: 12, seed: {seed}}}\n"
        return [p.prompt for p in load_grid(write(tmp_path, text)).prompts]

    assert len(set(drawn(0))) == 12
    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)
    assert all(read_caption(p).unknown == () and read_caption(p).shape for p in drawn(0))


BAD = {
    "field": (HEAD + "leave_one_uot: [v2v]\n", ["line 3", "leave_one_uot", "did you mean 'leave_one_out'?"]),
    "field of an arm": (HEAD + "arms:\n  - name: a\n    sett: {}\n", ["line 5", "arms[0].sett", "'set'"]),
    "field of prompts": ("name: g\nleave_one_out: [v2v]\nprompts:\n  wrld: 3\n", ["line 4", "prompts", "'world'"]),
    "switch": (HEAD + "leave_one_out:\n  - v2v\n  - contolnet\n", ["line 5", "leave_one_out[1]", "'controlnet'"]),
    "switch of an arm": (HEAD + "arms: [{name: a, without: [vf]}]\n", ["line 3", "arms[0].without[0]", "'vfi'"]),
    "setting": (HEAD + "arms: [{name: a, set: {i2v.stpes: 3}}]\n", ["line 3", "i2v.stpes", "'steps'"]),
    "setting's value": (
        HEAD + "base:\n  i2v.steps: none\nleave_one_out: [v2v]\n",
        ["line 4", "base.i2v.steps", "none"],
    ),
    "metric": (HEAD + "leave_one_out: [v2v]\nmetrics: [flicker, clip_scor]\n", ["metrics[1]", "'clip_score'"]),
    "metric of a margin": (HEAD + "leave_one_out: [v2v]\nmargins: {flickr: 0.1}\n", ["margins.flickr", "'flicker'"]),
    "margin": (
        HEAD + "leave_one_out: [v2v]\nmargins: {flicker: -1}\n",
        ["line 4", "margins.flicker", "greater than 0"],
    ),
    "suite": (HEAD + "leave_one_out: [v2v]\nsuite: pokcet\n", ["line 4", "suite", "pocket"]),
    "missing field": ("name: g\nleave_one_out: [v2v]\n", ["g.yaml", "'prompts' is missing"]),
    "repeated field": (HEAD + "name: h\n", ["line 3", "'name' appears twice"]),
    "repeated arm": (
        HEAD + "leave_one_out: [v2v]\narms: [{name: without v2v}]\n",
        ["line 4", "arms[0]", "names must differ"],
    ),
    "arm without effect": (HEAD + "arms: [{name: a, set: {v2v: on}}]\n", ["arms[0]", "like 'full'"]),
    "no arms": (HEAD, ["nothing to compare"]),
    "repeated prompt id": (
        "name: g\nleave_one_out: [v2v]\nprompts:\n  - {id: p02, prompt: a}\n  - b\n",
        ["line 3", "prompts", "share the id 'p02'"],
    ),
    "empty prompt": ("name: g\nleave_one_out: [v2v]\nprompts: [a, '']\n", ["line 3", "prompt 2", "is empty"]),
    "no prompts": ("name: g\nleave_one_out: [v2v]\nprompts: []\n", ["line 3", "holds no prompts"]),
    "prompt of another kind": ("name: g\nleave_one_out: [v2v]\nprompts: [3]\n", ["line 3", "prompts[0]"]),
    "prompt file": ("name: g\nleave_one_out: [v2v]\nprompts: absent.txt\n", ["line 3", "prompts", "no such"]),
    "too many captions": ("name: g\nleave_one_out: [v2v]\nprompts: {world: 9999}\n", ["prompts.world", "2000"]),
    "no seeds": (HEAD + "leave_one_out: [v2v]\nseeds: []\n", ["line 4", "seeds"]),
    "repeated seed": (HEAD + "leave_one_out: [v2v]\nseeds: [1, 1]\n", ["line 4", "seeds[1]", "twice"]),
    "seed": (HEAD + "leave_one_out: [v2v]\nseeds: [-1]\n", ["line 4", "seeds[0]", "-1"]),
    "name": ("name: ../x\nleave_one_out: [v2v]\nprompts: [a]\n", ["line 1", "name"]),
    "syntax": ("name: [g\n", ["line 2", "not YAML"]),
    "no mapping": ("- g\n", ["known fields: name"]),
    "empty file": ("", ["known fields: name"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_grid_names_file_line_field_and_remedy(case: str, tmp_path: Path) -> None:
    text, words = BAD[case]
    with pytest.raises(InputError) as error:
        load_grid(write(tmp_path, text))
    message = str(error.value)
    assert "g.yaml" in message
    assert [w for w in words if w not in message] == [], message


def test_shipped_grids_load_and_leave_out_every_mechanism() -> None:
    grids = {name: load_grid(find_grid(name)) for name in shipped_grids()}
    assert {"demo", "factorial", "mechanisms", "smoke"} <= grids.keys()
    for name, grid in grids.items():
        assert grid.name == name
        assert grid.question.endswith("?")
    for name in ("demo", "mechanisms"):
        assert {a.switch for a in grids[name].arms[1:]} == set(SWITCHES)


def test_a_grid_is_found_by_path_or_by_its_shipped_name(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    assert find_grid(str(path)) == path
    assert find_grid("smoke") == SHIPPED / "smoke.yaml"
    with pytest.raises(InputError, match="did you mean 'mechanisms'"):
        find_grid("mechanism")
    with pytest.raises(InputError, match="no such grid file"):
        find_grid(str(tmp_path / "absent.yaml"))
