"""The world in the place of a model, and known faults in its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.keys import stage_key
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store
from magicvideo.stage_config import Fault
from magicvideo.world import caption, faulty_picture, pose, render_clip, sample_scene, scene_for

PROMPT = "a small ribbed red star bouncing quickly on a striped background"
FAULTS = [kind for kind in get_args(Fault) if kind != "none"]


def configured(**settings: object) -> PipelineConfig:
    config = PipelineConfig()
    for key, value in settings.items():
        config = config.with_setting(key.replace("__", "."), value)
    return config


def keys(config: PipelineConfig) -> list[str]:
    return [stage_key(config, s, PROMPT, 3, ("a", "b", "c")[:n]) for n, s in enumerate(("t2i", "i2v", "v2v", "vfi"))]


# ---- the scene of a prompt


@pytest.mark.parametrize("seed", range(20))
def test_a_caption_names_its_own_scene(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, "all")
    for words in (caption(scene), caption(scene, rng)):
        found = scene_for(words, seed)
        drawn = ("x", "y", "angle", "phase", "orbit", "light", "tones", "pattern")
        assert replace(found, **{name: getattr(scene, name) for name in drawn}) == scene


def test_what_is_not_named_is_drawn_by_prompt_and_seed() -> None:
    assert scene_for(PROMPT, 1) == scene_for(PROMPT, 1) != scene_for(PROMPT, 2)
    free = [scene_for("a dog in the rain", seed) for seed in range(40)]
    for name in ("shape", "colour", "background", "motion"):
        assert len({getattr(scene, name) for scene in free}) > 2
    assert {(scene.size, scene.speed, scene.texture) for scene in free} == {("medium", "normal", "smooth")}
    assert scene_for("a dog", 0).x != scene_for("a cat", 0).x


def test_a_shape_at_rest_has_no_speed() -> None:
    assert scene_for("a red star standing still quickly", 0).speed == "normal"


# ---- oracle stages


def test_world_stages_give_the_exact_scene_and_need_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path / "none"))
    config = configured(t2i__source="world", i2v__source="world", v2v__source="world", vfi="nearest")
    config = config.with_setting("i2v.size", 32).with_setting("v2v.size", 48).with_setting("i2v.frames", 4)
    store = Store(tmp_path / "store")
    clips = [store.clip(r.digest) for r in Pipeline(config, store).run(PROMPT, 3)]
    scene = scene_for(PROMPT, 3)
    assert clips[0] == render_clip(scene, 1, 128, 1.0)
    assert clips[1] == render_clip(scene, 4, 32)
    assert clips[2] == render_clip(scene, 4, 48)
    assert np.array_equal(clips[3].frames[::3], clips[2].frames)


def test_the_keys_of_world_stages_hold_what_matters_and_nothing_else() -> None:
    world = configured(t2i__source="world", i2v__source="world", v2v__source="world")
    same = world.without("controlnet").without("joint_training").with_setting("i2v.steps", 3)
    same = same.with_setting("t2i.guidance", 1).with_setting("v2v.strength", 0.2)
    assert keys(same)[:3] == keys(world)[:3]
    for setting, value, stages in (
        ("t2i.fault", "blur", [True, False, False]),
        ("t2i.size", 64, [True, False, False]),
        ("i2v.frames", 4, [False, True, True]),
        ("i2v.size", 32, [False, True, False]),
        ("v2v.size", 64, [False, False, True]),
    ):
        changed = keys(world.with_setting(setting, value))
        assert [a != b for a, b in zip(changed, keys(world), strict=True)][:3] == stages, setting


def test_without_v2v_the_enlargement_stays() -> None:
    bicubic = PipelineConfig().without("v2v")
    assert keys(bicubic.with_setting("v2v.source", "world")) == keys(bicubic)


# ---- faults


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("seed", range(6))
def test_a_fault_lies_on_or_at_the_shape_and_only_there(kind: Fault, seed: int) -> None:
    scene = sample_scene(np.random.default_rng(seed), "all")
    words = caption(scene)
    clean, faulty = faulty_picture(words, seed, "none", 96), faulty_picture(words, seed, kind, 96)
    changed = np.abs(faulty - clean).max(axis=(0, 1)) > 0.02
    assert changed.sum() > 12
    found = scene_for(words, seed)
    p = pose(found, np.zeros(1))
    rows, columns = np.nonzero(changed)
    away = np.hypot((columns + 0.5) / 96 - p.x[0], (rows + 0.5) / 96 - p.y[0]) / p.radius[0]
    assert away.max() < 2.4
    assert away.min() < 1.05
    assert changed.mean() < 0.3
    assert np.array_equal(faulty, faulty_picture(words, seed, kind, 96)), "the same names, the same bytes"


def test_a_fault_is_placed_by_prompt_and_seed() -> None:
    one, other = (
        np.abs(faulty_picture(PROMPT, s, "extra_part", 64) - faulty_picture(PROMPT, s, "none", 64)) for s in (0, 1)
    )
    assert not np.array_equal(one > 0.02, other > 0.02)


def test_a_fault_in_a_models_picture_is_refused_before_any_work(tmp_path: Path) -> None:
    config = configured(t2i__fault="blur")
    with pytest.raises(InputError, match=r"t2i\.source=world"):
        Pipeline(config, Store(tmp_path)).run(PROMPT, 0)
    assert configured(t2i__fault="blur", t2i__source="world").t2i.fault == "blur"
