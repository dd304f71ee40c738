"""The gate on planted regressions: `make gate-trial`. Prints rates of detection and of false alarms; judges nothing.

Runs are real: clips of the pocket world, written as `magicvideo generate` writes them, scored by the suite `pocket`.
Damage is planted into the candidate, at two strengths each. Each simulated comparison draws prompts from the pool and,
prompt by prompt, which of two renderings (other positions, other backgrounds' tints) is the base's.

same noise    the candidate's clips are the base's, damaged: what a fixed seed gives
other noise   the candidate's clips are other renderings of the same prompts, damaged: what new noise gives

Without damage and with other noise, every alarm is a false one. Seconds are processor seconds of rendering, in the
candidate with a fifth (two fifths) more of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from evals.compare import Scored
from evals.stats import wilson
from magicvideo.cli import main as command
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.files import write_json
from magicvideo.world import COLOURS, Scene, caption, render_clip, sample_scene, scene_for
from reports.compare import Compared, compare
from reports.gate import Gate, Margin
from reports.sides import Side, read_side

WORK = 10
"""Renderings that one unit of time takes."""
SLOWER = {"slower, +20 %": 12, "slower, +40 %": 14}
METRICS = (
    "clip_score,clip_temporal,temporal_lpips,aesthetic,flicker,motion_magnitude,shape_accuracy,colour_accuracy,"
    "background_accuracy,motion_accuracy,attribute_accuracy"
)
"""Those of the suite that need no reference."""


def flicker(size: float) -> Callable[[VideoClip], VideoClip]:
    """Every other frame darker by this share."""

    def damage(clip: VideoClip) -> VideoClip:
        frames = clip.frames.astype(np.float32)
        frames[1::2] *= 1 - size
        return VideoClip(np.rint(frames).astype(np.uint8), clip.fps)

    return damage


def blur(sigma: float) -> Callable[[VideoClip], VideoClip]:
    """A Gaussian of so many pixels on every frame."""

    def damage(clip: VideoClip) -> VideoClip:
        frames = gaussian_filter(clip.frames.astype(np.float32), (0, 0, sigma, sigma))
        return VideoClip(np.rint(frames).clip(0, 255).astype(np.uint8), clip.fps)

    return damage


DAMAGES = {
    "flicker, 2 %": flicker(0.02),
    "flicker, 5 %": flicker(0.05),
    "blur, 0.5 pixels": blur(0.5),
    "blur, 1 pixel": blur(1.0),
}
LOST = {"lost colour, 1 in 4": 0.25, "lost colour, 1 in 2": 0.5}
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "flicker": ("flicker", "temporal_lpips"),
    "blur": ("aesthetic", "clip_score", "colour_accuracy", "shape_accuracy", "attribute_accuracy"),
    "lost": ("colour_accuracy", "attribute_accuracy", "clip_score"),
    "slower": ("seconds",),
}


def lost(scene: Scene, rng: np.random.Generator, share: float) -> Scene:
    """With this probability the scene in another colour than its prompt asks for."""
    if rng.random() >= share:
        return scene
    return replace(scene, colour=str(rng.choice([c for c in COLOURS if c != scene.colour])))


def rendering(prompt: str, seed: int, times: int) -> float:
    """Processor seconds of so many renderings."""
    scene, began = scene_for(prompt, seed), time.process_time()
    for _ in range(times):
        render_clip(scene, 4, 32)
    return time.process_time() - began


def slowed(clean: Side, seed: int, times: int) -> Side:
    """The clean run, its times measured again with more work in them."""
    values = {
        name: {item: (prompt, rendering(prompt, seed, times)) for item, (prompt, _) in rows.items()}
        if name.startswith("seconds")
        else rows
        for name, rows in clean.scored.values.items()
    }
    return replace(clean, scored=replace(clean.scored, values=values))


def make(folder: Path, prompts: list[str], seed: int, damage: str, frames: int, size: int) -> Path:
    """Clips of one run, scored; returns the run's folder."""
    rng = np.random.default_rng([seed, len(damage)])
    for n, prompt in enumerate(prompts):
        scene = scene_for(prompt, seed)
        scene = lost(scene, rng, LOST[damage]) if damage in LOST else scene
        clip = render_clip(scene, frames, size)
        clip = DAMAGES[damage](clip) if damage in DAMAGES else clip
        place = folder / "videos" / f"p{n:03d}"
        write_lossless(place / "clip.mkv", clip)
        made = {"stages": {"t2i": {"seconds": rendering(prompt, seed, WORK)}}, "made": {"processor": "this one"}}
        write_json(place / "record.json", {"prompt": prompt, "seed": seed, **made})
    words = ["evaluate", str(folder / "videos"), "--metrics", METRICS, "--out", str(folder / "run"), "--json"]
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        if command(words):
            raise SystemExit("the run could not be scored")
    finally:
        sys.stdout = stdout
    return folder / "run"


