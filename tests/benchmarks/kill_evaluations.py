"""Evaluations killed at random moments: none may lose or spoil what was finished. Exits with 1 if one does.

Each round adds clips to the folder and kills (SIGKILL) the command, or one of the processes below it, after a random
time; every feature that was there before must be there afterwards, unchanged and whole. At the end the command runs
through and must say what an undisturbed evaluation says.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from evals import evaluate
from magicvideo.clip import VideoClip, write_lossless

METRICS = ["flicker", "motion_magnitude"]


def finished(cache: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in cache.rglob("*.npz") if not path.name.startswith(".")}


def whole(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return all(np.isfinite(stored[name]).all() for name in stored.files)
    except Exception:
        return False


def kill_one(run: subprocess.Popen[bytes], rng: np.random.Generator) -> str:
    """The command itself, or with equal chance one of the processes that it started."""
    children = psutil.Process(run.pid).children(recursive=True)
    if children and rng.random() < 0.5:
        chosen = children[int(rng.integers(len(children)))]
        os.kill(chosen.pid, signal.SIGKILL)
        return "a child"
    run.kill()
    return "the command"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clips", type=int, default=40, help="clips that join the folder before each kill")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--longest", type=float, default=1.0, help="seconds until a kill")
    asked = parser.parse_args()
    rng, problems = np.random.default_rng(0), list[str]()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "videos", Path(name) / "run"
        folder.mkdir()
        words = ["evaluate", str(folder), "--metrics", ",".join(METRICS), "--out", str(out), "--json"]
        call = [sys.executable, "-m", "magicvideo.cli", *words, "--workers", str(asked.workers)]
        for n in range(asked.kills):
            for clip in range(asked.clips):
                frames = rng.integers(0, 256, (16, 3, 96, 128), np.uint8)
                write_lossless(folder / f"{n}-{clip}.mkv", VideoClip(frames, 8.0))
            before = finished(out)
            run = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while n % 4 and run.poll() is None and len(finished(out)) <= len(before):
                time.sleep(0.02)  # three of four kills come when work is going on
            time.sleep(float(rng.uniform(0, asked.longest)))
            what = kill_one(run, rng) if run.poll() is None else "nothing, it was through"
            if what == "the command":
                run.wait()
            elif run.wait(timeout=600) != 0:
                problems.append(f"kill {n} of {what}: the command ended with {run.returncode}")
            time.sleep(0.5)
            after = finished(out)
            problems += [f"kill {n}: {path} is lost or changed" for path in before if after.get(path) != before[path]]
            problems += [f"kill {n}: {path} is half written" for path in after if not whole(path)]
            print(f"kill {n + 1}: {what}; {len(after)} features kept", flush=True)
        done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        fresh = evaluate(folder, metrics=METRICS, progress=False)
        if json.loads(done.stdout)["metrics"] != {m: score.to_dict() for m, score in fresh.scores.items()}:
            problems.append("the continued run says something else than an undisturbed one")
    print("\n".join(problems) or "nothing lost")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
