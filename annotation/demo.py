"""A study to try: from the videos of `magicvideo demo`, or from stand-ins that the pocket world's renderer makes.

The stand-ins are no models. All three systems show the same scenes: as the renderer draws them, jerky (each frame is
held three times), and blurred (drawn at a quarter of the size).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from annotation.create import Wish, create
from annotation.design import Settings
from annotation.study import BUNDLE
from magicvideo.clip import VideoClip, resize, write_preview
from magicvideo.files import atomic_path, read_json
from magicvideo.world import Scene, caption, render_clip, sample_scene

PROMPTS, FRAMES, FPS, SIZE = 6, 24, 12.0, 128
HELD, SMALLER = 3, 4
DESIGN = Settings(block=10)


def build(folder: Path, run: Path, say: Callable[[str], None]) -> None:
    """The study in `folder`, unless it is there already."""
    if (folder / BUNDLE).is_file():
        say(f"{folder} is there already: going on with it")
        return
    title = "Which video is better? A study to try"
    if is_ablation(run):
        say(f"taking the videos of {run}")
        wish = Wish((str(run),), title=title, design=DESIGN)
    else:
        say(f"no finished run in {run} (`magicvideo demo` makes one): drawing stand-ins for three systems instead")
        systems, prompts = stand_ins(folder / "stand-ins")
        wish = Wish(systems, prompts, title=title, design=DESIGN)
    create(folder, wish, say)


def is_ablation(run: Path) -> bool:
    path = run / "run.json"
    record = read_json(path) if path.is_file() else {}
    return isinstance(record, dict) and record.get("kind") == "ablation"


def stand_ins(folder: Path) -> tuple[tuple[str, ...], Path]:
    """(NAME=FOLDER of each system, their prompts), as `magicvideo study create` takes them."""
    scenes = [sample_scene(np.random.default_rng(seed)) for seed in range(PROMPTS)]
    systems: dict[str, Callable[[Scene], VideoClip]] = {"exact": exact, "jerky": jerky, "blurred": blurred}
    for name, draw in systems.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k, scene in enumerate(scenes):
            write_preview(folder / name / f"{k}.mp4", draw(scene))
    prompts = folder / "prompts.jsonl"
    lines = [json.dumps({"file": f"{k}.mp4", "prompt": caption(scene)}) for k, scene in enumerate(scenes)]
    with atomic_path(prompts) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tuple(f"{name}={folder / name}" for name in systems), prompts


def exact(scene: Scene) -> VideoClip:
    return render_clip(scene, FRAMES, SIZE, FPS)


def jerky(scene: Scene) -> VideoClip:
    clip = exact(scene)
    return VideoClip(clip.frames[np.arange(FRAMES) // HELD * HELD], FPS)


def blurred(scene: Scene) -> VideoClip:
    return resize(render_clip(scene, FRAMES, SIZE // SMALLER, FPS), SIZE, SIZE)
