"""How fast the parts are on this machine: `make benchmarks`. Prints and judges nothing.

Times are medians of a few runs after one that warms up. What needs weights that are not there is left out by name.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from evals import Item, evaluate, stats
from magicvideo import weights
from magicvideo.clip import read_clip, write_lossless, write_preview
from magicvideo.stages.vfi import interpolate
from magicvideo.world import render, render_clip, sample_scene
from reports.compare import compare
from reports.sides import read_side

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))
from evaluation_run import Evaluation, write_evaluation

RUNS = 3
PROMPT = "a red star bouncing on a striped background"
Result = tuple[str, float, str]
"""What was done, seconds, and what that comes to."""


def median(work: Callable[[], object]) -> float:
    """Seconds of one call: the median of `RUNS`, after one that warms up."""
    work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def command_line() -> Iterator[Result]:
    for words in (["--help"], ["evaluate", "--help"], ["report", "--help"]):
        call = [sys.executable, "-m", "magicvideo.cli", *words]
        yield f"magicvideo {' '.join(words)}", median(lambda c=call: subprocess.run(c, capture_output=True)), ""


def world_and_clips(folder: Path) -> Iterator[Result]:
    scene, times = sample_scene(np.random.default_rng(0)), np.linspace(0, 1, 32)
    for size in (64, 128):
        seconds = median(lambda s=size: render(scene, times, s))
        yield f"render 32 frames of {size}", seconds, f"{32 / seconds:.0f} frames/s"
    clip = render_clip(scene, frames=22, size=128)
    yield "write 22 frames without loss", median(lambda: write_lossless(folder / "a.mkv", clip)), ""
    yield "read them back", median(lambda: read_clip(folder / "a.mkv")), ""
    yield "write their H.264 preview", median(lambda: write_preview(folder / "a.mp4", clip, scale=4)), ""
    keys = render_clip(scene, frames=8, size=128)
    yield "interpolate 8 -> 22 by flow", median(lambda: interpolate(keys, 3, "flow")), ""


def statistics_of_scores() -> Iterator[Result]:
    rng = np.random.default_rng(0)
    base, prompts = rng.normal(size=400), [n // 2 for n in range(400)]
    candidate = base + rng.normal(0.1, size=400)
    yield "interval of 400 values, 200 prompts", median(lambda: stats.interval(base, prompts)), ""
    yield "paired difference of the same", median(lambda: stats.paired(base, candidate, prompts)), ""


def comparing(folder: Path) -> Iterator[Result]:
    rng = np.random.default_rng(0)
    base = {f"m{i}": rng.normal(size=(500, 1)) for i in range(12)}
    for name in ("base", "new"):
        write_evaluation(folder / name, Evaluation({k: v + 0.1 * rng.normal(size=v.shape) for k, v in base.items()}))
    sides = [read_side(folder / name) for name in ("base", "new")]
    yield "read a run, 500 prompts x 12 metrics", median(lambda: read_side(folder / "base")), ""
    yield "compare two of them", median(lambda: compare(*sides)), ""
    call = [sys.executable, "-m", "magicvideo.cli", "compare", str(folder / "base"), str(folder / "new")]
    yield "magicvideo compare, start included", median(lambda: subprocess.run(call, capture_output=True)), ""


def sampling() -> Iterator[Result]:
    from speed import results  # beside this file; imports torch, which the results above do without

    yield from results()


def scoring() -> Iterator[Result]:
    rng = np.random.default_rng(0)
    clips = [render_clip(sample_scene(rng), frames=22, size=128) for _ in range(12)]
    items = [Item(str(n), clip, PROMPT, str(n), clip) for n, clip in enumerate(clips)]
    seconds = median(lambda: evaluate(items, progress=False))
    yield "score 12 clips, whole suite", seconds, f"{seconds / 12:.2f} s a clip"


def main() -> None:
    trained = set(weights.manifest())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        groups: list[tuple[Iterator[Result], set[str]]] = [
            (command_line(), set()),
            (world_and_clips(folder), set()),
            (statistics_of_scores(), set()),
            (comparing(folder), set()),
            (sampling(), {"autoencoder", "generator", "t2i-lora", "verifier", "refiner", "vfi"}),
            (scoring(), {"clip", "reader", "video"}),
        ]
        for results, needed in groups:
            if needed - trained:
                print(f"left out, no weights: {', '.join(sorted(needed - trained))}")
                continue
            for what, seconds, rate in results:
                print(f"{what:<38} {seconds * 1000:10.1f} ms  {rate}", flush=True)


if __name__ == "__main__":
    main()
