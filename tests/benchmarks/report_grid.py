"""How long the page of a 32-arm grid takes and how large it gets: `python tests/benchmarks/report_grid.py`.

32 arms, 24 prompts, 12 metrics; videos of 25 frames at 128 x 128, as the pocket models make them, for the four prompts
that a page shows. Promise: 20 s and 25 MB.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "reports")]

from conftest import Plan, _record, _scores, build_run  # noqa: E402
from make_store import METRICS  # noqa: E402

from magicvideo.files import read_json, write_json, write_jsonl  # noqa: E402
from reports.ablation import write_report  # noqa: E402

ARMS = tuple((f"arm {n}", f"variant number {n} of the grid") for n in range(31))


def build(folder: Path) -> Path:
    metrics = {name: (t, u, b, m, s or 0.0) for name, (t, u, b, m, s) in METRICS.items()}
    shown = {f"p{n}": f"a teal ring number {n}" for n in range(4)}
    every = {f"p{n}": f"a teal ring number {n}" for n in range(24)}
    shifts = {f"arm {n}": {"clip_score": -0.01 * n} for n in range(31)}
    fields = {"switches": (), "extra_arms": ARMS, "metrics": metrics, "shifts": shifts, "seeds": (0,)}
    run = build_run(folder, Plan(prompts=shown, clips=(32, 9, 128), **fields))  # type: ignore[arg-type]
    plan = Plan(prompts=every, **fields)  # type: ignore[arg-type]
    arms = read_json(run / "run.json")["arms"]
    write_json(run / "run.json", _record(plan, arms))
    write_jsonl(run / "scores.jsonl", _scores(plan, [arm["name"] for arm in arms]))
    return run


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run = build(Path(folder) / "run")
        for name in ("previews made", "previews there"):
            begun, spent = time.perf_counter(), time.process_time()
            page = write_report(run)
            seconds, processor = time.perf_counter() - begun, time.process_time() - spent
            size = page.stat().st_size / 1e6
            print(
                f"{name}: {seconds:.1f} s ({processor:.1f} s of processor), {size:.1f} MB, load {os.getloadavg()[0]:.0f}"
            )
