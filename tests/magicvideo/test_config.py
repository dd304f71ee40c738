"""Switches and settings: names that are checked, changes that change one thing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.stage_config import STAGES, SWITCHES, Mechanisms, NoisePrior

OFF: dict[str, Any] = {
    "noise_prior": NoisePrior(kind="none"),
    "appearance_encoder": False,
    "controlnet": False,
    "joint_training": False,
    "v2v": False,
    "v2v_reference": False,
    "vfi": "off",
}


def flat(config: PipelineConfig) -> dict[str, Any]:
    """Every field by its dotted name."""
    found = dict[str, Any]()

    def walk(prefix: str, data: dict[str, Any]) -> None:
        for name, value in data.items():
            if isinstance(value, dict):
                walk(f"{prefix}{name}.", value)
            else:
                found[prefix + name] = value

    walk("", config.model_dump())
    return found


def changed(one: PipelineConfig, other: PipelineConfig) -> set[str]:
    a, b = flat(one), flat(other)
    assert a.keys() == b.keys()
    return {name for name in a if a[name] != b[name]}


def test_the_switches_are_the_issue_s() -> None:
    assert set(SWITCHES) == set(OFF)
    assert STAGES == ("t2i", "i2v", "v2v", "vfi")


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_off_changes_what_it_names_and_nothing_else(switch: str) -> None:
    full = PipelineConfig()
    off = full.without(switch)
    expected = f"mechanisms.{switch}" + (".kind" if switch == "noise_prior" else "")
    assert changed(full, off) == {expected}
    assert getattr(off.mechanisms, switch) == OFF[switch]
    assert off.without(switch) == off
    assert full == PipelineConfig()


def test_all_switches_off_in_any_order() -> None:
    one, other = PipelineConfig(), PipelineConfig()
    for switch in SWITCHES:
        one = one.without(switch)
    for switch in reversed(SWITCHES):
        other = other.without(switch)
    assert one == other
    assert one.mechanisms == Mechanisms(**OFF)


@pytest.mark.parametrize(
    ("wrong", "right"), [("contrlnet", "controlnet"), ("vif", "vfi"), ("v2v_refrence", "v2v_reference")]
)
def test_a_misspelt_switch_suggests_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=f"unknown switch '{wrong}': did you mean '{right}'"):
        PipelineConfig().without(wrong)


@pytest.mark.parametrize(
    ("key", "value", "name", "read"),
    [
        ("noise_prior.strength", "2", "mechanisms.noise_prior.strength", 2.0),
        ("mechanisms.noise_prior.kind", "mixed", "mechanisms.noise_prior.kind", "mixed"),
        ("controlnet", "false", "mechanisms.controlnet", False),
        ("v2v", "no", "mechanisms.v2v", False),
        ("v2v.strength", "0.3", "v2v.strength", 0.3),
        ("vfi", "linear", "mechanisms.vfi", "linear"),
        ("vfi.factor", "2", "vfi.factor", 2),
        ("i2v.frames", 32, "i2v.frames", 32),
        ("t2i.guidance", "1", "t2i.guidance", 1.0),
    ],
)
def test_a_setting_changes_one_field(key: str, value: Any, name: str, read: Any) -> None:
    made = PipelineConfig().with_setting(key, value)
    assert changed(PipelineConfig(), made) == {name}
    assert flat(made)[name] == read
    assert type(flat(made)[name]) is type(read)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("noise_priro.strength", "did you mean 'noise_prior'"),
        ("noise_prior.strenght", "did you mean 'strength'"),
        ("i2v.stpes", "did you mean 'steps'"),
        ("contolnet", "did you mean 'controlnet'"),
        ("i2v.steps.more", "unknown setting 'more'"),
        ("", "unknown setting ''"),
        ("mechanisms", "mechanisms"),
    ],
)
def test_a_misspelt_setting_is_answered(key: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        PipelineConfig().with_setting(key, "1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("i2v.steps", "0"),
        ("i2v.steps", "many"),
        ("i2v.frames", "257"),
        ("i2v.frames", "1"),
        ("i2v.size", "65"),
        ("i2v.fps", "0"),
        ("i2v.fps", "nan"),
        ("v2v.strength", "0"),
        ("v2v.strength", "1.1"),
        ("vfi.factor", "0"),
        ("vfi", "magic"),
        ("noise_prior.kind", "pink"),
        ("noise_prior.strength", "-1"),
        ("noise_prior.strength", "inf"),
        ("controlnet", "maybe"),
        ("preset", "large"),
    ],
)
def test_a_value_out_of_range_names_field_and_value(key: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        PipelineConfig().with_setting(key, value)
    assert f"setting {key}={value}" in str(caught.value)
    assert f"(got '{value}')" in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    data = PipelineConfig().model_dump()
    data["i2v"]["steps"] = -1
    data["mechanisms"]["controlnte"] = True
    with pytest.raises(InputError, match=r"grid\.yaml: ") as caught:
        PipelineConfig.parse(data, where="grid.yaml")
    assert "i2v.steps" in str(caught.value)
    assert "mechanisms.controlnte" in str(caught.value)


def test_configurations_are_frozen_and_plain() -> None:
    config = PipelineConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.mechanisms.controlnet = False  # type: ignore[misc]
    assert PipelineConfig.parse(config.model_dump(mode="json")) == config
    assert hash(config) == hash(PipelineConfig())


@settings(max_examples=40)
@given(st.sampled_from(SWITCHES), st.floats(0, 100), st.integers(1, 1000))
def test_switching_and_setting_commute(switch: str, strength: float, steps: int) -> None:
    def settings(config: PipelineConfig) -> PipelineConfig:
        return config.with_setting("noise_prior.strength", strength).with_setting("v2v.steps", steps)

    one, other = settings(PipelineConfig()).without(switch), settings(PipelineConfig().without(switch))
    assert one.mechanisms.noise_prior.kind == other.mechanisms.noise_prior.kind
    if switch != "noise_prior":  # a prior that is off has no strength to keep
        assert one == other
