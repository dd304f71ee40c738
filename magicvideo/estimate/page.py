"""Writes the tables of docs/cost.md from docs/cost/*.json, or counts those again first.

python -m magicvideo.estimate.page [--count]
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from magicvideo.estimate import table
from magicvideo.files import read_json, write_json, write_text

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"
PRESETS = ("paper-sd15", "fast", "svd")
ROWS = {"stages": table.stage_rows, "calls": table.call_rows, "arms": table.arm_rows}
KEPT = ("preset", "settings", "measured_note", "stages", "arms", "parameters", "weight_bytes")


def filled(page: str, found: dict[str, dict[str, Any]]) -> str:
    """The page with every `<!-- PRESET KIND -->` followed by its table."""

    def put(match: re.Match[str]) -> str:
        rows = list(ROWS[match["kind"]](found[match["preset"]]))
        return f"<!-- {match['preset']} {match['kind']} -->\n\n{table.markdown(rows)}\n"

    return re.sub(r"<!-- (?P<preset>[\w-]+) (?P<kind>\w+) -->\n(?:\n(?:\|.*\n)+)?", put, page)


def counts() -> dict[str, dict[str, Any]]:
    """What is committed, by preset."""
    return {preset: read_json(PAGE.parent / "cost" / f"{preset}.json") for preset in PRESETS}


def _count(preset: str) -> None:
    import json

    call = [sys.executable, "-m", "magicvideo.cli", "cost", "--preset", preset, "--random-weights", "--arms", "--json"]
    said = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    write_json(PAGE.parent / "cost" / f"{preset}.json", {name: said[name] for name in KEPT})


if __name__ == "__main__":
    if "--count" in sys.argv[1:]:
        for name in PRESETS:
            _count(name)
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), counts()))
