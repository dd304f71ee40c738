"""What tests of running grids ask of a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from magicvideo.files import read_json, read_jsonl
from magicvideo.runs import Store

ROOT = Path(__file__).parents[2]
DIFFERENT, USES = 36, 48
"""Stages of the tiny grid: different ones, and all uses (see test_plan)."""
MEASURED = ("seconds", "peak_memory", "peak_cuda")


def numbers(run: Path) -> tuple[list[Any], str]:
    """What must not depend on interruptions: items without their measured seconds, and the scores' bytes."""
    items = read_jsonl(run / "items.jsonl")
    for item in items:
        for stage in item["stages"].values():
            [stage.pop(name) for name in MEASURED]
    return items, (run / "scores.jsonl").read_text()


def stage_times(run: Path) -> dict[str, int]:
    """Stage records and when each was written."""
    return {p.name: p.stat().st_mtime_ns for p in (run / "store" / "stages").rglob("*.json") if p.name[0] != "."}


def check_whole(out: Path) -> None:
    """Whatever has a final name is whole: records parse and name a clip that reads back bit-exact."""
    store = Store(out / "store")
    for name in stage_times(out):
        record = store.stage(name.removesuffix(".json"))
        assert record is not None
        assert store.clip(record.digest).digest == record.digest
    for path in out.glob("*.json*"):
        if not path.name.startswith("."):
            [json.loads(line) for line in path.read_text().splitlines()] if path.suffix == ".jsonl" else read_json(path)
