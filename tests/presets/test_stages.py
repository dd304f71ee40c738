"""Every shipped preset end to end from tiny checkpoints, and what each of its switches changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_weights import configured

from magicvideo import presets, public
from magicvideo.clip import VideoClip, write_image
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.keys import stage_key, stage_keys
from magicvideo.models.lean import ControlNetModel
from magicvideo.pipeline import Pipeline
from magicvideo.runs import StageRecord, Store
from magicvideo.stage_config import STAGES, SWITCHES
from magicvideo.stages.public.loaded import loaded

PROMPT = "a red star"
PUBLIC = presets.names()[1:]
CHANGES = {
    "noise_prior": "i2v v2v vfi",
    "appearance_encoder": "i2v v2v vfi",
    "controlnet": "i2v v2v vfi",
    "v2v": "v2v vfi",
    "v2v_reference": "v2v vfi",
    "vfi": "vfi",
}
"""Switch -> the stages whose clips differ without it."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two pictures: the prompt's, and another's."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed, name in enumerate(("A Red Star.png", "a-blue-ring.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (1, 3, 40, 48), dtype=np.uint8)
        write_image(folder / name, VideoClip(pixels, 1.0))
    return folder


def config(here: Path, name: str, pictures: Path, **settings: object) -> PipelineConfig:
    own = {"t2i__folder": str(pictures)} if name == "images" else {}
    return configured(here, name, **own, **settings)


def run(c: PipelineConfig, store: Store, prompt: str = PROMPT, seed: int = 1) -> dict[str, StageRecord]:
    return {r.stage: r for r in Pipeline(c, store).run(prompt, seed)}


def changed(one: dict[str, StageRecord], other: dict[str, StageRecord]) -> str:
    """The stages whose clips differ."""
    return " ".join(s for s in STAGES if one[s].digest != other[s].digest)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_preset_runs_end_to_end_with_every_switch_flipped(
    name: str, here: Path, pictures: Path, store: Store, tmp_path: Path
) -> None:
    c = config(here, name, pictures)
    full = run(c, store)
    assert [(r.frames, r.height) for r in full.values()] == [(1, 32), (3, 16), (3, 32), (7, 32)]
    assert full["vfi"].fps == 3 * c.i2v.fps
    for switch in SWITCHES:
        if c.public is not None and switch in c.public.lacks:
            with pytest.raises(InputError, match=f"has no switch {switch}: "):
                c.without(switch)
            continue
        assert changed(full, run(c.without(switch), store)) == CHANGES[switch], switch
    again = run(c.without("vfi"), Store(tmp_path))
    assert again["v2v"].digest == full["v2v"].digest, "the same call gives the same bytes"


def test_the_table_of_changes_is_complete() -> None:
    assert set(CHANGES) == set(SWITCHES) - set.intersection(*(set(presets.read(n).lacks) for n in PUBLIC))


def test_a_value_that_a_preset_lacks_is_refused_however_it_is_set(here: Path) -> None:
    with pytest.raises(InputError, match="svd has no switch controlnet: SVD-XT has no ControlNet"):
        configured(here, "svd").with_setting("controlnet", "false").check()
    with pytest.raises(InputError, match=r"has no switch noise_prior: .*sigma 700"):
        configured(here, "svd").with_setting("noise_prior.kind", "mixed").check()


@pytest.mark.parametrize("kind", ["mean_shift", "mixed", "frame_init"])
@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++"])
def test_priors_and_samplers_combine(kind: str, scheduler: str, here: Path, pictures: Path, store: Store) -> None:
    c = config(here, "images", pictures, i2v__scheduler=scheduler)
    with_prior = Pipeline(c.with_setting("noise_prior.kind", kind), store).run(PROMPT, 1, until="i2v")
    without = Pipeline(c.without("noise_prior"), store).run(PROMPT, 1, until="i2v")
    assert with_prior[0].digest == without[0].digest
    assert with_prior[1].digest != without[1].digest


def test_a_mechanism_that_is_off_needs_none_of_its_files(
    here: Path, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ControlNet and image encoder are not looked for, nor are they part of a key."""
    weights = tmp_path / "weights"
    for part in configured(here, "images").public.parts.values():  # type: ignore[union-attr]
        if part.name not in ("controlnet-ip2p/controlnet", "ip-adapter/image_encoder"):
            for file in part.part.files:
                path = weights / part.repository / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(here.parent / "weights" / part.repository / file.path)
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(weights))
    c = config(here, "images", pictures)
    with pytest.raises(InputError, match="2 file"):
        run(c, Store(tmp_path / "store"))
    assert list((tmp_path / "store").rglob("*.mkv")) == []
    run(c.without("controlnet").without("appearance_encoder"), Store(tmp_path / "store"))


def test_more_keyframes_than_the_motion_modules_tell_apart(here: Path, pictures: Path, store: Store) -> None:
    c = config(here, "images", pictures, i2v__frames=33)
    with pytest.raises(InputError, match=r"33 frames: .* tell apart 32 .* set i2v.window=16"):
        c.check()
    with pytest.raises(InputError, match="33 frames"):
        Pipeline(c, store).run(PROMPT, 1)
    windowed = c.with_setting("i2v.window", 16).with_setting("i2v.steps", 1)
    assert Pipeline(windowed, store).run(PROMPT, 1, until="i2v")[-1].frames == 33
    with pytest.raises(
        InputError, match=r"26 frames: svd's networks tell apart 25 frames at once; ask for at most 25$"
    ):
        configured(here, "svd", i2v__frames=26).check()


def test_an_own_clip_that_is_too_long_for_v2v(here: Path, pictures: Path, store: Store) -> None:
    clip = VideoClip(np.zeros((33, 3, 16, 16), np.uint8), 8.0)
    with pytest.raises(InputError, match=r"33 frames: .* set v2v.window=16"):
        Pipeline(config(here, "images", pictures), store).run(PROMPT, 1, clip)


def test_decoding_by_single_frames_is_the_same(here: Path, store: Store, tmp_path: Path, pictures: Path) -> None:
    """Stable Diffusion's decoder sees each frame by itself; only rounding of the sums may differ."""
    text = (here / "images.yaml").read_text(encoding="utf-8")
    own = tmp_path / "one.yaml"
    own.write_text(
        text.replace("    negative_prompt:", "    decode_at_once: 1\n    negative_prompt:"), encoding="utf-8"
    )
    (tmp_path / "repositories").symlink_to(here / "repositories")
    whole = Pipeline(config(here, "images", pictures), store).run(PROMPT, 1, until="i2v")[-1]
    single = Pipeline(configured(tmp_path, "one", t2i__folder=str(pictures)), store).run(PROMPT, 1, until="i2v")[-1]
    assert whole.key != single.key
    ours, theirs = (store.clip(r.digest).frames.astype(int) for r in (whole, single))
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize(("end", "steps"), [(None, 3), (1.0, 5), (0.5, 2), (0.1, 1)])
def test_the_controlnet_sees_the_first_steps(
    end: float | None, steps: int, here: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = config(here, "images", pictures, i2v__steps=5, i2v__control_end=end)
    ran = list[int]()
    plain = ControlNetModel.forward

    def seen(self: Any, x: Any, t: Any, **given: Any) -> Any:
        ran.append(int(t))
        return plain(self, x, t, **given)

    monkeypatch.setattr(ControlNetModel, "forward", seen)
    Pipeline(c, Store(tmp_path)).run(PROMPT, 1, until="i2v")
    assert len(ran) == steps
    assert ran == sorted(ran, reverse=True)
    keys = {stage_key(c.with_setting("i2v.control_end", e), "i2v", PROMPT, 1, ("a",)) for e in (0.6, 1.0, end)}
    assert len(keys) == (2 if end in (None, 1.0) else 3), "asking for the preset's own number changes nothing"


def test_what_a_run_needs_is_looked_at_once(
    here: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, plain = list[tuple[str, ...]](), public.ready
    monkeypatch.setattr(public, "ready", lambda c, stages: (asked.append(tuple(stages)), plain(c, stages)))
    c, store = config(here, "images", pictures), Store(tmp_path)
    run(c, store)
    assert asked == [STAGES]
    run(c, store)
    assert asked == [STAGES], "nor at all where everything is found"
    run(c.without("v2v"), store)
    assert asked == [STAGES, ("v2v", "vfi")]


def test_bfloat16_is_near_float32_and_another_result(here: Path, store: Store) -> None:
    c = configured(here, "sd15-t2i", t2i__guidance=1)
    (one,) = Pipeline(c, store).run(PROMPT, 1, until="t2i")
    (other,) = Pipeline(c.with_setting("compute", "bfloat16"), store).run(PROMPT, 1, until="t2i")
    assert one.key != other.key
    gap = store.clip(one.digest).frames.astype(float) - store.clip(other.digest).frames.astype(float)
    assert 0 < np.abs(gap).mean() < 8


def test_prompt_and_seed_change_what_is_made(here: Path, store: Store) -> None:
    c = configured(here, "paper-sd15")
    base, words, seed = run(c, store), run(c, store, "a blue ring"), run(c, store, seed=2)
    assert changed(base, words) == changed(base, seed) == " ".join(STAGES)


def test_keys_of_many_prompts_are_those_of_one(here: Path, pictures: Path) -> None:
    for name in ("paper-sd15", "images"):
        c = config(here, name, pictures)
        key = stage_keys(c)
        for prompt in (PROMPT, "a blue ring"):
            assert all(
                key(s, prompt, 3, ("a", "b", "c")) == stage_key(c, s, prompt, 3, ("a", "b", "c")) for s in STAGES
            )


def test_pictures_from_files_serve_the_pocket_preset_too(pictures: Path, tmp_path: Path) -> None:
    c = PipelineConfig().with_setting("t2i.source", "files").with_setting("t2i.folder", str(pictures))
    first, other = (Pipeline(c, Store(tmp_path)).run(p, 1, until="t2i")[0] for p in (PROMPT, "a blue ring"))
    assert (first.height, first.width) == (c.t2i.size, c.t2i.size)
    assert first.digest != other.digest
    with pytest.raises(InputError, match=r"no picture for 'a green cross': name it a-green-cross.png"):
        Pipeline(c, Store(tmp_path)).run("a green cross", 1)
    with pytest.raises(InputError, match=r"needs t2i\.folder"):
        PipelineConfig().with_setting("t2i.source", "files").check()


def test_pocket_has_neither_sampler_nor_device_to_choose() -> None:
    with pytest.raises(InputError, match="pocket runs on the CPU alone"):
        PipelineConfig().with_setting("device", "cuda").check()
    with pytest.raises(InputError, match=r"i2v\.scheduler: the preset pocket has one sampler"):
        PipelineConfig().with_setting("i2v.scheduler", "euler").check()


def test_a_gpu_that_is_not_there_is_missed_before_work(here: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="computes on a CUDA GPU, and torch finds none"):
        Pipeline(configured(here, "svd", device="cuda"), Store(tmp_path)).run(PROMPT, 1)
    assert not list(tmp_path.rglob("*.mkv"))


def test_tokens_are_those_of_transformers_own_reading(here: Path) -> None:
    """Begun, merged as the file says, ended, padded with each encoder's own word, and cut."""
    from transformers import CLIPTokenizer

    c = configured(here, "paper-sd15")
    assert c.public is not None
    given = loaded(c, "t2i", c.public.parts_of("t2i"))
    texts = ["a red star", "RED  ##!", "x" * 40]
    for role, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        folder = given.files[c.public.part("t2i", role).name][0].parent
        theirs = CLIPTokenizer.from_pretrained(folder, pad_token=pad)
        asked = {"padding": "max_length", "max_length": 12, "truncation": True, "return_tensors": "pt"}
        assert torch.equal(given.tokens(role, texts), theirs(texts, **asked).input_ids)
