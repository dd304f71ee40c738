"""What an evaluation costs beside what it cannot do without, and its memory: `python tests/benchmarks/evaluation.py`.

Prints ratios taken in one run, so that a busy machine moves both sides. Three parts, by name:
  overhead   the pocket suite on N clips against one decode and one look of each network, in CPU time
  memory     peak resident memory over growing numbers of clips
  scripts    ten metrics on AlexNet's LPIPS and an open_clip model with random weights, against one script per
             metric that uses `lpips`, `torchmetrics` and `open_clip` and decodes by itself, on the same weights
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
from evals.suites import POCKET
from magicvideo.clip import read_clip, write_preview
from magicvideo.world import render_clip, sample_scene

PROMPT = "a red star bouncing on a striped background"
CLIP_MODEL = "RN50"
SIDE = 224


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


def networks() -> dict[str, Any]:
    """Random weights, the same in every process."""
    import lpips
    import open_clip
    import torch

    torch.manual_seed(0)
    clip = open_clip.create_model(CLIP_MODEL, pretrained=None).eval().requires_grad_(False)
    torch.manual_seed(1)
    distance = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False).eval().requires_grad_(False)
    return {"clip": clip, "lpips": distance, "tokenizer": open_clip.get_tokenizer(CLIP_MODEL)}


REFERENCE = """
import sys, json
sys.path.insert(0, {here!r})
import av, numpy as np, torch
from evaluation import networks, SIDE, PROMPT
metric, paths = sys.argv[1], sys.argv[2:]
torch.set_grad_enabled(False)
def read(path):
    with av.open(path) as source:
        frames = np.stack([f.to_ndarray(format="rgb24") for f in source.decode(video=0)])
    return torch.from_numpy(frames).permute(0, 3, 1, 2)
if metric in ("psnr", "ssim", "flicker"):
    import torchmetrics.functional.image as tm
else:
    nets = networks()
def embed(x):
    x = torch.nn.functional.interpolate(x.float() / 255, size=SIDE, mode="bicubic", antialias=True, align_corners=False)
    return torch.nn.functional.normalize(nets["clip"].encode_image((x - 0.45) / 0.27), dim=-1)
def score(x):
    f = x.float() / 255
    if metric == "flicker": return 1 - (f[1:] - f[:-1]).abs().mean()
    if metric == "psnr": return tm.peak_signal_noise_ratio(f[1:], f[:-1], data_range=1.0)
    if metric == "ssim": return tm.structural_similarity_index_measure(f[1:], f[:-1], data_range=1.0)
    if metric == "lpips_steps": return nets["lpips"](f[1:] * 2 - 1, f[:-1] * 2 - 1).mean()
    if metric == "lpips_first": return nets["lpips"](f * 2 - 1, (f[:1] * 2 - 1).expand_as(f)).mean()
    if metric == "lpips_worst": return nets["lpips"](f[1:] * 2 - 1, f[:-1] * 2 - 1).max()
    e = embed(x)
    if metric == "clip_score":
        text = nets["clip"].encode_text(nets["tokenizer"]([PROMPT]))
        return (e @ torch.nn.functional.normalize(text, dim=-1).T).mean()
    if metric == "clip_temporal": return (e[1:] * e[:-1]).sum(-1).mean()
    if metric == "clip_first": return (e @ e[0]).mean()
    return (e[1:] * e[:-1]).sum(-1).min()
