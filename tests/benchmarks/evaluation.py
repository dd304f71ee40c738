"""What an evaluation costs beside what it cannot do without, and its memory: `python tests/benchmarks/evaluation.py`.

Prints ratios taken in one run, so that a busy machine moves both sides. Three parts, by name:
  overhead   the pocket suite on N clips against one decode and one look of each network, in CPU time
  memory     peak resident memory over growing numbers of clips
  scripts    ten metrics of the suite `standard` on checkpoints with random weights, against one script a metric
             that uses `lpips`, `torchmetrics` or `open_clip` and decodes by itself, on the same files
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evals import Item, evaluate
from evals.checkpoints import CHECKPOINTS
from evals.fetch import GIVEN
from evals.suites import POCKET
from magicvideo.clip import read_clip, write_preview
from magicvideo.world import render_clip, sample_scene

MAKERS = str(Path(__file__).parents[1] / "evals" / "backbones")
PROMPT = "a red star bouncing on a striped background"


def cpu() -> float:
    """Seconds of this process and of the children that have ended."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(CPU seconds, wall seconds)"""
    began, clock = cpu(), time.perf_counter()
    work()
    return cpu() - began, time.perf_counter() - clock


def write_clips(folder: Path, count: int, frames: int = 16, size: int = 128) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{n:04d}.mp4" for n in range(count)]
    for path in paths:
        write_preview(path, render_clip(sample_scene(rng), frames=frames, size=size))
    return paths


