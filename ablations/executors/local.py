"""In this process: one stage after the other, nothing to start."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ablations.executors.work import Answer, Engine, Task, Worker
from magicvideo.runs import Store


class Here:
    """The executor that is none: `answers` computes what was submitted."""

    batch = 1
    workers = 1

    def __init__(self, engine: Engine, store: Store) -> None:
        self._worker = Worker(engine, store)
        self._tasks = list[Task]()

    @property
    def free(self) -> int:
        return not self._tasks

    def submit(self, tasks: Sequence[Task]) -> None:
        self._tasks += tasks

    def answers(self, timeout: float | None) -> list[Answer]:
        if not self._tasks:
            time.sleep(timeout or 0.0)
            return []
        return [self._worker.do(self._tasks.pop(0))]

    def close(self) -> None:
        self._worker.close()
