"""Shares an evaluation among processes: small lists of items out, what was seen of them back.

Each worker has its own networks and its own decoder, and all share the cache of features. A worker that dies costs
nothing that was finished: its items are tried again, each alone, and an item that takes a worker with it even then is
unscored with that reason. Workers end with the process that started them.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeAlias

from tqdm import tqdm

from evals.decode import Decoder
from evals.features import FeatureCache
from evals.measure import CHUNK_CLIPS, Entry, Item, Measured, chunks, measured_parts, nothing
from evals.observe import Observer
from evals.sources import Sources
from evals.states import Rows, Unscored
from evals.suite import Suite
from evals.suites import SUITES, find
from magicvideo.errors import InputError
from magicvideo.machine import usable_cores

OUTSTANDING = 2
"""Tasks a worker holds: one it looks at, one it decodes meanwhile."""
TASKS_A_WORKER = 4
"""At least so many, so that all end at about the same time."""
Named: TypeAlias = tuple[str, tuple[str, ...]]
"""A suite that every process knows, and its metrics' names."""


def measure_shared(
    items: Sequence[Item],
    suite: Suite,
    cache: Path | None,
    workers: int,
    progress: bool = False,
    threads: int | None = None,
) -> Measured:
    """As `measure`, by so many processes, of `threads` each (None: the cores, shared, unless OMP_NUM_THREADS says).

    Raises `InputError` for a suite that no other process can be handed.
    """
    size = max(1, min(CHUNK_CLIPS, math.ceil(len(items) / (workers * TASKS_A_WORKER))))
    tasks = deque(_Task(list(items[i : i + size])) for i in range(0, len(items), size))
    job = _Job(_portable(suite), cache, str(threads) if threads else _share(workers))
    pool = [_Worker(job) for _ in range(min(workers, len(tasks)))]
    parts = [nothing(suite)]
    with tqdm(total=len(items), desc="scoring", unit="clip", disable=not progress) as bar:
        try:
            while tasks or any(worker.tasks for worker in pool):
                for part, count in _round(pool, tasks, suite):
                    parts.append(part)
                    bar.update(count)
        finally:
            for worker in pool:
                worker.stop()
    return parts[0].merge(*parts[1:])


@dataclass
class _Task:
    """Items to measure. `alone`: one item that was in a worker's hands when it died, given to a worker without any."""

    items: list[Item]
    alone: bool = False


@dataclass(frozen=True)
class _Job:
    suite: Suite | Named
    cache: Path | None
    threads: str


def _share(workers: int) -> str:
    return os.environ.get("OMP_NUM_THREADS", str(max(1, usable_cores() // workers)))


@dataclass
class _Worker:
    """A process, the line to it, and the tasks it has not answered. Started at its first task."""

    job: _Job
    tasks: list[_Task] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    line: Connection[Any, Any] | None = None

    def takes(self, task: _Task) -> bool:
        if task.alone or any(t.alone for t in self.tasks):
            return not self.tasks
        return len(self.tasks) < OUTSTANDING

    def give(self, task: _Task) -> None:
        """A line that is broken shows when it is listened to."""
        self.tasks.append(task)
        if self.process is None:
            self._start()
        assert self.line is not None
        with suppress(BrokenPipeError, ConnectionError):
            self.line.send(task.items)

    def _start(self) -> None:
        self.line, theirs = Pipe()
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "OMP_NUM_THREADS": self.job.threads,
        }
        code = f"from evals.workers import serve; serve({theirs.fileno()})"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.DEVNULL,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C goes to the parent alone, which stops the workers
        )
        theirs.close()
        with suppress(BrokenPipeError, ConnectionError):
            self.line.send(self.job)

    def done(self, names: Sequence[str]) -> None:
        """These items are answered."""
        for task in self.tasks:
            task.items = [item for item in task.items if item.name not in names]
        self.tasks = [task for task in self.tasks if task.items]

    def stop(self) -> int:
        """Ends the process at once; its exit code. What it has not answered stays in `tasks`."""
        process, line = self.process, self.line
        self.process = self.line = None
        if process is None or line is None:
            return 0
        line.close()
        process.kill()
        return process.wait()


def _round(pool: list[_Worker], tasks: deque[_Task], suite: Suite) -> Iterator[tuple[Measured, int]]:
    """Hands out what fits, and waits for the next answers: (what was seen, of how many items)."""
    for worker in pool:
        while tasks and worker.takes(tasks[0]):
            worker.give(tasks.popleft())
    waiting = [(worker, worker.line) for worker in pool if worker.tasks and worker.line is not None]
    ready = wait([line for _, line in waiting])
    for worker, line in waiting:
        if line not in ready:
            continue
        try:
            kind, names, content = line.recv()
        except (EOFError, OSError):
            yield from _bury(worker, tasks, suite)
            continue
        if kind == "refused":
            raise InputError(content)
        if kind == "failed":
            raise RuntimeError(f"a worker failed\n{content}")
        worker.done(names)
        yield content, len(names)


def _bury(worker: _Worker, tasks: deque[_Task], suite: Suite) -> Iterator[tuple[Measured, int]]:
    """A dead worker's items go back to be tried alone; one that was alone already has its reason."""
    with suppress(subprocess.TimeoutExpired):
        if worker.process is not None:
            worker.process.wait(timeout=5)
    code = worker.stop()
    left, worker.tasks = worker.tasks, []
    for task in left:
        if not task.alone:
            tasks.extendleft(_Task([item], alone=True) for item in reversed(task.items))
            continue
        (item,) = task.items
        why = Unscored(f"the process that scored it died (exit code {code})")
        rows = {metric.name: Rows.of(item.name, item.prompt_id, why) for metric in suite.metrics}
        yield Measured(rows, frozenset()), 1


def _portable(suite: Suite) -> Suite | Named:
    """The suite as another process can be handed it: by name if it is one of ours, else as it is."""
    known = SUITES.get(suite.name)
    if known is not None and known.only(suite.names) == suite:
        return suite.name, suite.names
    import pickle

    try:
        pickle.dumps(suite)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"suite {suite.name!r} cannot be handed to other processes ({error}). Use functions of a module in place "
            "of local ones and lambdas, or one worker"
        ) from None
    return suite


def serve(descriptor: int) -> None:
    """A worker: a job, then lists of items in; (kind, names, content) out, until the line ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line: Connection[Any, Any] = Connection(descriptor)
    try:
        _serve(line, line.recv())
    except InputError as error:
        _tell(line, "refused", str(error))
    except (EOFError, BrokenPipeError, ConnectionError):
        pass  # the parent has gone
    except Exception:
        _tell(line, "failed", traceback.format_exc())


def _tell(line: Connection[Any, Any], kind: str, content: str) -> None:
    with suppress(BrokenPipeError, ConnectionError):
        line.send((kind, [], content))


def _serve(line: Connection[Any, Any], job: _Job) -> None:
    suite = job.suite if isinstance(job.suite, Suite) else find(job.suite[0]).only(job.suite[1])
    observer = Observer(suite.load(), FeatureCache(job.cache))
    with Decoder() as decoder:
        opened = _received(line, Sources(job.cache, decoder))
        for names, part in measured_parts(opened, suite, observer):
            line.send(("part", names, part))


def _received(line: Connection[Any, Any], sources: Sources) -> Iterator[list[Entry]]:
    while True:
        try:
            items = line.recv()
        except (EOFError, ConnectionError):
            return
        yield from chunks(items, sources)
