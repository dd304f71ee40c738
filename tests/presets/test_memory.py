"""Keeping within memory: what a plan names is done by the stages, and the clip is what it would have been."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny_weights import configured
from torch import nn

from magicvideo import public
from magicvideo.cli import main
from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.estimate import needs as needs_module
from magicvideo.estimate.calls import Networks
from magicvideo.estimate.counting import count
from magicvideo.estimate.needs import fitted, needs_of_stage
from magicvideo.estimate.reckon import Reckoner
from magicvideo.fitting import SPARE, WORKSPACE, Choice, Memory, StageNeeds, Work, peak
from magicvideo.keys import stage_key
from magicvideo.models.lean import FeedForward
from magicvideo.models.parts import PARTS, feed_forward_in_parts
from magicvideo.pipeline import maker
from magicvideo.stage_config import MemoryConfig
from magicvideo.stages.public import loaded as loading
from magicvideo.stages.public import waiting
from magicvideo.stages.public.loaded import Loaded, loaded

PROMPT = "a red star"
RNG = np.random.default_rng(0)
PICTURE = VideoClip(RNG.integers(0, 256, (1, 3, 32, 32), np.uint8), 1.0)
KEYFRAMES = VideoClip(RNG.integers(0, 256, (3, 3, 16, 16), np.uint8), 8.0)
GIVEN = {"t2i": [], "i2v": [PICTURE], "v2v": [PICTURE, KEYFRAMES]}


@lru_cache
def _needed(told: str, stage: str) -> StageNeeds:
    config = PipelineConfig.model_validate_json(told)
    assert config.public is not None
    return needs_of_stage(Reckoner(Networks(config.public, torch.device("meta"), torch.bfloat16)), config, stage)


def needed(config: PipelineConfig, stage: str) -> StageNeeds:
    """They depend on neither memory's settings nor arithmetic, and are counted once."""
    plain = {"memory": MemoryConfig(), "compute": "float32", "device": "cpu"}
    return _needed(config.model_copy(update=plain).model_dump_json(), stage)


def made(config: PipelineConfig, stage: str) -> VideoClip:
    return maker(config, stage)(PROMPT, list(GIVEN[stage]), 7)


def gap(one: VideoClip, other: VideoClip) -> int:
    """Largest difference of a pixel, in 1/255."""
    return int(np.abs(one.frames.astype(int) - other.frames.astype(int)).max())


# ---- networks that wait


class Watched:
    """What is on the device, by what was moved there and back; a call of any other network fails."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.here = list[nn.Module]()
        self.most, self.ran, self.patch = 0, set[str](), patch
        self.hooks = list[Any]()

    def start(self) -> None:
        bring, network, video = waiting.bring, loading._network, loading._motion_unet
        self.patch.setattr(waiting, "_move", self.move)
        self.patch.setattr(waiting, "bring", lambda device, networks: bring(torch.device("meta"), networks))
        self.patch.setattr(loading, "_network", lambda *given: self.watch(network(*given)))
        self.patch.setattr(loading, "_motion_unet", lambda *given: self.watch(video(*given)))

    def move(self, network: nn.Module, device: torch.device) -> None:
        """`meta` stands for the device; the network stays where it can compute."""
        self.here = [other for other in self.here if other is not network]
        self.here += [network] if device.type == "meta" else []
        self.most = max(self.most, sum(p.numel() for other in self.here for p in other.parameters()))

    def watch(self, network: nn.Module) -> nn.Module:
        def called(*_: Any) -> None:
            self.ran.add(type(network).__name__)
            assert any(other is network for other in self.here), f"{type(network).__name__} ran while it waited"

        inner = [getattr(network, name, network) for name in ("encoder", "decoder")]
        self.hooks += [module.register_forward_pre_hook(called) for module in inner]
        return network


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    watching = Watched(monkeypatch)
    yield watching
    for hook in watching.hooks:
        hook.remove()


@pytest.mark.parametrize(("preset", "stage"), [("paper-sd15", s) for s in GIVEN] + [("svd", "i2v")])
def test_networks_wait_until_they_are_needed(preset: str, stage: str, here: Path, watched: Watched) -> None:
    """Never are more on the device than the plan holds for any work of the stage, and at the end none is."""
    config = configured(here, preset)
    plain = made(config, stage)
    away = config.with_setting("memory.offload", "on")
    need = needed(config, stage)
    watched.start()
    assert made(away, stage) == plain, "the same bytes"
    assert watched.here == []
    planned = [sum(need.networks[name] for name in work.networks) for work in need.work]
    assert watched.most <= max(planned) < sum(need.networks.values())
    assert {"t2i": 4, "i2v": 6, "v2v": 6}[stage] - (3 if preset == "svd" else 0) == len(watched.ran), watched.ran


def test_moving_is_possible_inside_and_outside_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a stage: brought inside inference mode, moved away outside it, used again inside."""
    monkeypatch.setattr(waiting, "_here", [])
    one, other = nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2).requires_grad_(False)
    monkeypatch.setattr(waiting, "_move", lambda network, device: network.to(torch.float64).to(torch.float32))
    with torch.inference_mode():
        waiting.bring(torch.device("cpu"), [one])
        waiting.bring(torch.device("cpu"), [other])
        assert not any(p.is_inference() for p in one.parameters())
        one(torch.ones(1, 2))
    waiting.bring(torch.device("cpu"), [])
    assert waiting._here == []


