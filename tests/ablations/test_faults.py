"""Disks that fill up or turn read-only, clocks that jump, kills: a clear error, nothing lost, and on it goes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from run_checks import DIFFERENT, ROOT, check_whole, numbers, stage_times

from ablations.execute import execute
from ablations.grid import load_grid
from magicvideo import leases
from magicvideo.errors import WriteError
from magicvideo.store_check import check_store


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`disk("size=300k")` mounts a small disk of memory, or mounts it again otherwise; skipped if not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = list[str]()

    def mount(options: str) -> Path:
        remount = "remount," if mounted else ""
        words = ["mount", "-t", "tmpfs", "-o", remount + options, "none", str(place)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no mount here: {error}")
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        mounted.append(options)
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space(
    disk: Callable[[str], Path], tiny: Path, fake: ModuleType, finished: Path
) -> None:
    out, grid = disk("size=160k") / "run", load_grid(tiny)
    with pytest.raises(WriteError, match=r"No space left on device.*Free space"):
        execute(grid, out, fake.engine(), progress=False)
    kept = stage_times(out)
    assert 0 < len(kept) < DIFFERENT
    check_whole(out)
    disk("size=64m")
    outcome = execute(grid, out, fake.engine(), progress=False)
    assert outcome.computed == DIFFERENT - len(kept)
    assert {k: stage_times(out)[k] for k in kept} == kept
    assert numbers(out) == numbers(finished)
    assert all(found.ok for found in check_store(out / "store"))


def test_a_store_that_turns_read_only_is_told_and_the_run_goes_on_when_it_is_mended(
    disk: Callable[[str], Path], tiny: Path, fake: ModuleType, finished: Path, tmp_path: Path
) -> None:
    store, grid, out = disk("size=64m") / "store", load_grid(tiny), tmp_path / "run"
    execute(grid, out, fake.faulty(("vfi", 1, "raise")), progress=False, store=str(store))
    kept = len(list((store / "stages").rglob("*.json")))
    assert 0 < kept < DIFFERENT
    disk("ro")
    with pytest.raises(WriteError, match="Read-only file system"):
        execute(grid, out, fake.engine(), progress=False, store=str(store))
    disk("rw")
    assert execute(grid, out, fake.engine(), progress=False, store=str(store)).computed == DIFFERENT - kept
    assert numbers(out) == numbers(finished)
    assert all(found.ok for found in check_store(store))


def test_a_clock_that_jumps_in_the_middle_changes_nothing(
    tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours forth and back between any two looks at it."""
    real, looks = time.time, [0]

    def jumping() -> float:
        looks[0] += 1
        return real() + (86_400 if looks[0] % 2 else -86_400)

    class Jumping(leases.datetime):
        @classmethod
        def now(cls, tz: object = None) -> leases.datetime:
            return leases.datetime.fromtimestamp(jumping(), leases.UTC)

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(leases, "datetime", Jumping)
    outcome = execute(load_grid(tiny), tmp_path / "run", fake.engine(), progress=False)
    assert outcome.computed == DIFFERENT
    assert looks[0] >= DIFFERENT
    assert numbers(tmp_path / "run") == numbers(finished)


def test_a_few_kills_of_drivers_and_workers() -> None:
    """The short form of `make soak`, which kills a hundred times and under Ray too."""
    script = ROOT / "tests" / "benchmarks" / "kills.py"
    for kills, kind in (("3", "driver"), ("2", "workers")):
        done = subprocess.run(
            [sys.executable, str(script), kills, kind], capture_output=True, text=True, check=False, timeout=400
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{kind}: {kills} kills" in done.stdout
        assert "0 finished stages computed again" in done.stdout
