"""Small run folders, built for real: rendered clips in a real store, scores with known differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablations.arms import TITLES
from magicvideo.clip import VideoClip, from_floats, resize
from magicvideo.config import PipelineConfig
from magicvideo.files import write_json, write_jsonl
from magicvideo.runs import Store, content_key
from magicvideo.world import render, sample_scene

METRICS: dict[str, tuple[str, str, bool | None, float, float]] = {
    "clip_score": ("CLIP score", "cosine", True, 0.31, 0.02),
    "flicker": ("Flicker", "levels of 255", False, 2.4, 0.3),
    "motion_magnitude": ("Motion", "pixels/frame", None, 1.6, 0.3),
    "colour_accuracy": ("Colour accuracy", "share", True, 0.9, 0.0),
}
"""name -> title, unit, higher is better, the base's mean, the spread between prompts."""


@dataclass
class Plan:
    """What a synthetic run holds. `shifts[arm][metric]` is added to the base's value of every video."""

    switches: tuple[str, ...] = ("controlnet", "v2v")
    prompts: dict[str, str] = field(default_factory=lambda: {"p0": "a red star", "p1": "a blue ring", "p2": "a cross"})
    seeds: tuple[int, ...] = (0, 1)
    metrics: dict[str, tuple[str, str, bool | None, float, float]] = field(default_factory=lambda: dict(METRICS))
    shifts: dict[str, dict[str, float]] = field(default_factory=dict)
    question: str = "What does each mechanism contribute?"
    extra_arms: tuple[tuple[str, str], ...] = ()
    """(name, title) of further arms, which change `vfi`."""
    unscored: tuple[tuple[str, str, str], ...] = ()
    """(arm, prompt id, metric) without a value."""
    noise: float = 0.2
    """Spread of a paired difference, in units of the metric's own spread."""
    status: str = "complete"
    clips: tuple[int, int, int] = (16, 3, 32)
    """Keyframe size, number of keyframes, size of the other stages."""


def build_run(path: Path, plan: Plan) -> Path:
    """Write the run folder and return its path."""
    base = PipelineConfig()
    arms = [{"name": "full", "switch": None, "title": "the full model", "config": base.model_dump()}]
    for switch in plan.switches:
        config = base.without(switch).model_dump()
        arms.append({"name": f"without {switch}", "switch": switch, "title": TITLES[switch], "config": config})
    for name, title in plan.extra_arms:
        config = base.with_setting("vfi", "linear").model_dump()
        arms.append({"name": name, "switch": "vfi", "title": title, "config": config})
    store = Store(path / "store")
    items = [_item(store, plan, arm, n, seed) for arm in arms for n in range(len(plan.prompts)) for seed in plan.seeds]
    seen: set[str] = set()
    for item in items:
        for made in item["stages"].values():
            made["reused"] = made["key"] in seen
            seen.add(made["key"])
    write_json(path / "run.json", _record(plan, arms))
    write_jsonl(path / "items.jsonl", items)
    write_jsonl(path / "scores.jsonl", _scores(plan, [str(arm["name"]) for arm in arms]))
    return path


def _record(plan: Plan, arms: list[dict[str, Any]]) -> dict[str, Any]:
    about = {
        name: {
            "title": title,
            "unit": unit,
            "higher_is_better": better,
            "reads": f"How far {title.lower()} goes; compare variants, not systems.",
            "protocol": f"{name}-pocket1",
        }
        for name, (title, unit, better, _, _) in plan.metrics.items()
    }
    if "colour_accuracy" in about:
        about["colour_accuracy"]["figures"] = {"accuracy_on_held_out": 0.987}  # type: ignore[assignment]
    return {
        "kind": "ablation",
        "name": "synthetic",
        "question": plan.question,
        "created": "2025-11-22T12:00:00+00:00",
        "grid": {"name": "synthetic"},
        "base": "full",
        "arms": arms,
        "prompts": [{"id": key, "prompt": prompt} for key, prompt in plan.prompts.items()],
        "seeds": list(plan.seeds),
        "suite": "pocket",
        "metrics": about,
        "environment": {
            "python": "3.11.2",
            "platform": "Linux",
            "processor": "2 x some processor",
            "packages": {"magicvideo": "0.1.0", "torch": "2.15"},
            "commit": "0123456789abcdef",
            "dirty": False,
            "command": "magicvideo ablate synthetic",
        },
        "status": plan.status,
    }