# ---- parts, tiles, kernels


@pytest.mark.parametrize(("stage", "preset"), [("i2v", "paper-sd15"), ("t2i", "paper-sd15"), ("i2v", "svd")])
def test_feed_forward_in_parts_is_the_same_but_for_rounding(stage: str, preset: str, here: Path) -> None:
    config = configured(here, preset)
    calls, plain = list[int](), FeedForward.forward

    def seen(self: Any, x: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        calls.append(len(x))
        return plain(self, x, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeedForward, "forward", seen)
        whole = made(config, stage)
        before = len(calls)
        parts = made(config.with_setting("memory.feed_forward_parts", "on"), stage)
    assert len(calls) - before > before
    assert sum(calls[before:]) == sum(calls[:before])
    assert gap(whole, parts) <= 1
    assert made(config, stage) == whole, "nothing is left behind"


def test_parts_need_less_memory_and_are_counted() -> None:
    with torch.device("meta"):
        layer = nn.Sequential(FeedForward(64, mult=4, activation_fn="geglu"))

    def run() -> torch.Tensor:
        return layer(torch.empty(4096, 64, device="meta"))

    whole = count(run)
    with feed_forward_in_parts(layer):
        parts = count(run)
    assert parts.operations == whole.operations
    assert parts.memory < whole.memory / 2
    assert count(run) == whole
    uneven = FeedForward(8)
    x = torch.randn(PARTS + 1, 8, 8)
    with feed_forward_in_parts(uneven):
        torch.testing.assert_close(uneven(x), uneven.net[2](uneven.net[0](x)))


@pytest.fixture
def small_tiles(here: Path, tmp_path: Path) -> Path:
    """The tiny presets where Stable Diffusion's VAE was trained at 32 pixels: V2V's 64 take more tiles than one."""
    (tmp_path / "own" / "repositories").mkdir(parents=True)
    for path in here.rglob("*.yaml"):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem == "sd15" and "parts" in data:
            data["parts"]["vae"]["config"]["sample_size"] = 32
        (tmp_path / "own" / path.relative_to(here)).write_text(yaml.safe_dump(data), encoding="utf-8")
    return tmp_path / "own"


def test_tiles(small_tiles: Path) -> None:
    config = configured(small_tiles, "paper-sd15", v2v__size=64)
    tiled = config.with_setting("memory.tile", "true")
    need = needed(config, "v2v")
    shares = {work.name: work.tile for work in need.work if work.kind == "vae"}
    assert all(share is not None and share < 0.8 for share in shares.values()), shares
    for stage in ("i2v", "v2v"):
        keys = [stage_key(c, stage, PROMPT, 7, ("a", "b", "c")) for c in (config, tiled)]
        assert keys[0] != keys[1], "another clip, another key"
    assert made(tiled, "i2v") == made(config, "i2v"), "at its training size there is one tile"
    whole, parts = made(config, "v2v"), made(tiled, "v2v")
    assert whole != parts
    assert np.corrcoef(whole.frames.ravel(), parts.frames.ravel())[0, 1] > 0.8  # random weights see far
    assert made(config, "v2v") == whole, "tiles are left off again"


def test_attention_by_a_named_kernel(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(here, "paper-sd15")
    flash = config.with_setting("memory.attention", "flash")
    assert gap(made(config, "t2i"), made(flash, "t2i")) <= 1
    seen = list[Any]()
    plain = torch.nn.functional.scaled_dot_product_attention

    def watched(*given: Any, **named: Any) -> torch.Tensor:
        seen.append([torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled()])
        return plain(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    made(flash, "i2v")
    assert seen
    assert all(kernels == [False, True] for kernels in seen)
    assert stage_key(config, "t2i", PROMPT, 7, ()) != stage_key(flash, "t2i", PROMPT, 7, ())
    with pytest.raises(InputError, match=r"memory\.attention=cudnn is a GPU's kernel|kernel of GPUs"):
        config.with_setting("memory.attention", "cudnn").check()


def test_frames_for_the_vae_as_asked(here: Path) -> None:
    config = configured(here, "paper-sd15")
    single = config.with_setting("memory.decode_at_once", 1)
    assert gap(made(config, "v2v"), made(single, "v2v")) <= 1
    assert stage_key(config, "v2v", PROMPT, 7, ("a", "b")) != stage_key(single, "v2v", PROMPT, 7, ("a", "b"))
    temporal = configured(here, "svd").with_setting("memory.decode_at_once", 1)
    assert loaded(temporal, "i2v", public.used(temporal))._at_once == 1, "asked for, it makes another clip knowingly"


def test_pocket_has_no_such_settings() -> None:
    for key, value in (("memory.tile", "true"), ("i2v.control_end", "0.5"), ("compute", "float16")):
        with pytest.raises(InputError, match=r"pocket|GPUs"):
            PipelineConfig().with_setting(key, value).check()


# ---- float16


def test_float16_is_refused_on_a_cpu(here: Path) -> None:
    with pytest.raises(InputError, match=r"float16 is arithmetic of GPUs .*take bfloat16 or float32"):
        configured(here, "paper-sd15", compute="float16").check()
    configured(here, "paper-sd15", compute="float16", device="cuda").check()


@pytest.mark.parametrize(("preset", "stage"), [("paper-sd15", "t2i"), ("paper-sd15", "i2v"), ("svd", "i2v")])
def test_float16_keeps_the_vae_in_float32(preset: str, stage: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(here, preset)
    half = config.with_setting("compute", "float16")
    monkeypatch.setattr(PipelineConfig, "check", lambda self: None)
    given = loaded(half, stage, public.used(half))  # type: ignore[arg-type]
    assert given.network("vae").dtype == torch.float32
    assert given.network("unet").dtype == torch.float16
    one, other = (made(c, stage).frames.astype(float) for c in (half, config))
    assert one.std() > 1, "nothing is beyond float16's range"
    if preset != "svd":  # random weights make much of a rounding at sigma 700
        assert 0 < np.abs(one - other).mean() < 4
    need = needed(half, stage)
    assert [name.rpartition("/")[2] for name in need.wide] == ["vae"]
    asked = Choice("float16", decode_at_once=8)
    vae = sum(size for name, size in need.networks.items() if name in need.wide)
    weights = 2 * sum(need.networks.values()) + 2 * vae
    assert peak(replace(need, work=need.work[:1]), asked)[0] == pytest.approx(
        weights + need.work[0].fixed + need.work[0].each * need.work[0].frames
    )


# ---- the plan and the stages


def test_a_plan_names_nothing_that_a_stage_would_not_do(here: Path) -> None:
    """SVD-XT has neither windows nor a decoder whose frames can be fewer: its plan holds what it does."""
    assert {work.kind for work in needed(configured(here, "svd"), "i2v").work} == {"once"}
    windowed = needed(configured(here, "paper-sd15", i2v__frames=20, i2v__window=16), "i2v")
    steps = [w.frames for w in windowed.work if w.kind == "window"]
    assert steps == [16, 16], "a window that was asked for is counted as such"


GB = 10**9
KNOWN = [
    StageNeeds(
        "i2v",
        {"unet": GB, "vae": GB // 10},
        (
            Work("UNet", ("unet",), 0, GB / 8, "window", 32, parts=(0, GB / 16)),
            Work("VAE", ("vae",), 0, GB, "vae", 32, tile=0.25),
        ),
    ),
    StageNeeds(
        "v2v",
        {"unet": GB, "vae": GB // 10},
        (
            Work("UNet", ("unet",), 0, GB, "window", 32, parts=(0, GB / 2)),
            Work("VAE", ("vae",), 0, 12 * GB, "vae", 32, tile=0.25),
        ),
    ),
]
"""V2V in bfloat16: 2.2 GB of weights, 32 GB of denoising, 16 in parts; 12 GB a decoded frame, 3 by tiles."""


@pytest.mark.parametrize(
    ("size", "done", "settings"),
    [
        (100, Choice("bfloat16", 0, 8), {}),
        (35, Choice("bfloat16", 0, 2), {}),
        (19, Choice("bfloat16", 0, 1, parts=True), {}),
        (18.1, Choice("bfloat16", 0, 1, parts=True, offload=True), {}),
        (13, Choice("bfloat16", 0, 1, parts=True), {"v2v.window": "16"}),
        (9, None, {"memory.tile": "true", "v2v.window": "8"}),
        (2, None, None),
    ],
)
def test_what_a_run_does_or_would_have_to(
    size: float, done: Choice | None, settings: dict[str, str] | None, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes the same clip is done; what does not is named in the refusal, and set by --fit."""
    config = configured(here, "paper-sd15", device="cuda", compute="bfloat16", i2v__frames=32)
    memory = Memory(int((size * GB + WORKSPACE) / (1 - SPARE)) + 1, 10**12)
    monkeypatch.setattr(needs_module, "_kept", lambda config: KNOWN)
    monkeypatch.setattr(needs_module, "free", lambda device: memory)
    needs_module._plan.cache_clear()
    if settings is None:
        with pytest.raises(InputError, match=r"at the least.*take a larger device$"):
            needs_module.plan(config)
        with pytest.raises(InputError, match="at the least"):
            fitted(config)
        return
    changed, words = fitted(config)
    assert words == tuple(f"{key}={value}" for key, value in settings.items())
    assert (changed == config) == (settings == {})
    if settings:
        said = " ".join(f"--set {word}" for word in words)
        with pytest.raises(InputError, match=re.escape(f"It fits with {said} (magicvideo generate --fit")):
            needs_module.plan(config)
    else:
        assert needs_module.plan(config).choice == done


def test_a_gpu_holds_the_networks_of_one_preset(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = configured(here, "paper-sd15"), configured(here, "sd15-t2i")
    loaded(one, "t2i", public.used(one)).network("vae")
    held = loading._network.cache_info().currsize
    loaded(other, "t2i", public.used(other))
    assert loading._network.cache_info().currsize == held > 0, "a CPU has room"
    monkeypatch.setattr(loading, "device_of", lambda config: torch.device("cuda"))
    loaded(one, "t2i", public.used(one))
    assert loading._network.cache_info().currsize == 0
    monkeypatch.setattr(loading, "_preset", [one.preset])
    loading._tokenizer.cache_clear()
    given = loaded(other, "t2i", public.used(other))
    assert loading._preset == [other.preset]
    assert loaded(other, "v2v", public.used(other)).device == given.device


def test_fit_on_a_cpu_and_with_pocket(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(here, "paper-sd15")
    assert fitted(config) == (config, ())
    assert main(["generate", PROMPT, "--fit", "--out", str(tmp_path)]) == 2
    assert "--fit is for presets of public weights" in capsys.readouterr().err


def test_stages_compute_as_planned(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(here, "paper-sd15")
    planned = Choice("float32", 0, 1, parts=True, offload=True)
    monkeypatch.setattr(public, "choice", lambda config: planned)
    seen = list[Loaded]()
    monkeypatch.setattr(Loaded, "load", lambda self: seen.append(self))
    maker(config, "i2v")
    assert seen[0].choice == planned
    assert (seen[0]._at_once, seen[0]._home) == (1, torch.device("cpu"))
