"""Where stages are computed: in this process, in several, on several GPUs, on a Ray cluster.

Each executor takes batches of tasks and tells what came of each task. All do the same work (`work.py`), so results do
not depend on which one it was, or on how many workers it had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ablations.executors.work import Answer, Engine, Task
from magicvideo.errors import InputError
from magicvideo.shared import StorePlace


class Executor(Protocol):
    """Batches go in, answers come out. After `close`, nothing runs any more."""

    batch: int
    """Tasks that a batch should hold."""
    workers: int
    """Batches that are computed at the same time."""

    @property
    def free(self) -> int:
        """Batches that may be submitted now."""

    def submit(self, tasks: Sequence[Task]) -> None: ...

    def answers(self, timeout: float | None) -> list[Answer]:
        """Wait until something is answered, `timeout` seconds at most (None: as long as something runs)."""

    def close(self) -> None: ...


WORTH_STARTING = 16
"""Fewer stages are made in this process before others have loaded their libraries."""


@dataclass(frozen=True)
class Setup:
    """Which executor, and how many workers. `threads` is the same for every worker: clips depend on it."""

    executor: str = "local"
    """`local`, `ray` (a cluster started on this machine), or a running one: `ray:HOST:6379`, `ray://HOST:10001`."""
    workers: int = 1
    threads: int = 1
    devices: tuple[str, ...] = ()
    """GPUs, one worker each."""

    def check(self) -> None:
        if self.executor != "local" and self.executor != "ray" and not self.executor.startswith(("ray:", "ray://")):
            raise InputError(f"--executor {self.executor}: unknown; known: local, ray, ray:HOST:PORT, ray://HOST:PORT")
        if self.workers < 1:
            raise InputError(f"--workers {self.workers}: needs at least 1")
        if self.devices and self.executor != "local":
            raise InputError("--gpus is for workers on this machine; a Ray cluster places workers by what they ask for")

    def make(self, engine: Engine, store: StorePlace, stages: int) -> Executor:
        """Start the workers for so many stages. Each kind is imported only when asked for."""
        if self.executor != "local":
            from ablations.executors.ray import OnRay

            return OnRay(engine, store, self.workers, _address(self.executor), self.threads)
        if self.devices or (self.workers > 1 and stages >= WORTH_STARTING):
            from ablations.executors.processes import Processes

            return Processes(engine, store, self.workers, self.threads, self.devices)
        from ablations.executors.local import Here

        return Here(engine, store.open())


def _address(executor: str) -> str | None:
    if executor.startswith("ray://"):
        return executor
    return executor.removeprefix("ray").removeprefix(":") or None