def _item(store: Store, plan: Plan, arm: dict[str, Any], n: int, seed: int) -> dict[str, Any]:
    prompt_id, prompt = list(plan.prompts.items())[n]
    start, switch = len(arm["name"]) % 5, arm["switch"]
    clips = _clips(plan, n, seed, switch)
    stages, key = {}, ""
    for (stage, clip), seconds in zip(clips.items(), (0.8, 2.1, 1.4, 0.3), strict=True):
        key = content_key([stage, n, seed, clip.digest, key])
        height, width = clip.size
        stages[stage] = {
            "key": key,
            "digest": store.put_clip(clip),
            "seconds": seconds * (0.05 if stage == "v2v" and switch == "v2v" else 1) + 0.01 * start,
            "frames": len(clip),
            "height": height,
            "width": width,
            "fps": clip.fps,
        }
    last = stages["vfi"]["digest"]
    return {"arm": arm["name"], "prompt_id": prompt_id, "prompt": prompt, "seed": seed, "stages": stages, "clip": last}


def _clips(plan: Plan, n: int, seed: int, switch: str | None) -> dict[str, VideoClip]:
    """The four stages' clips of a rendered scene, spoiled in a way that depends on the switch."""
    rng = np.random.default_rng([n, seed])
    scene = sample_scene(rng)
    small, keys, large = plan.clips
    times = np.linspace(0, 1, keys)
    image = from_floats(render(scene, np.zeros(1), large), 8)
    frames = render(scene, times, small)
    if switch == "noise_prior":
        frames = frames * rng.uniform(0.7, 1.2, (keys, 1, 1, 1))
    if switch == "controlnet":
        frames = frames[:, [2, 0, 1]]
    if switch == "appearance_encoder":
        frames = frames * 0.6 + 0.3
    if switch == "joint_training":
        frames = frames + rng.normal(0, 0.08, frames.shape)
    i2v = from_floats(frames, 8)
    sharp = render(scene, times, large)
    wrong = np.abs(frames - render(scene, times, small)).mean() > 0.01
    v2v = resize(i2v, large, large) if switch == "v2v" or wrong else from_floats(sharp, 8)
    if switch == "v2v_reference":
        v2v = from_floats(sharp**1.5, 8)
    between = [v2v.floats()[:1]]
    for a, b in zip(v2v.floats()[:-1], v2v.floats()[1:], strict=True):
        between.append(np.stack([a * (1 - t) + b * t for t in (1 / 3, 2 / 3, 1)]))
    return {"t2i": image, "i2v": i2v, "v2v": v2v, "vfi": from_floats(np.concatenate(between), 24)}


def _scores(plan: Plan, arms: list[str]) -> list[dict[str, Any]]:
    """One line a score. A metric named `fvd_pocket` is of the whole set; an accuracy is 0 or 1."""
    lines = []
    for place, (name, (_, _, _, mean, spread)) in enumerate(plan.metrics.items()):
        for arm in arms:
            shift = plan.shifts.get(arm, {}).get(name, 0.0)
            if name == "fvd_pocket":
                whole = {"arm": arm, "prompt_id": None, "seed": None, "metric": name, "value": mean + shift}
                lines.append({**whole, "reason": None, "low": mean + shift - 9, "high": mean + shift + 14, "n": 6})
                continue
            for n, prompt_id in enumerate(plan.prompts):
                for seed in plan.seeds:
                    common = np.random.default_rng([place, n, seed]).normal()
                    own = np.random.default_rng([place, n, seed, len(arm), sum(map(ord, arm))]).normal()
                    value = mean + shift + spread * (common + plan.noise * own * (arm != "full"))
                    if name.endswith("accuracy"):
                        value = float(np.random.default_rng([place, n, seed, 9]).uniform() < mean + shift)
                    missing = (arm, prompt_id, name) in plan.unscored
                    lines.append(
                        {
                            "arm": arm,
                            "prompt_id": prompt_id,
                            "seed": seed,
                            "metric": name,
                            "value": None if missing else value,
                            "reason": "the clip has fewer than 2 frames" if missing else None,
                        }
                    )
    return lines


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`make_run(**fields of Plan)` builds a run folder, once for equal fields: copy it before changing it."""
    made: dict[str, Path] = {}

    def make(**fields: Any) -> Path:
        key = repr(sorted(fields.items()))
        if key not in made:
            made[key] = build_run(tmp_path_factory.mktemp("run") / "run", Plan(**fields))
        return made[key]

    return make


@pytest.fixture(scope="session")
def shifted_run(make_run: Callable[..., Path]) -> Path:
    """9 prompts: without the ControlNet the CLIP score is clearly worse, without V2V nothing changes."""
    prompts = {f"p{n}": f"prompt number {n}" for n in range(9)}
    shifts = {"without controlnet": {"clip_score": -0.05, "motion_magnitude": 1.0}}
    return make_run(prompts=prompts, seeds=(0,), shifts=shifts)
