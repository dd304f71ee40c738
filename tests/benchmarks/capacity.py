"""Where a large evaluation bends first: parts measured here, then put together by simulation. Prints and judges
nothing.

`python tests/benchmarks/capacity.py [VIDEOS [GPUS [ANNOTATORS]]]`, by default 1,000,000, 64 and 10,000. Measured on
this machine: what the driver takes for an answer, what the store takes for a stage, what travels for a task, how long
listing takes. Simulated: a closed network in which workers compute, write to the store and wait for the driver; and
annotators who watch, vote, and wait for the database. Service times are taken as exponential, which is harsher than
they are.
"""

from __future__ import annotations

import heapq
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scale import items

from ablations.execute import pocket_engine
from ablations.executors.work import Done, Task
from ablations.schedule import Schedule
from magicvideo.clip import VideoClip
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.stage_config import STAGES

SHAPES = {"t2i": (1, 128), "i2v": (8, 64), "v2v": (8, 128), "vfi": (22, 128)}


@dataclass(frozen=True)
class Parts:
    """Seconds of one thing, measured: an answer heard and the next stage found, and a stage's files written."""

    driver: float
    store: float
    task_bytes: int
    record_bytes: int


def measured(folder: Path) -> Parts:
    some = items(20_000)
    began = time.process_time()
    schedule, answers, sizes = Schedule(some, pocket_engine().keys, lambda key: None), 0, list[tuple[int, int]]()
    while batch := schedule.batch(4):
        if answers < 400:
            sizes.append((len(pickle.dumps(batch)), len(pickle.dumps([_done(task) for task in batch]))))
        for task in batch:
            schedule.take(_done(task))
            answers += 1
    driver = (time.process_time() - began) / answers
    given, back = np.mean(sizes, axis=0) / 4
    return Parts(driver, _store(Store(folder)), int(given), int(back))


def _done(task: Task) -> Done:
    frames, size = SHAPES[task.stage]
    return Done(task.key, StageRecord(task.key, task.stage, content_key(task.key), 0.1, frames, size, size, 8.0), True)


def _store(store: Store, n: int = 40) -> float:
    """CPU seconds of lease, clip (a real one, FFV1), record and giving the lease back, the mean of all four stages."""
    rng, clips = np.random.default_rng(0), list[VideoClip]()
    for k in range(n):
        frames, size = SHAPES[STAGES[k % len(STAGES)]]
        clips.append(VideoClip(rng.integers(0, 40, (frames, 3, size, size), np.uint8), 8.0))
    began = time.process_time()
    for k, clip in enumerate(clips):
        key = content_key(k)
        with store.leases.hold(key):
            digest = store.put_clip(clip)
            store.put_stage(StageRecord(key, "vfi", digest, 0.1, len(clip), *clip.size, clip.fps))
    store.leases.close()
    return (time.process_time() - began) / len(clips)


def throughput(workers: int, think: float, stations: Sequence[tuple[float, int]], done: int, seed: int = 0) -> float:
    """Rounds a second of a closed network: each worker thinks, then passes the stations (service seconds, servers)."""
    rng, events, order = random.Random(seed), list[tuple[float, int, int]](), 0
    free = [[0.0] * servers for _, servers in stations]
    for _ in range(workers):
        heapq.heappush(events, (rng.expovariate(1 / think), order, 0))
        order += 1
    now, finished = 0.0, 0
    while finished < done:
        now, _, place = heapq.heappop(events)
        if place == len(stations):
            finished += 1
            order += 1
            heapq.heappush(events, (now + rng.expovariate(1 / think), order, 0))
            continue
        service, _servers = stations[place]
        start = max(now, heapq.heappop(free[place]))
        end = start + rng.expovariate(1 / service)
        heapq.heappush(free[place], end)
        order += 1
        heapq.heappush(events, (end, order, place + 1))
    return finished / now


def generation(parts: Parts, videos: int, gpus: int) -> None:
    """How busy the GPUs stay, by how long a stage takes on one."""
    stages = videos * len(STAGES)
    print(f"\n{videos:,} videos, {stages:,} stages at most, {gpus} GPUs; store with 16 writers at once")
    print(f"{'a stage takes':>14} {'stages/s':>9} {'GPUs busy':>10} {'in all':>10}  driver busy")
    for seconds in (0.01, 0.05, 0.2, 1.0, 10.0, 60.0):
        rate = throughput(gpus, seconds, [(parts.store, 16), (parts.driver, 1)], 30_000)
        days = stages / rate / 86_400
        print(
            f"{seconds:>12.2f} s {rate:>9.1f} {rate * seconds / gpus:>10.1%} {days:>8.2f} d  {rate * parts.driver:.2%}"
        )
    print(f"the driver alone hears {1 / parts.driver:,.0f} answers a second; 16 writers put {16 / parts.store:,.0f}")
    print(
        f"per stage {parts.task_bytes:,} bytes go out and {parts.record_bytes:,} come back: "
        f"{(parts.task_bytes + parts.record_bytes) * stages / 1e9:.1f} GB in all, and no frames"
    )


def annotation(annotators: int, vote: float = 0.004, watch: float = 20.0) -> None:
    """Votes a second when everybody works at once; `vote` is one vote's time in a database that takes one at a time."""
    print(f"\n{annotators:,} annotators, {watch:.0f} s for a pair, {1000 * vote:.0f} ms of a database for a vote")
    print(f"{'databases':>10} {'votes/s':>9} {'wanted':>9} {'wait for a vote':>16}")
    for servers in (1, 2, 4, 8):
        rate = throughput(annotators, watch, [(vote, servers)], 40_000 + annotators)
        wait = annotators / rate - watch  # Little's law
        print(f"{servers:>10} {rate:>9.0f} {annotators / watch:>9.0f} {wait:>14.2f} s")


def main() -> None:
    words = [int(word) for word in sys.argv[1:]]
    videos, gpus, annotators = [*words, *(1_000_000, 64, 10_000)[len(words) :]]
    with tempfile.TemporaryDirectory() as folder:
        parts = measured(Path(folder))
    print(f"driver {1e6 * parts.driver:.0f} us an answer, store {1e3 * parts.store:.1f} ms a stage (CPU time)")
    generation(parts, videos, gpus)
    annotation(annotators)


if __name__ == "__main__":
    main()
