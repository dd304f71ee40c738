"""Several processes of this machine, each with its share of cores or a GPU of its own.

A worker that dies costs the stage it was at: the stage is given to another worker, alone. Workers are started fresh
(spawned), leave Ctrl-C to the process that started them, and end when that process ends, however it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ablations.executors.work import Answer, Engine, Lost, Task, Worker
from magicvideo.errors import InputError
from magicvideo.shared import StorePlace
from magicvideo.spawning import on_their_own

READY = "ready"
STARTS = 5
"""Workers that may be killed while they start, before that is a fault of the set-up."""
PATIENCE = 5.0
"""Seconds that a worker has to end when asked, before it is killed."""


@dataclass
class _Hand:
    """One worker process, seen from here."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    tasks: list[Task] = field(default_factory=list)
    """Those not answered yet, in the order they are done."""


class Processes:
    """`workers` processes; `devices` gives each a GPU of its own, by the names that CUDA_VISIBLE_DEVICES knows."""

    batch = 4

    def __init__(
        self,
        engine: Engine,
        store: StorePlace,
        workers: int,
        threads: int = 1,
        devices: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.workers = len(devices) or workers
        self._given = pickle.dumps((engine, store))
        self._limits = dict(limits or {})
        self._stillborn = 0
        self._environments = [_environment(threads, devices[n] if devices else None) for n in range(self.workers)]
        self._hands = [self._start(n) for n in range(self.workers)]

    @property
    def free(self) -> int:
        return sum(not hand.tasks for hand in self._hands)

    def submit(self, tasks: Sequence[Task]) -> None:
        hand = next(hand for hand in self._hands if not hand.tasks)
        hand.tasks = list(tasks)
        with suppress(OSError):  # it has just died: `answers` will see that
            hand.pipe.send(list(tasks))

    def answers(self, timeout: float | None) -> list[Answer]:
        if timeout is None and self.free == self.workers:
            return []
        ready = set(wait([x for hand in self._hands for x in (hand.pipe, hand.process.sentinel)], timeout))
        found = list[Answer]()
        for n, hand in enumerate(self._hands):
            if hand.pipe in ready or hand.process.sentinel in ready:
                found += _heard(hand)
            if not hand.process.is_alive():
                found += _heard(hand)  # what it still said before it ended
                found += self._buried(n)
        return found

    def close(self) -> None:
        for hand in self._hands:
            hand.process.terminate()
        for hand in self._hands:
            hand.process.join(PATIENCE)
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            hand.pipe.close()

    @property
    def processes(self) -> list[int]:
        """The workers' process ids."""
        return [hand.process.pid or 0 for hand in self._hands]

    def _start(self, n: int) -> _Hand:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        words = (theirs, self._limits, self._given)
        process = context.Process(target=_work, args=words, daemon=True, name=f"magicvideo worker {n}")
        with _environ(self._environments[n]), on_their_own():
            process.start()
        theirs.close()
        return _Hand(process, ours)

    def _buried(self, n: int) -> Iterator[Answer]:
        """A dead worker's tasks: the first may be why it died, the others only waited. Another takes its place."""
        hand = self._hands[n]
        hand.process.join()
        how = _ending(hand.process.exitcode)
        self._stillborn += not hand.ready
        if not hand.ready and (self._stillborn >= STARTS or (hand.process.exitcode or 0) >= 0):
            raise InputError(f"a worker could not be started: {how}; what it printed stands above")
        hand.pipe.close()
        self._hands[n] = self._start(n)
        for place, task in enumerate(hand.tasks):
            yield Lost(task.key, f"the worker {how}", counts=place == 0)


def _heard(hand: _Hand) -> Iterator[Answer]:
    with suppress(EOFError, OSError):
        while hand.pipe.poll():
            answer = hand.pipe.recv()
            if answer == READY:
                hand.ready = True
                continue
            hand.tasks = [task for task in hand.tasks if task.key != answer.key]
            yield answer


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"


def _environment(threads: int, device: str | None) -> dict[str, str]:
    """What libraries read when they are loaded."""
    found = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return found if device is None else {**found, "CUDA_VISIBLE_DEVICES": device}


@contextmanager
def _environ(wanted: Mapping[str, str]) -> Iterator[None]:
    """Processes started meanwhile have these variables; this one has its own back afterwards."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(pipe: Connection, limits: Mapping[str, int], given: bytes) -> None:
    """A worker's life: tasks in, answers out, until nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # unlike a kill, this lets half-written files go
    _limit(limits)
    engine, place = pickle.loads(given)  # from the process that started this one
    worker = Worker(engine, place.open())
    try:
        pipe.send(READY)
        while True:
            for task in pipe.recv():
                pipe.send(worker.do(task))
    except (EOFError, OSError):
        pass  # whoever gave the tasks is gone
    finally:
        worker.close()


def _limit(limits: Mapping[str, Any]) -> None:
    import resource

    for name, value in limits.items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
