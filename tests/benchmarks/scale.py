"""Planner and store index at size: `scale.py [ITEMS [RECORDS [FOLDER]]]`. Prints and judges nothing.

Plans a factorial of 64 arms over as many prompts as make ITEMS videos (by default 100,000): on an empty store, and on
one with RECORDS finished stages (by default all that the plan needs), first from single files, then from the pack.
Records and clips are written by this script: real records, clips as empty files, since planning looks at names alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ablations.arms import Arm
from ablations.execute import pocket_engine
from ablations.plan import Item, plan
from ablations.prompts import Prompt
from ablations.schedule import Schedule
from magicvideo.config import PipelineConfig
from magicvideo.index import Index, pack
from magicvideo.runs import StageRecord, Store, content_key
from magicvideo.stage_config import STAGES

T = TypeVar("T")
SWITCHES = ("noise_prior", "appearance_encoder", "controlnet", "joint_training", "v2v")


def arms() -> list[Arm]:
    """All 64 combinations of six switches, the last one VFI by blending."""
    found = []
    for n in range(64):
        config = PipelineConfig()
        for bit, switch in enumerate(SWITCHES):
            config = config.without(switch) if n >> bit & 1 else config
        config = config.with_setting("vfi", "linear") if n >> 5 & 1 else config
        found.append(Arm(f"arm {n}" if n else "full", None, "", config))
    return found


def items(wanted: int) -> list[Item]:
    all_arms = arms()
    prompts = [Prompt(f"p{n}", f"a red star number {n} bouncing", None) for n in range(-(-wanted // len(all_arms)))]
    return [Item(arm, prompt, 0) for arm in all_arms for prompt in prompts][:wanted]


def timed(what: str, work: Callable[[], T], n: int) -> T:
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what:<58} {wall:7.2f} s wall {cpu:7.2f} s CPU {1e6 * cpu / n:7.1f} us each, peak {peak:,.0f} MiB", flush=True
    )
    return found


def finished(some: list[Item]) -> Iterator[StageRecord]:
    """A record for each different stage of the items, as if all had been computed."""
    keys, seen = pocket_engine().keys, set[str]()
    bound = {item.arm.name: keys(item.arm.config) for item in some}
    for item in some:
        digests = tuple[str, ...]()
        for stage in STAGES:
            key = bound[item.arm.name](stage, item.prompt.prompt, item.seed, digests)
            digests += (content_key(key),)
            if key not in seen:
                seen.add(key)
                yield StageRecord(key, stage, digests[-1], 0.1, 8, 64, 64, 8.0, bytes=50_000, peak_memory=700_000_000)


def others(n: int) -> Iterator[StageRecord]:
    """Records of other grids."""
    for k in range(n):
        yield StageRecord(content_key(["other", k]), "t2i", content_key(["clip", k]), 0.1, 1, 64, 64, 1.0, bytes=9000)


def write(store: Store, records: Iterator[StageRecord]) -> int:
    """As `put_stage`, without the sync; a clip is an empty file."""
    for folder in ("stages", "clips"):
        for n in range(256):
            (store.root / folder / f"{n:02x}").mkdir(parents=True, exist_ok=True)
    root, count = str(store.root), 0
    for record in records:
        key, digest = record.key, record.digest
        handle = os.open(f"{root}/stages/{key[:2]}/{key}.json", os.O_WRONLY | os.O_CREAT)
        os.write(handle, json.dumps(record.__dict__).encode())
        os.close(handle)
        os.close(os.open(f"{root}/clips/{digest[:2]}/{digest}.mkv", os.O_WRONLY | os.O_CREAT))
        count += 1
    return count


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    least = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    keys = pocket_engine().keys
    some = items(wanted)
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as name:
        store = Store(Path(name))
        made = timed(f"plan {wanted:,} items, empty store", lambda: plan(some, store, keys), wanted)
        print(f"  {made.compute:,} different stages for {made.uses:,} uses")
        schedule = timed("schedule of the same", lambda: Schedule(some, keys, Index.of(store).stage), wanted)
        print(f"  {schedule.ready:,} ready at once")
        del made, schedule
        count = timed("(writing the records)", lambda: write(store, finished(some)), 1)
        count += write(store, others(max(0, least - count)))
        print(f"store of {count:,} records")
        timed("list keys and clips", lambda: (store.keys(), store.digests()), count)
        made = timed(f"plan {wanted:,} items, all found, single files", lambda: plan(some, store, keys), wanted)
        assert made.compute == 0
        timed("write the pack", lambda: pack(store), count)
        timed("index with the pack", lambda: Index.of(store), count)
        made = timed(f"plan {wanted:,} items, all found, from the pack", lambda: plan(some, store, keys), wanted)
        assert made.compute == 0
        assert made.seconds == 0


if __name__ == "__main__":
    main()
