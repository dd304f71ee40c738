"""Runs and studies for stores of every state that the dashboard must bear: broken, being written, hostile names."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from annotation.create import Wish, create
from annotation.design import Settings
from annotation.invitations import invite
from annotation.session import Session, opened
from annotation.terms import Answer, Watched
from magicvideo.clip import VideoClip, write_preview
from magicvideo.files import write_json, write_jsonl

HOSTILE = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 2">',
    "**bold** | [link](javascript:window.hacked=3) `code` $x$ :red[red]",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \U0001f680",
    "w" * 300,
    "=HYPERLINK(1)",
)
METRICS: dict[str, tuple[str, str, bool | None, float, float]] = {
    "clip_score": ("CLIP score", "cosine", True, 0.31, 0.02),
    "flicker": ("Absence of flicker", "share", True, 0.97, 0.01),
    "temporal_lpips": ("Temporal LPIPS", "distance", False, 0.08, 0.02),
    "motion_magnitude": ("Motion", "pixels/frame", None, 1.6, 0.3),
}


def clip(seed: int, frames: int = 12, size: int = 32) -> VideoClip:
    """A bar that moves by one pixel a frame over a ground of its own colour."""
    pictures = np.full((frames, 3, size, size), 60, np.uint8)
    pictures[:, seed % 3] += np.uint8(40 + 10 * (seed % 7))
    for k in range(frames):
        pictures[k, :, :, (seed + k) % size] = 255
    return VideoClip(pictures, 12.0)


def evaluation(
    path: Path,
    *,
    prompts: Mapping[str, str] | None = None,
    shifts: Mapping[str, float] | None = None,
    created: str = "2026-11-01T12:00:00+00:00",
    seed: int = 0,
    whole: bool = True,
    videos: bool = True,
    about: Mapping[str, Any] | None = None,
    protocol: str = "test 1",
) -> Path:
    """A run folder of an evaluation, its videos beside it; `shifts` moves a metric's every value."""
    prompts = prompts or {f"p{n}": f"a teal ring number {n}" for n in range(12)}
    items = []
    for n, (prompt_id, prompt) in enumerate(prompts.items()):
        items.append({"item": f"v{n}", "clip": f"videos/v{n}.mp4", "prompt_id": prompt_id, "prompt": prompt})
        if videos:
            write_preview(path / "videos" / f"v{n}.mp4", clip(n + 5 * seed))
    told, scores, rows = {}, {}, []
    for place, (name, told_of) in enumerate(METRICS.items()):
        title, unit, better, mean, spread = told_of
        told[name] = {"title": title, "unit": unit, "higher_is_better": better, "reads": f"Read {title} so.",
                      "protocol": f"{name}|{protocol}"}  # fmt: skip
        common = np.random.default_rng([place]).normal(size=len(items))
        own = np.random.default_rng([place, seed]).normal(size=len(items))
        values = mean + (shifts or {}).get(name, 0.0) + spread * (common + 0.2 * own)
        rows += [{"item": i["item"], "prompt_id": i["prompt_id"], "metric": name, "value": float(v), "reason": None}
                 for i, v in zip(items, values, strict=True)]  # fmt: skip
        half = 2 * float(values.std()) / len(items) ** 0.5
        value = float(values.mean())
        scores[name] = {"value": value, "low": value - half, "high": value + half, "n": len(items), "unscored": 0,
                        "unit": unit, "higher_is_better": better, "protocol": f"{name}|{protocol}"}  # fmt: skip
    environment = {"python": "3.11", "platform": "Linux", "processor": "2 x a processor", "packages": {"av": "18.1"},
                   "commit": f"{seed:x}".ljust(40, "a"), "branch": "main", "dirty": False,
                   "command": "magicvideo evaluate videos"} | dict(about or {})  # fmt: skip
    record = {"kind": "evaluation", "created": created, "folder": "videos", "prompts": None, "reference": None,
              "truth": None, "suite": "pocket", "metrics": told, "items": items, "environment": environment,
              "status": "complete" if whole else "running"}  # fmt: skip
    write_json(path / "run.json", record)
    write_jsonl(path / "scores.jsonl", rows if whole else rows[:3])
    if whole:
        summary = {"run": str(path), "metrics": scores, "figures": {}, "unscored": [], "prompts_without_video": []}
        write_json(path / "summary.json", summary)
    return path


def study(path: Path, *, systems: tuple[str, ...] = ("ours", "theirs", "third"), prompts: int = 4, people: int = 4,
          words: str = "a red star {}") -> Path:  # fmt: skip
    """A frozen study with votes: the first system is liked most."""
    source = path.parent / f".{path.name}-source"
    for number in range(len(systems)):
        for n in range(prompts):
            write_preview(source / str(number) / f"p{n}.mp4", clip(7 * number + n))
    write_jsonl(source / "prompts.jsonl", [{"file": f"p{n}.mp4", "prompt": words.format(n)} for n in range(prompts)])
    wish = Wish(
        tuple(f"{name}={source / str(number)}" for number, name in enumerate(systems)),
        source / "prompts.jsonl",
        design=Settings(raters=2, block=6, repeats=0.0, golds=0),
    )
    create(path, wish)
    shutil.rmtree(source)
    frozen, votes = opened(path)
    rng = np.random.default_rng(0)
    rank = {name: number for number, name in enumerate(systems)}
    for person in range(people):
        session = Session.open(path, invite(frozen, votes, f"person {person}", "annotator", 30)[1])
        _vote(session, frozen, rank, rng, person)
    return path


def _vote(session: Session, frozen: Any, rank: Mapping[str, int], rng: np.random.Generator, person: int) -> None:
    """One person's votes: the system named first wins more often."""
    owner = {
        frozen.media_name("main", system, key): system
        for system, found in frozen.bundle.videos.items()
        for key in found
    }
    number = 0
    while (task := session.next_task()) is not None:
        ranks = [rank.get(owner.get(side.name, ""), 0) for side in (task.left, task.right)]
        lean = ranks[1] - ranks[0] + rng.logistic()
        choice: Any = "same" if abs(lean) < 0.4 else "left" if lean > 0 else "right"
        answers = {q.id: Answer(choice) for q in session.questions if q.required}
        session.vote(task.id, f"c{person}-{number}", answers, Watched(1.0, 1.0), 5.0)
        number += 1


def broken(path: Path) -> Path:
    """Three folders that are no good: no JSON, a foreign kind, fields of the wrong kind."""
    for name, text in (
        ("cut-short", '{"kind": "evalua'),
        ("foreign", '{"kind": "something else"}'),
        ("odd", '{"kind": "ablation", "arms": 3, "prompts": [], "seeds": [], "metrics": {}}'),
    ):
        (path / name).mkdir(parents=True)
        (path / name / "run.json").write_text(text)
    return path