def overhead(count: int) -> None:
    """The whole suite on files, against reading each once and showing each to each network once."""
    with tempfile.TemporaryDirectory() as name:
        paths = write_clips(Path(name), count)
        items = [Item(path.stem, path, PROMPT, str(n // 2), path) for n, path in enumerate(paths)]
        backbones = POCKET.load()
        evaluate(items[:2], progress=False)

        def least() -> None:
            clips = [read_clip(path) for path in paths]
            for backbone in backbones.values():
                if hasattr(backbone, "observe_pairs"):
                    backbone.observe_pairs([(clip, clip) for clip in clips])
                else:
                    backbone.observe(clips)

        base = timed(least)
        ours = timed(lambda: evaluate(items, progress=False))
        kept = timed(lambda: evaluate(items, progress=False, cache=Path(name) / "cache"))
        again = timed(lambda: evaluate(items, progress=False, cache=Path(name) / "cache"))
    print(f"{count} clips, {len(POCKET.metrics)} metrics, {len(backbones)} networks: CPU seconds (wall)")
    for what, (seconds, wall) in {
        "one decode, one look each": base, "evaluate": ours, "with a cache": kept, "again from the cache": again
    }.items():  # fmt: skip
        print(f"  {what:<28} {seconds:7.2f} ({wall:6.2f})   {seconds / base[0]:.2f}")


def memory(counts: list[int]) -> None:
    """Peak of a process of its own for each number of clips."""
    code = (
        "import resource, sys; from pathlib import Path; from evals import evaluate\n"
        "evaluate(Path(sys.argv[1]), metrics=['flicker'], progress=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            first = Path(name) / "0.npy"
            np.save(first, np.random.default_rng(0).integers(0, 256, (32, 3, 256, 256), np.uint8))
            for n in range(1, count):
                os.link(first, Path(name) / f"{n}.npy")
            done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
        print(f"  {count:>4} clips of 6 MB: {done.stdout.strip()} MiB at most", flush=True)


REFERENCE = """
import sys, json
from pathlib import Path
import av, numpy as np, torch
metric, folder, paths = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
torch.set_grad_enabled(False)
def read(path):
    with av.open(path) as source:
        return np.stack([f.to_ndarray(format="rgb24") for f in source.decode(video=0)])
def tensor(frames):
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
if metric in ("psnr_truth", "ssim_truth"):
    import torchmetrics.functional.image as tm
elif "lpips" in metric or metric == "tlp":
    import os
    os.environ["TORCH_HOME"] = str(folder)
    import lpips
    net = lpips.LPIPS(net="alex", verbose=False)
    def distance(a, b): return net(a * 2 - 1, b * 2 - 1)
else:
    import open_clip
    from PIL import Image
    model = open_clip.load_openai_model(str(folder / "ViT-B-32.pt"), precision="fp32", device="cpu")
    transform = open_clip.image_transform(224, is_train=False)
    def embed(frames):
        x = torch.stack([transform(Image.fromarray(f)) for f in frames])
        return torch.nn.functional.normalize(model.encode_image(x), dim=-1)
def score(path):
    frames = read(path)
    if metric == "lpips_reference":
        x = tensor(frames)
        return distance(x, tensor(read(other(path))[:1]).expand_as(x)).mean()
    if metric == "temporal_lpips":
        x = tensor(frames)
        return distance(x[:-1], x[1:]).mean()
    if metric == "lpips_truth": return distance(tensor(frames), tensor(read(other(path)))).mean()
    if metric == "tlp":
        x, y = tensor(frames), tensor(read(other(path)))
        return (distance(x[:-1], x[1:]) - distance(y[:-1], y[1:])).abs().mean()
    if metric == "psnr_truth":
        return np.mean([float(tm.peak_signal_noise_ratio(a[None], b[None], data_range=1.0))
                        for a, b in zip(tensor(frames), tensor(read(other(path))))])
    if metric == "ssim_truth":
        return tm.structural_similarity_index_measure(tensor(frames), tensor(read(other(path))), data_range=1.0)
    e = embed(frames)
    if metric == "clip_score":
        text = model.encode_text(open_clip.get_tokenizer("ViT-B-32")([PROMPT]))
        return (e @ torch.nn.functional.normalize(text, dim=-1).T).mean()
    if metric == "clip_temporal": return (e[1:] * e[:-1]).sum(-1).mean()
    if metric == "clip_reference": return (e @ embed(read(other(path))[:1])[0]).mean()
    if metric == "background_consistency":
        return ((e[1:] @ e[0]).clamp(min=0) + (e[1:] * e[:-1]).sum(-1).clamp(min=0)).mean() / 2
def other(path):
    n = paths.index(path)
    return paths[n - 1]
PROMPT = PROMPT_
print(json.dumps([float(score(path)) for path in paths]))
"""
NAMES = (
    "clip_score", "clip_temporal", "clip_reference", "background_consistency",
    "lpips_reference", "temporal_lpips", "lpips_truth", "tlp", "psnr_truth", "ssim_truth",
)  # fmt: skip

OURS = """
import sys, json
sys.path.insert(0, MAKERS_)
from pathlib import Path
from random_checkpoints import own_hashes
from evals import Item, evaluate
from evals.checkpoints import CHECKPOINTS
folder, names, paths = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
CHECKPOINTS.update(own_hashes(folder))
others = [Path(paths[n - 1]) for n in range(len(paths))]
items = [Item(p, Path(p), PROMPT_, p, other, truth=other) for p, other in zip(paths, others)]
found = evaluate(items, "standard", names, progress=False)
print(json.dumps({m: [r.value for r in found.rows if r.metric == m] for m in names}))
"""


def checkpoints(folder: Path) -> None:
    """Random weights in the true formats; AlexNet also where `lpips` lets torchvision look for it."""
    sys.path.insert(0, MAKERS)
    from random_checkpoints import make_checkpoints

    make_checkpoints(folder)
    alexnet = CHECKPOINTS["alexnet"].file
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    os.link(folder / alexnet, folder / "hub" / "checkpoints" / alexnet)


def scripts(count: int, size: int) -> None:
    """A script a metric, each a process that loads its network and decodes, against one process of ours."""
    theirs_code = REFERENCE.replace("PROMPT_", repr(PROMPT))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "checkpoints"
        folder.mkdir()
        checkpoints(folder)
        paths = [str(path) for path in write_clips(Path(name), count, size=size)]
        os.environ |= {"MAGICVIDEO_OFFLINE": "1", GIVEN: str(folder), "XDG_CACHE_HOME": name}
        theirs, theirs_wall, found = 0.0, 0.0, dict[str, list[float]]()
        for metric in NAMES:
            call = [sys.executable, "-W", "ignore", "-c", theirs_code, metric, str(folder), *paths]
            seconds, wall = timed(lambda c=call, m=metric: found.update({m: _run(c)}))
            theirs, theirs_wall = theirs + seconds, theirs_wall + wall
            print(f"  script {metric:<22} {seconds:7.2f} CPU s, {wall:7.2f} s", flush=True)
        mine = dict[str, list[float]]()
        ours_code = OURS.replace("PROMPT_", repr(PROMPT)).replace("MAKERS_", repr(MAKERS))
        call = [sys.executable, "-W", "ignore", "-c", ours_code, str(folder), ",".join(NAMES), *paths]
        ours, ours_wall = timed(lambda: mine.update(_run(call)))
    print(f"{count} clips of 16 frames of {size} pixels, {len(NAMES)} metrics of the suite `standard`: ", end="")
    print(f"scripts {theirs:.1f}, evaluate {ours:.1f} CPU s: {theirs / ours:.1f} x; ", end="")
    print(f"by the clock {theirs_wall:.1f} and {ours_wall:.1f} s: {theirs_wall / ours_wall:.1f} x")
    for metric in NAMES:
        apart = max(abs(a - b) for a, b in zip(mine[metric], found[metric], strict=True))
        print(f"  {metric:<22} largest difference between a script's value and ours: {apart:.1e}")


def _run(call: list[str]) -> Any:
    return json.loads(subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["overhead", "memory", "scripts"])
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--size", type=int, default=128, help="pixels a side, of `scripts`")
    asked = parser.parse_args()
    if "overhead" in asked.parts:
        overhead(asked.clips)
    if "memory" in asked.parts:
        memory([50, 200, 800])
    if "scripts" in asked.parts:
        scripts(asked.clips, asked.size)


if __name__ == "__main__":
    main()
