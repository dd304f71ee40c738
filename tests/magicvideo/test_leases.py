"""Leases: one worker at a time, the dead make room, and no clock is believed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from magicvideo import leases as module
from magicvideo.leases import FolderFiles, LeaseFiles, Leases
from magicvideo.machine import Process, this_process
from magicvideo.shared import AddressFiles, SharedStore

KEY = "ab" * 32


@pytest.fixture(params=["folder", "memory", "local"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LeaseFiles]:
    if request.param == "folder":
        yield FolderFiles(tmp_path)
        return
    address = {"memory": f"memory://{tmp_path.name}", "local": f"local://{tmp_path}/there"}[request.param]
    yield AddressFiles(SharedStore(tmp_path / "here", address))


class Clock:
    """The observer's monotonic clock, to be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def foreign(files: LeaseFiles, beat: int = 0, key: str = KEY) -> None:
    """A lease as a worker of another machine writes it."""
    content = {"owner": "0123456789ab.17.99", "worker": "w", "beat": beat, "written": "2001-01-01T00:00:00+00:00"}
    assert files.swap(key, files.read(key), json.dumps(content).encode())


def ended_process() -> Process:
    """A process of this machine that has lived."""
    code = "from magicvideo.machine import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = Process.parse(done.stdout.strip())
    assert found is not None
    return found


def test_one_at_a_time_and_then_the_other(files: LeaseFiles) -> None:
    one, other = Leases(files), Leases(files)
    with one.hold(KEY) as mine:
        assert mine
        assert files.names() == [KEY]
        with other.hold(KEY) as also_mine, other.hold("cd" * 32) as another:
            assert not also_mine
            assert another
    assert files.names() == []
    with other.hold(KEY) as mine:
        assert mine


def test_a_block_that_fails_gives_its_lease_back(files: LeaseFiles) -> None:
    with pytest.raises(RuntimeError), Leases(files).hold(KEY):
        raise RuntimeError
    assert files.names() == []


def test_whoever_has_ended_on_this_machine_makes_room_at_once(files: LeaseFiles) -> None:
    owner = ended_process()
    assert owner.gone
    assert owner.host == this_process().host
    files.swap(KEY, None, json.dumps({"owner": str(owner)}).encode())
    assert Leases(files).take(KEY)


def test_a_number_that_another_process_has_by_now_is_not_its_owner(files: LeaseFiles) -> None:
    me = this_process()
    files.swap(KEY, None, json.dumps({"owner": str(Process(me.host, me.pid, me.started + 1))}).encode())
    assert Leases(files).take(KEY)


def test_another_machines_lease_is_free_when_its_heart_stands_still(
    files: LeaseFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, mine = Clock(monkeypatch), Leases(files, expiry=60)
    foreign(files, beat=0)
    assert not mine.take(KEY)
    clock.now += 59
    foreign(files, beat=1)
    assert not mine.take(KEY)
    clock.now += 59
    assert not mine.take(KEY), "59 seconds after the last beat that was seen"
    clock.now += 2
    assert mine.take(KEY)


def test_a_clock_that_jumps_changes_nothing(files: LeaseFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a lease from the future, nor one from long ago, nor a step of the wall clock meanwhile."""
    mine = Leases(files, expiry=60)
    foreign(files)  # written in 2001, as its owner's clock says
    assert not mine.take(KEY)
    monkeypatch.setattr(module.time, "time", lambda: datetime(2099, 1, 1, tzinfo=UTC).timestamp())
    assert not mine.take(KEY)


def test_a_living_owner_beats_and_keeps(files: LeaseFiles) -> None:
    owner, thief = Leases(files, expiry=0.2), Leases(files, expiry=60)
    assert owner.take(KEY)
    first = files.read(KEY)
    deadline = time.monotonic() + 30
    while files.read(KEY) == first and time.monotonic() < deadline:
        time.sleep(0.01)
    assert files.read(KEY) != first
    assert not thief.take(KEY)
    owner.close()
    assert files.names() == []


def test_what_was_stolen_stays_the_thiefs(files: LeaseFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    sleeper, thief = Leases(files, expiry=1000), Leases(files, expiry=60)
    with sleeper.hold(KEY) as mine:
        assert mine
        assert not thief.take(KEY)
        clock.now += 61
        assert thief.take(KEY)
    assert files.names() == [KEY]
    thief.give_back(KEY)
    assert files.names() == []


@pytest.mark.parametrize("content", [b"", b"{half", b"[1]", b'{"owner": 3}'])
def test_a_broken_lease_expires_like_any_other(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, files = Clock(monkeypatch), FolderFiles(tmp_path)
    files.swap(KEY, None, content)
    mine = Leases(files, expiry=60)
    assert not mine.take(KEY)
    clock.now += 61
    assert mine.take(KEY)


def test_many_at_once_have_one_winner(tmp_path: Path) -> None:
    dead = json.dumps({"owner": str(ended_process())}).encode()
    for n in range(20):
        key, files = f"{n:02d}" * 32, FolderFiles(tmp_path)
        files.swap(key, None, dead if n % 2 else None)
        barrier, won = threading.Barrier(8), list[bool]()

        def race(key: str, files: FolderFiles, barrier: threading.Barrier, won: list[bool]) -> None:
            mine = Leases(files)
            barrier.wait()
            won.append(mine.take(key))

        threads = [threading.Thread(target=race, args=(key, files, barrier, won)) for _ in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert sum(won) == 1


def test_a_sweep_takes_the_leases_of_the_dead_alone(files: LeaseFiles) -> None:
    mine = Leases(files)
    assert mine.take(KEY)
    foreign(files, key="cd" * 32)
    files.swap("ef" * 32, None, json.dumps({"owner": str(ended_process())}).encode())
    assert mine.sweep() == 1
    assert files.names() == [KEY, "cd" * 32]
