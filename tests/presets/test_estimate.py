"""What a preset costs: closed forms, and every stage counted call by call against the stage itself as it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_weights import configured

from magicvideo import public
from magicvideo.cli import main
from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.estimate import needs as needs_module
from magicvideo.estimate import page
from magicvideo.estimate.calls import calls
from magicvideo.estimate.counting import Count, count
from magicvideo.estimate.gpus import GPUS
from magicvideo.estimate.measure import measure
from magicvideo.estimate.needs import needs, needs_of_stage, wish
from magicvideo.estimate.reckon import Reckoner, arms
from magicvideo.fitting import Choice, Memory, Plan, fit, peak
from magicvideo.pipeline import maker
from magicvideo.stages.public.loaded import loaded

MB = 4 * 10**6


def empty(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


# ---- closed forms


def test_operations_of_products_convolutions_and_attention() -> None:
    assert count(lambda: empty(10, 1000) @ empty(1000, 500)).operations == 2 * 10 * 1000 * 500
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, device="meta")
    assert count(lambda: conv(empty(2, 3, 32, 32))).operations == 2 * (3 * 9) * 8 * 2 * 32 * 32
    attention = torch.nn.functional.scaled_dot_product_attention
    found = count(lambda: attention(empty(2, 8, 64, 40), empty(2, 8, 77, 40), empty(2, 8, 77, 40)))
    assert found.operations == 2 * (2 * 8) * 64 * 77 * (40 + 40)
    assert found.memory == 4 * 2 * 8 * 40 * (64 + 77 + 77 + 64)  # no 64 x 77 weights


def test_memory_is_what_is_alive_at_once() -> None:
    def chain() -> torch.Tensor:
        x = empty(1000, 1000)
        for _ in range(5):
            x = x + 1
        return x

    assert count(chain).memory == 2 * MB
    assert count(lambda: [empty(1000, 1000) for _ in range(5)]).memory == 5 * MB
    assert count(lambda: empty(1000, 1000).T.reshape(-1)[::2].view(-1)).memory == 2 * MB  # reshape copies, views do not
    weight = empty(1000, 1000)
    assert count(lambda: empty(1, 1000) @ weight).memory == 2 * 4 * 1000  # weights were there before


def test_traffic_is_what_each_kernel_reads_and_writes() -> None:
    x = empty(1000, 1000)
    assert count(lambda: x + 1).traffic == 2 * MB
    assert count(lambda: x.T[:10]).traffic == 0


def test_meta_and_real_tensors_count_alike() -> None:
    def run(device: str) -> Count:
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(), torch.nn.Conv2d(8, 3, 3)).to(device)
        return count(lambda: net(torch.rand(2, 3, 16, 16, device=device)))

    assert run("meta").operations == run("cpu").operations


# ---- the calls are those of the stages


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("paper-sd15", "t2i", {}),
    ("paper-sd15", "i2v", {}),
    ("paper-sd15", "i2v", {"controlnet": False, "appearance_encoder": False}),
    ("paper-sd15", "i2v", {"i2v__frames": 5, "i2v__window": 4}),
    ("paper-sd15", "v2v", {}),
    ("paper-sd15", "v2v", {"v2v_reference": False, "v2v__strength": 1.0}),
    ("paper-sd15", "i2v", {"i2v__control_end": 1.0}),
    ("fast", "i2v", {}),
    ("sd15-t2i", "t2i", {}),
    ("svd", "i2v", {}),
]


@pytest.mark.parametrize(("preset", "stage", "settings"), CASES)
def test_a_stage_does_as_much_as_its_calls(preset: str, stage: str, settings: dict[str, Any], here: Path) -> None:
    config = configured(here, preset, **settings)
    rng = np.random.default_rng(0)
    picture = VideoClip(rng.integers(0, 256, (1, 3, 32, 32), np.uint8), 1.0)
    keyframes = VideoClip(rng.integers(0, 256, (config.i2v.frames, 3, 16, 16), np.uint8), 8.0)
    make = maker(config, stage)
    clips = {"t2i": [], "i2v": [picture], "v2v": [picture, keyframes]}[stage]
    really = count(lambda: make("a red star", list(clips), 7))
    reckoner = Reckoner.of(config)
    counted = sum(c.times * reckoner.counted(stage, c)[0].operations for c in calls(config, stage))
    assert counted == really.operations > 0


def test_upscalers_files_and_switches_run_no_networks(here: Path) -> None:
    config = configured(here, "paper-sd15")
    assert calls(config.with_setting("v2v.kind", "realesrgan"), "v2v") == []
    assert calls(config.without("v2v"), "v2v") == []
    assert calls(config.with_setting("t2i.source", "world"), "t2i") == []
    assert calls(config.without("vfi"), "vfi") == []
    assert len(calls(config, "vfi")) == 1


# ---- sums


@pytest.fixture(scope="module")
def tiny(tiny_presets: Path) -> PipelineConfig:
    return configured(tiny_presets, "paper-sd15", compute="bfloat16", vfi="flow", i2v__frames=16)


@pytest.fixture(scope="module")
def reckoner(tiny: PipelineConfig) -> Reckoner:
    return Reckoner.of(tiny)


def test_arms_leave_out_what_they_say(tiny: PipelineConfig, reckoner: Reckoner) -> None:
    found = {name: sum(s.operations for s in reckoner.stages(c).values()) for name, c in arms(tiny).items()}
    full, bare = found["full"], found["without all that come on top"]
    assert "without joint_training" not in found  # the preset has no such switch
    assert full - bare == (full - found["without controlnet"]) + (full - found["without appearance_encoder"])
    assert found["without noise_prior"] == full  # the reference is encoded all the same
    assert found["without v2v"] < found["without v2v_reference"] < full


def test_shared_networks_count_once(tiny: PipelineConfig, reckoner: Reckoner) -> None:
    stages = reckoner.stages(tiny)
    assert stages["i2v"].networks == stages["v2v"].networks
    assert not any(name == "ip-adapter/sd15" for name in stages["i2v"].networks)  # it is inside the video UNet
    plain = stages["i2v"].to_dict()
    assert plain["weight_bytes"] == 2 * sum(stages["i2v"].networks.values())
    assert plain["peak_memory"] == plain["weight_bytes"] + plain["activations"]
    assert plain["floor"]["H100"] == pytest.approx(plain["operations"] / 989e12)
    assert set(plain["floor"]) == {gpu.name for gpu in GPUS}


def test_memory_is_a_straight_line_in_frames_and_is_fitted(tiny: PipelineConfig, reckoner: Reckoner) -> None:
    """What is found at two sizes holds at a third, for every call that frames go through."""
    need = needs_of_stage(reckoner, tiny, "i2v")
    at_once = {"VAE, 8 frames out": ("VAE out", 8), "VAE, 1 frame in": ("VAE in", 1)}
    for call in calls(tiny, "i2v"):
        name, n = at_once.get(call.name, (call.name, 16))
        (work,) = [w for w in need.work if w.name == name]
        assert work.fixed + n * work.each == pytest.approx(reckoner.counted("i2v", call)[0].memory, rel=0.02), name
    asked = Choice("bfloat16", 0, 8)
    assert fit([need], Memory(10**12), wish(tiny)).choice == asked
    assert peak(need, asked)[0] > 2 * sum(need.networks.values())
    with pytest.raises(InputError, match="at the least"):
        fit([need], Memory(1), wish(tiny))


def test_a_run_that_does_not_fit_its_gpu_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(here, "sd15-t2i", device="cuda", v2v=False, vfi="flow")
    assert public._plan(config) is None  # so small that nobody asks
    monkeypatch.setattr(public, "LARGE", 0)
    monkeypatch.setattr(needs_module, "free", lambda device: Memory(1 << 20))
    with pytest.raises(InputError, match=r"needs 0\.\d GB at the least .*0\.0 GB free can be used"):
        public._plan(config)
    monkeypatch.setattr(needs_module, "needs", None)  # what was counted is kept in the user's cache
    monkeypatch.setattr(needs_module, "free", lambda device: Memory(10**12))
    plan = public._plan(config)
    assert plan is not None
    assert plan.choice == Choice("float32", 0, 8)


@pytest.mark.parametrize(("preset", "together"), [("paper-sd15", 2), ("svd", 8)])
def test_the_vae_takes_what_fits_unless_it_makes_another_clip(
    preset: str, together: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(here, preset)
    plan = Plan(Choice("float32", 0, 2), {})
    monkeypatch.setattr(public, "_plan", lambda config: plan)
    assert loaded(config, "i2v", public.used(config))._at_once == 8
    assert loaded(config, "i2v", public.used(config), public.choice(config))._at_once == together


def test_pocket_is_measured_not_reckoned() -> None:
    for refused in (Reckoner.of, needs):
        with pytest.raises(InputError, match="pocket"):
            refused(PipelineConfig())


# ---- measured


def test_every_call_is_timed_where_it_can_compute(here: Path) -> None:
    config = configured(here, "paper-sd15", vfi="flow")
    found = measure(config, runs=1)
    assert list(found) == ["t2i", "i2v", "v2v"]
    for stage, measured in found.items():
        assert [(c.name, c.times) for c in measured.calls] == [(c.name, c.times) for c in calls(config, stage)]
        assert all(c.seconds > 0 for c in measured.calls)
        assert measured.seconds == pytest.approx(sum(c.times * c.seconds for c in measured.calls))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_absent_gpu_is_told_before_anything_is_built() -> None:
    with pytest.raises(InputError, match=r"torch finds none here; --set device=cpu is the same, slowly"):
        measure(PipelineConfig.of("paper-sd15"), runs=1)


def test_the_verb(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cost", "--preset", str(here / "paper-sd15.yaml"), "--random-weights", "--set", "vfi=flow", "--json"]
    assert main([*words, "--measure", "--runs", "1", "--threads", "1"]) == 0
    caught = capsys.readouterr()
    said = json.loads(caught.out)
    assert {"seconds", "peak_memory", "operations", "bytes"} <= set(said["stages"]["i2v"])
    assert all(stage["seconds"] > 0 for stage in said["stages"].values())
    assert list(said["arms"]) == ["full"]
    assert "measured with random weights on cpu" in caught.err
    assert main(["cost", "--measure"]) == 2
    assert main(["cost", "--random-weights"]) == 2
    assert "the preset pocket ships its weights" in capsys.readouterr().err


# ---- the page


def test_the_page_shows_what_was_counted() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.counts()) == text, "run `make cost-table`"
    assert text.count("| whole video |") == len(page.PRESETS)


@pytest.mark.parametrize("preset", ["paper-sd15", "fast"])
def test_the_mechanisms_add_at_most_15_percent(preset: str) -> None:
    committed = page.counts()[preset]
    sums = {name: arm["operations"] for name, arm in committed["arms"].items()}
    assert 0.05 < sums["full"] / sums["without all that come on top"] - 1 <= 0.15
    for stage in ("i2v", "v2v"):
        ours = [(c.name, c.times) for c in calls(PipelineConfig.of(preset), stage)]
        assert [(c["name"], c["times"]) for c in committed["stages"][stage]["calls"]] == ours


def test_the_committed_counts_are_todays() -> None:
    """One call at full size and its true architecture: the ControlNet of V2V."""
    config = PipelineConfig.of("paper-sd15")
    (call,) = [c for c in calls(config, "v2v") if c.name == "ControlNet step"]
    found, networks = Reckoner.of(config).counted("v2v", call)
    committed = page.counts()["paper-sd15"]["stages"]["v2v"]
    (row,) = [c for c in committed["calls"] if c["name"] == call.name]
    assert (row["times"], row["operations"], row["memory"]) == (call.times, found.operations, found.memory)
    assert committed["networks"][next(iter(networks))] == 361_279_120  # ControlNet for Stable Diffusion 1.5
