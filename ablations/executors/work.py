"""One stage's work, wherever it is done: find it, or take its lease and compute it, and say what came of it.

Tasks and outcomes are what travels between processes and machines: settings, digests and records, never frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ablations.plan import Keys
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError, WriteError
from magicvideo.runs import StageRecord, Store


class PipelineLike(Protocol):
    """Computes single stages; clip and record are in the store when `compute` returns."""

    def compute(self, stage: str, key: str, prompt: str, seed: int, digests: tuple[str, ...]) -> StageRecord: ...


@dataclass(frozen=True)
class Engine:
    """How videos are made: `make` builds the pipeline of one configuration, `keys` names its stages' results.

    Both must be importable by name (functions of modules, `functools.partial`): engines go to other processes.
    """

    make: Callable[[PipelineConfig, Store], PipelineLike]
    keys: Keys


@dataclass(frozen=True)
class Task:
    """A stage to compute; `inputs` are the digests of the clips before it."""

    key: str
    stage: str
    config: PipelineConfig
    prompt: str
    seed: int
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """The stage is finished; `computed` here, or found."""

    key: str
    record: StageRecord
    computed: bool


@dataclass(frozen=True)
class Busy:
    """Another process that shares the store is computing it."""

    key: str


@dataclass(frozen=True)
class Failed:
    """It cannot be computed, and would not another time."""

    key: str
    reason: str


@dataclass(frozen=True)
class Lost:
    """The worker ended before it answered. `counts`: whether this stage may be why."""

    key: str
    reason: str
    counts: bool = True


@dataclass(frozen=True)
class Halted:
    """Nothing more can be computed: the store cannot be written."""

    key: str
    reason: str


Outcome: TypeAlias = Done | Busy | Failed | Lost
Answer: TypeAlias = Outcome | Halted


class Worker:
    """Does tasks one by one in this process; keeps the pipeline of the last configuration."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self.engine = engine
        self.store = store
        self._pipeline: tuple[PipelineConfig, PipelineLike] | None = None

    def do(self, task: Task) -> Answer:
        """Never raises for what a task does; only Ctrl-C and the like pass."""
        try:
            return self._do(task)
        except WriteError as error:
            return Halted(task.key, str(error))
        except MemoryError:
            return Lost(task.key, "out of memory")
        except InputError as error:
            return Failed(task.key, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if _out_of_memory(error):
                return Lost(task.key, f"out of memory ({reason.splitlines()[0]})")
            return Failed(task.key, reason.splitlines()[0])

    def close(self) -> None:
        self.store.leases.close()

    def _do(self, task: Task) -> Answer:
        record = self.store.stage(task.key)
        if record is not None:
            return Done(task.key, record, computed=False)
        with self.store.leases.hold(task.key) as mine:
            if not mine:
                return Busy(task.key)
            record = self.store.stage(task.key)  # it may have been finished before the lease was ours
            if record is not None:
                return Done(task.key, record, computed=False)
            made = self._pipeline_of(task.config).compute(task.stage, task.key, task.prompt, task.seed, task.inputs)
            return Done(task.key, made, computed=True)

    def _pipeline_of(self, config: PipelineConfig) -> PipelineLike:
        if self._pipeline is None or (self._pipeline[0] is not config and self._pipeline[0] != config):
            self._pipeline = (config, self.engine.make(config, self.store))
        return self._pipeline[1]


def _out_of_memory(error: Exception) -> bool:
    """torch says so in words: of the CPU's allocator, of the GPU's."""
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "cannot allocate memory" in text
