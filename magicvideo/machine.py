"""Which process this is, whether another one still lives, and how much memory one has needed.

Reads /proc; elsewhere than on Linux nobody can be told dead and no peak is known. Also with how many threads torch
computes, and what the allocator does with freed memory. Does not know stores.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

PROC = Path("/proc")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of mallopt(3)'s parameters."""


@dataclass(frozen=True)
class Process:
    """One process for all time: `host` is this start of this machine, `started` the ticks from there to the process."""

    host: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.host}.{self.pid}.{self.started}"

    @classmethod
    def parse(cls, text: str) -> Process | None:
        """The inverse of `str`; None for anything else."""
        host, _, rest = text.partition(".")
        pid, _, started = rest.partition(".")
        return cls(host, int(pid), int(started)) if host and pid.isdecimal() and started.isdecimal() else None

    @property
    def gone(self) -> bool:
        """Whether it has certainly ended. False for a process of another machine: nobody here can know."""
        here = this_process()
        if self.host != here.host or not here.started:
            return False
        return _started(self.pid) != self.started


def this_process() -> Process:
    """The process that asks; right after a fork too."""
    return _process(os.getpid())


@lru_cache(maxsize=1)
def _process(pid: int) -> Process:
    return Process(_host(), pid, _started(pid) or 0)


def _host() -> str:
    """12 hex that this start of this machine has alone; containers that number processes apart differ."""
    parts = [os.uname().nodename]
    with suppress(OSError):
        parts = [(PROC / "sys/kernel/random/boot_id").read_text(), os.readlink(PROC / "self/ns/pid")]
    return sha256("".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> int | None:
    """Ticks from the machine's start to the process's (proc(5), stat, field 22); None if there is no such process.

    Unlike a time of day, this does not move when the clock is set. A zombie has ended.
    """
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def reset_peak() -> None:
    """Let this process's memory peak start again (proc(5), clear_refs); does nothing where that is refused."""
    with suppress(OSError):
        (PROC / "self/clear_refs").write_text("5")


def peak_memory() -> int | None:
    """Most resident memory of this process since `reset_peak`, in bytes; None where it is not told."""
    try:
        lines = (PROC / "self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), None)


@cache
def keep_freed_memory() -> None:
    """Let glibc's allocator keep what is freed, up to 256 MB, instead of giving it back to the system at once.

    Every large tensor would otherwise be mapped, filled with zeros page by page and unmapped again: a sixth of the time
    that the small networks take on a CPU. Values do not change. Does nothing where there is no such allocator.
    """
    with suppress(AttributeError, OSError, TypeError):
        allocator = ctypes.CDLL(None).mallopt
        allocator(M_MMAP_THRESHOLD, 1 << 30)
        allocator(M_TRIM_THRESHOLD, 256 << 20)


def usable_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@contextmanager
def torch_threads(wanted: int | None) -> Iterator[None]:
    """Let torch compute with so many threads; nothing happens where torch is not loaded."""
    torch = sys.modules.get("torch")
    if wanted is None or torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
