"""A store of many evaluation runs, to measure the dashboard on: `python tests/benchmarks/make_store.py OUT`.

By default 1,000 runs of 500 prompts and 12 metrics: 6,000 score lines a run, 6 million in all. Values drift slowly and
step twice, so that history has something to find. Each run has its own noise over common prompts.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

METRICS = {
    "clip_score": ("CLIP score", "cosine", True, 0.31, 0.02),
    "clip_temporal": ("CLIP temporal", "cosine", True, 0.97, 0.01),
    "flicker": ("Absence of flicker", "share", True, 0.97, 0.01),
    "motion_magnitude": ("Motion", "pixels/frame", None, 1.6, 0.3),
    "temporal_lpips": ("Temporal LPIPS", "distance", False, 0.08, 0.02),
    "lpips_reference": ("LPIPS to the reference", "distance", False, 0.3, 0.05),
    "aesthetic": ("Aesthetic score", "of 10", True, 5.1, 0.4),
    "colour_accuracy": ("Colour accuracy", "share", True, 0.9, 0.0),
    "shape_accuracy": ("Shape accuracy", "share", True, 0.8, 0.0),
    "motion_accuracy": ("Motion accuracy", "share", True, 0.7, 0.0),
    "background_accuracy": ("Background accuracy", "share", True, 0.85, 0.0),
    "attribute_accuracy": ("Attribute accuracy", "share", True, 0.6, 0.0),
}
START = datetime(2026, 1, 1, tzinfo=UTC)


def make(out: Path, runs: int = 1000, prompts: int = 500, metrics: int = 12) -> Path:
    names = list(METRICS)[:metrics]
    words = [
        {
            "item": f"v{k:04d}",
            "clip": f"videos/v{k:04d}.mp4",
            "prompt_id": f"p{k}",
            "prompt": f"a teal ring number {k} bouncing on a striped background",
        }
        for k in range(prompts)
    ]
    common = {name: np.random.default_rng([n]).normal(size=prompts) for n, name in enumerate(names)}
    for number in range(runs):
        _run(out / f"run-{number:04d}", number, runs, names, words, common)
    return out


def _run(path: Path, number: int, runs: int, names: list[str], words: list[dict[str, str]], common: dict) -> None:  # type: ignore[type-arg]
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([number, 1])
    about, scores, lines = {}, {}, []
    for place, name in enumerate(names):
        title, unit, better, mean, spread = METRICS[name]
        step = (number > runs // 3) * (place == 0) * -0.006 + (number > runs // 2) * (place == 2) * 0.003
        if name.endswith("accuracy"):
            values = (rng.uniform(size=len(words)) < mean + step).astype(float)
        else:
            values = mean + step + spread * (common[name] + 0.3 * rng.normal(size=len(words)))
        half = 1.96 * float(values.std()) / len(words) ** 0.5
        told = {"title": title, "unit": unit, "higher_is_better": better, "reads": f"How far {title.lower()} goes."}
        about[name] = told | {"protocol": f"{name}|benchmark 1"}
        value = float(values.mean())
        scores[name] = {"value": value, "low": value - half, "high": value + half, "n": len(words), "unscored": 0,
                        "unit": unit, "higher_is_better": better, "protocol": f"{name}|benchmark 1"}  # fmt: skip
        lines += [{"item": w["item"], "prompt_id": w["prompt_id"], "metric": name, "value": round(float(v), 5),
                   "reason": None} for w, v in zip(words, values, strict=True)]  # fmt: skip
    environment = {"python": "3.11", "platform": "Linux", "processor": "2 x some processor", "packages": {},
                   "commit": f"{number:07x}".ljust(40, "0"), "branch": "main" if number % 3 else "feature",
                   "dirty": False, "command": "magicvideo evaluate videos"}  # fmt: skip
    record = {"kind": "evaluation", "created": (START + timedelta(hours=number)).isoformat(timespec="seconds"),
              "folder": "videos", "prompts": "prompts.jsonl", "reference": None, "truth": None, "suite": "benchmark",
              "metrics": about, "items": words, "environment": environment, "status": "complete"}  # fmt: skip
    (path / "run.json").write_text(json.dumps(record))
    (path / "scores.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = {"run": str(path), "metrics": scores, "figures": {}, "unscored": [], "prompts_without_video": []}
    (path / "summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--metrics", type=int, default=12)
    asked = parser.parse_args()
    make(asked.out, asked.runs, asked.prompts, asked.metrics)
