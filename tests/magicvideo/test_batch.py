"""Videos side by side in several processes, with real untrained networks."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from magicvideo.batch import Job, made
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.machine import usable_cores
from magicvideo.runs import StageRecord

PROMPTS = [f"a red star number {n}" for n in range(4)]

pytestmark = pytest.mark.usefixtures("untrained_weights")


def results(records: list[StageRecord]) -> list[tuple[str, str, str]]:
    return [(r.stage, r.key, r.digest) for r in records]


def test_workers_make_what_one_process_makes(tiny: PipelineConfig, tmp_path: Path) -> None:
    shared = dict(made(Job(tiny, tmp_path / "several", seed=3), PROMPTS, workers=2))
    alone = Job(tiny, tmp_path / "one", seed=3)
    threads = max(1, usable_cores() // 2)
    assert {n: results(r) for n, r in shared.items()} == {
        n: results(alone.make(prompt, threads)) for n, prompt in enumerate(PROMPTS)
    }


def test_what_is_asked_reaches_the_workers(tiny: PipelineConfig, tmp_path: Path) -> None:
    found = dict(made(Job(tiny, tmp_path, seed=3, until="t2i"), PROMPTS[:2], workers=2))
    assert [[r.stage for r in found[n]] for n in (0, 1)] == [["t2i"], ["t2i"]]


def test_one_that_cannot_be_made_ends_the_others_with_its_reason(tiny: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="until"):
        list(made(Job(tiny, tmp_path, until="nowhere"), PROMPTS, workers=2))
    assert not multiprocessing.active_children()


def test_a_killed_worker_is_told(tiny: PipelineConfig, tmp_path: Path) -> None:
    videos = made(Job(tiny, tmp_path), [f"{p} {n}" for n in range(10) for p in PROMPTS], workers=2)
    next(videos)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(InputError, match="fewer than --workers 2"):
        list(videos)


def test_workers_that_would_share_a_gpu_are_refused(tiny: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ablate --gpus"):
        next(made(Job(tiny.model_copy(update={"device": "cuda"}), tmp_path), PROMPTS, workers=2))
    with pytest.raises(InputError, match="at least 1"):
        next(made(Job(tiny, tmp_path), PROMPTS, workers=0))


STARTER = """
import sys
from pathlib import Path
from magicvideo.batch import Job, made
from magicvideo.config import PipelineConfig
print("begun", flush=True)
job = Job(PipelineConfig().with_setting("t2i.size", "32"), Path(sys.argv[1]))
for _ in made(job, [f"a red star {n}" for n in range(100)], workers=2):
    print("made", flush=True)
"""


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """And do not run its script again, which has no `if __name__ == "__main__"`."""
    script = tmp_path / "start.py"
    script.write_text(STARTER)
    words = [sys.executable, str(script), str(tmp_path / "store")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert [driver.stdout.readline() for _ in range(2)] == ["begun\n", "made\n"]
        workers = psutil.Process(driver.pid).children()
        assert len(workers) >= 2
        driver.send_signal(signal.SIGKILL)
    _, left = psutil.wait_procs(workers, timeout=20)
    assert all(p.status() == psutil.STATUS_ZOMBIE for p in left), "workers are left behind"
