"""A Ray cluster: one task a batch of stages. Only settings, digests and records go through Ray's object store.

Clips go through the shared store. A lost worker's batch is given out again, each of its stages alone, and finds what
had been finished. Needs the extra `ray`.
"""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ablations.executors.work import Answer, Engine, Lost, Task, Worker
from magicvideo.errors import InputError
from magicvideo.shared import StorePlace

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to Ray's makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CUDA_VISIBLE_DEVICES stays as it is where no GPU is asked for
    "RAY_agent_register_timeout_ms": "120000",  # on a busy machine Ray's own helpers take longer than its 15 s to start
    "RAY_raylet_start_wait_time_s": "120",  # and so may its node, which has 30 s
}
LOOK_AROUND = 10.0
"""Seconds without an answer after which the cluster is asked whether it still lives."""


class OnRay:
    """`address`: of a running cluster (`HOST:6379`, `ray://HOST:10001`, `auto`); None starts one on this machine alone.

    Each batch asks for `cpus` and `gpus`; Ray places it where they are free.
    """

    batch = 4

    def __init__(
        self,
        engine: Engine,
        store: StorePlace,
        workers: int,
        address: str | None = None,
        threads: int = 1,
        gpus: float = 0.0,
    ) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        if address is None or (Path.home() / ".ray" / "auth_token").exists():
            # Ray listens on every address of the machine: without a token whoever reaches it could run programs.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        self._ray = ray = _ray()
        self._tasks = dict[Any, list[Task]]()
        about: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING, "configure_logging": False}
        if address is None:
            about |= {"num_cpus": workers * threads, "include_dashboard": False}
        _connect(ray, address, about)
        cores = int(ray.cluster_resources().get("CPU", 1))
        self.workers = max(1, cores // threads)
        self._given = ray.cloudpickle.dumps((engine, store))
        self._do = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(_do)

    @property
    def free(self) -> int:
        return max(0, self.workers + 1 - len(self._tasks))  # one waits at the cluster, so that no core does

    def submit(self, tasks: Sequence[Task]) -> None:
        self._tasks[self._do.remote(self._given, list(tasks))] = list(tasks)

    def answers(self, timeout: float | None) -> list[Answer]:
        if not self._tasks:
            time.sleep(timeout or 0.0)
            return []
        patience = LOOK_AROUND if timeout is None else min(timeout, LOOK_AROUND)
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=patience)
        if not ready and patience == LOOK_AROUND and not any(node["Alive"] for node in self._ray.nodes()):
            raise InputError("no node of the Ray cluster is alive. Start it again; finished work is kept")
        return [answer for ref in ready for answer in self._answer(ref)]

    def close(self) -> None:
        for ref in self._tasks:
            self._ray.cancel(ref, force=True)
        self._ray.shutdown()

    def _answer(self, ref: Any) -> list[Answer]:
        tasks = self._tasks.pop(ref)
        errors = self._ray.exceptions
        try:
            return list(self._ray.get(ref))
        except (
            errors.RayTaskError,
            errors.RuntimeEnvSetupError,
        ) as error:  # `Worker.do` raises nothing: it did not start
            raise InputError(f"a worker could not be started on the cluster: {error}") from None
        except errors.RayError as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            return [Lost(task.key, f"the worker was lost ({reason})") for task in tasks]


def _connect(ray: Any, address: str | None, about: dict[str, Any]) -> None:
    """Join a cluster, or start one: twice, since Ray gives itself half a minute, which a busy machine may exceed."""
    for last in (False, True):
        try:
            ray.init(address=address or "local", **about)
            return
        except Exception as error:  # a plain Exception is among what Ray raises here
            ray.shutdown()
            if last or address is not None:
                where = address or "this machine"
                raise InputError(f"--executor ray: no cluster at {where}: {error}") from None


def _do(given: bytes, tasks: list[Task]) -> list[Answer]:
    worker = _worker(given)
    return [worker.do(task) for task in tasks]


@cache
def _worker(given: bytes) -> Worker:
    """One for each process of the cluster, so that networks stay loaded between batches."""
    engine, store = pickle.loads(given)  # from the process that gives the tasks
    return Worker(engine, store.open())


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray needs Ray: pip install 'magicvideo[ray]'") from None
    return ray
