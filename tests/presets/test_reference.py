"""Our loops give what diffusers' ready pipelines give, to a rounded pixel (tests/presets/reference.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_stages_agree_with_ready_pipelines(here: Path) -> None:
    folder = Path(__file__).parent
    call = [sys.executable, str(folder / "reference.py"), str(here)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 10
    assert all(gap < 0.51 for gap in found.values()), found
