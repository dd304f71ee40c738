"""The videos of several prompts: one after another in this process, or side by side in several.

Two processes of one thread make two videos sooner than one process of two threads makes them one after the other:
small networks keep one core busy, and two only in part. Sums come out in another order with another number of threads,
so the videos differ in their last bits.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.machine import usable_cores
from magicvideo.pipeline import Pipeline
from magicvideo.runs import StageRecord, Store
from magicvideo.spawning import on_their_own


@dataclass(frozen=True)
class Job:
    """What is the same for all videos, as `Pipeline.run` takes it."""

    config: PipelineConfig
    store: Path
    seed: int = 0
    start: VideoClip | None = None
    until: str = "vfi"

    def make(self, prompt: str, threads: int | None = None) -> list[StageRecord]:
        return Pipeline(self.config, Store(self.store), threads).run(prompt, self.seed, self.start, self.until)


def made(job: Job, prompts: Sequence[str], workers: int = 1) -> Iterator[tuple[int, list[StageRecord]]]:
    """(place in `prompts`, records) of each video as it is finished; with several workers in any order.

    The first video that cannot be made ends the others: those not begun are left, and its error is raised. Raises
    `InputError` for workers that share a GPU, and for a worker that is killed.
    """
    if workers < 1:
        raise InputError(f"--workers {workers}: needs at least 1")
    if workers > 1 and job.config.device != "cpu":
        raise InputError(f"--workers {workers}: all would share one GPU; `magicvideo ablate --gpus` takes several")
    workers = min(workers, len(prompts))
    if workers < 2:
        yield from ((n, job.make(prompt)) for n, prompt in enumerate(prompts))
        return
    threads = max(1, usable_cores() // workers)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (threads,))
    try:
        with on_their_own():
            asked: dict[Future[list[StageRecord]], int] = {
                pool.submit(job.make, prompt, threads): n for n, prompt in enumerate(prompts)
            }
        for future in as_completed(asked):
            yield asked[future], future.result()
    except BrokenProcessPool:
        raise InputError(
            f"a worker was killed (out of memory?): finished videos are kept; go on with fewer than --workers {workers}"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """A worker leaves Ctrl-C to the process that started it, and ends when that ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