print(json.dumps([float(score(read(p))) for p in paths]))
"""
NAMES = (
    "clip_score", "clip_temporal", "clip_first", "clip_worst",
    "lpips_steps", "lpips_first", "lpips_worst", "psnr", "ssim", "flicker",
)  # fmt: skip

OURS = """
import sys, json
sys.path.insert(0, {here!r})
from pathlib import Path
from evaluation import our_suite, PROMPT
from evals import evaluate, Item
found = evaluate([Item(p, Path(p), PROMPT, p) for p in sys.argv[1:]], our_suite(), progress=False)
print(json.dumps({{m: [r.value for r in found.rows if r.metric == m] for m in found.scores}}))
"""


def our_suite() -> Any:
    """The same ten metrics as a suite: three networks, each looked through once."""
    import torch
    import torchmetrics.functional.image as tm

    from evals.metric import Metric, Need
    from evals.suite import Suite

    class Clip:
        id, frames = "clip", "per_clip"

        def __init__(self) -> None:
            self.nets = networks()

        @torch.inference_mode()
        def observe(self, clips: Any) -> Any:
            return [{"image": self._embed(torch.tensor(c.frames)).numpy()} for c in clips]

        def _embed(self, x: Any) -> Any:
            x = torch.nn.functional.interpolate(
                x.float() / 255, size=SIDE, mode="bicubic", antialias=True, align_corners=False
            )
            return torch.nn.functional.normalize(self.nets["clip"].encode_image((x - 0.45) / 0.27), dim=-1)

        @torch.inference_mode()
        def text(self, prompts: Any) -> Any:
            tokens = self.nets["tokenizer"](list(prompts))
            return torch.nn.functional.normalize(self.nets["clip"].encode_text(tokens), dim=-1).numpy()

    class Lpips:
        id, frames = "lpips", "per_clip"

        def __init__(self) -> None:
            self.net = networks()["lpips"]

        @torch.inference_mode()
        def observe(self, clips: Any) -> Any:
            return [self._look(torch.tensor(c.frames).float() / 255 * 2 - 1) for c in clips]

        def _look(self, f: Any) -> Any:
            first = self.net(f, f[:1].expand_as(f)).flatten()
            return {"steps": self.net(f[1:], f[:-1]).flatten().numpy(), "first": first.numpy()}

    class Pixels:
        id, frames = "pixels", "per_clip"

        @torch.inference_mode()
        def observe(self, clips: Any) -> Any:
            return [self._look(torch.tensor(c.frames).float() / 255) for c in clips]

        def _look(self, f: Any) -> Any:
            return {
                "change": (f[1:] - f[:-1]).abs().mean()[None].numpy(),
                "psnr": tm.peak_signal_noise_ratio(f[1:], f[:-1], data_range=1.0)[None].numpy(),
                "ssim": tm.structural_similarity_index_measure(f[1:], f[:-1], data_range=1.0)[None].numpy(),
            }

    clip, text, lp, px = Need("clip"), Need("clip", of="prompt"), Need("lpips"), Need("pixels")
    values: dict[str, Any] = {
        "clip_score": ((clip, text), lambda s: (s[clip]["image"] @ s[text]["text"]).mean()),
        "clip_temporal": ((clip,), lambda s: (s[clip]["image"][1:] * s[clip]["image"][:-1]).sum(1).mean()),
        "clip_first": ((clip,), lambda s: (s[clip]["image"] @ s[clip]["image"][0]).mean()),
        "clip_worst": ((clip,), lambda s: (s[clip]["image"][1:] * s[clip]["image"][:-1]).sum(1).min()),
        "lpips_steps": ((lp,), lambda s: s[lp]["steps"].mean()),
        "lpips_first": ((lp,), lambda s: s[lp]["first"].mean()),
        "lpips_worst": ((lp,), lambda s: s[lp]["steps"].max()),
        "psnr": ((px,), lambda s: s[px]["psnr"][0]),
        "ssim": ((px,), lambda s: s[px]["ssim"][0]),
        "flicker": ((px,), lambda s: 1 - s[px]["change"][0]),
    }
    metrics = tuple(
        Metric(name, name, "", None, "", name, needs, lambda s, v=value: float(v(s)))
        for name, (needs, value) in values.items()
    )
    return Suite("benchmark", metrics, {"clip": Clip, "lpips": Lpips, "pixels": Pixels})


def scripts(count: int) -> None:
    """Ten scripts, each a process that loads its network and decodes, against one process of ours."""
    here = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as name:
        paths = [str(path) for path in write_clips(Path(name), count)]
        theirs, found = 0.0, dict[str, list[float]]()
        for metric in NAMES:
            call = [sys.executable, "-W", "ignore", "-c", REFERENCE.format(here=here), metric, *paths]
            seconds, _ = timed(lambda c=call, m=metric: found.update({m: _run(c)}))
            theirs += seconds
            print(f"  script {metric:<14} {seconds:7.2f} CPU s", flush=True)
        ours, mine = 0.0, dict[str, list[float]]()
        call = [sys.executable, "-W", "ignore", "-c", OURS.format(here=here), *paths]
        ours, _ = timed(lambda: mine.update(_run(call)))
    apart = max(abs(a - b) for m in NAMES for a, b in zip(mine[m], found[m], strict=True))
    print(
        f"{count} clips, {len(NAMES)} metrics: scripts {theirs:.1f}, evaluate {ours:.1f} CPU s: {theirs / ours:.1f} x"
    )
    print(f"  largest difference between a script's value and ours: {apart:.1e}")


def _run(call: list[str]) -> Any:
    return json.loads(subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["overhead", "memory", "scripts"])
    parser.add_argument("--clips", type=int, default=64)
    asked = parser.parse_args()
    if "overhead" in asked.parts:
        overhead(asked.clips)
    if "memory" in asked.parts:
        memory([50, 200, 800])
    if "scripts" in asked.parts:
        scripts(asked.clips)


if __name__ == "__main__":
    main()