def mixed(a: Side, b: Side, chosen: Mapping[str, bool]) -> Side:
    """Prompt by prompt one of two runs: `chosen[prompt id]` says whether it is `a`'s; other prompts are left out."""
    values = {
        metric: {
            item: (prompt, (rows if chosen[prompt] else b.scored.values[metric])[item][1])
            for item, (prompt, _) in rows.items()
            if prompt in chosen and item in b.scored.values.get(metric, {})
        }
        for metric, rows in a.scored.values.items()
    }
    items = {item: prompt for item, prompt in a.items.items() if prompt in chosen}
    scores = {name: score for name, score in a.scored.scores.items() if name in values}
    return replace(a, scored=Scored(a.name, scores, values), items=items)


def trial(pool: Mapping[tuple[str, int], Side], damage: str, same: bool, size: int, sets: int) -> list[Compared]:
    gate = Gate(named={"seconds": (Margin(0.10, "mean"), None, None)})
    everyone = sorted(set(pool["", 0].items.values()))
    found = []
    for n in range(sets):
        rng = np.random.default_rng([n, len(damage), same])
        chosen = {str(p): bool(rng.integers(2)) for p in rng.choice(everyone, min(size, len(everyone)), replace=False)}
        other = chosen if same else {p: not c for p, c in chosen.items()}
        base = mixed(pool["", 0], pool["", 1], chosen)
        candidate = mixed(pool[damage, 0], pool[damage, 1], other)
        found.append(compare(base, candidate, gate))
    return found


def caught(found: Compared, damage: str) -> bool:
    """Whether a metric that should see the damage regressed."""
    seeing = EXPECTED[damage.replace(",", " ").split()[0]]
    return any(f.metric in seeing for f in found.failures)


def shown(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits / n:5.1%} [{low:.1%}, {high:.1%}]"


def build(folder: Path, prompts: int, frames: int, size: int) -> dict[tuple[str, int], Side]:
    """(damage, rendering) -> the scored run."""
    rng = np.random.default_rng(0)
    texts = list(dict.fromkeys(caption(sample_scene(rng, "all")) for _ in range(4 * prompts)))[:prompts]
    pool = {}
    for damage in ("", *DAMAGES, *LOST):
        for seed in (0, 1):
            place = folder / f"{damage or 'clean'} {seed}".replace(",", "").replace("%", "percent")
            run = place / "run"
            run = run if (run / "summary.json").exists() else make(place, texts, seed, damage, frames, size)
            pool[damage, seed] = read_side(run)
    for damage, times in SLOWER.items():
        for seed in (0, 1):
            pool[damage, seed] = slowed(pool["", seed], seed, times)
    return pool


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=60, help="in the pool")
    parser.add_argument("--size", type=int, default=40, help="prompts of a comparison")
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--keep", type=Path, help="keep the scored runs here, and go on with those that are there")
    parser.add_argument("--only", default="", help="damages whose name holds this; `nothing` for false alarms alone")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pool = build(asked.keep or Path(scratch), asked.prompts, asked.frames, asked.pixels)
    n = asked.comparisons
    print(f"{n} comparisons of {asked.size} prompts, drawn from {asked.prompts}; rates with Wilson's 95 % interval")
    for damage in list(pool):
        if damage[0] and damage[1] == 0 and asked.only in damage[0]:
            rates = [trial(pool, damage[0], same, asked.size, n) for same in (True, False)]
            told = [shown(sum(caught(found, damage[0]) for found in rate), n) for rate in rates]
            print(f"  {damage[0]:<22} same noise {told[0]}   other noise {told[1]}", flush=True)
    if asked.only in "nothing":
        quiet = trial(pool, "", False, asked.size, n)
        print(f"  {'nothing':<22} alarms with other noise {shown(sum(not found.passed for found in quiet), n)}")


if __name__ == "__main__":
    main()
