"""Kills a small grid again and again, and looks at what comes of it: `make soak`, or `python kills.py KILLS [KIND
...]`.

Kinds: `driver` (everything in one process, killed), `workers` (two worker processes; one of them or the driver is
killed), `ray` (the same on a Ray cluster of this machine). Each kill is a SIGKILL at a random moment, by chance of how
far the run is, and is followed by a restart. A run that ends must have the numbers of one that was never disturbed,
must not have computed any finished stage again, and must leave a store whose self-check finds nothing. Exit 1 if not.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "ablations")]

import pocket_fake  # noqa: E402
from conftest import TINY  # noqa: E402
from run_checks import DIFFERENT, check_whole, numbers, stage_times  # noqa: E402

from ablations.executors.ray import SETTINGS  # noqa: E402
from magicvideo.store_check import check_store  # noqa: E402

DELAY = 0.02
PORT = int(os.environ.get("RAY_PORT", "6399"))
EXECUTORS = {"driver": ("1", "local"), "workers": ("2", "local"), "ray": ("2", f"ray:127.0.0.1:{PORT}")}


@dataclass
class Soak:
    """One kind's kills so far, over as many runs as they take."""

    kind: str
    folder: Path
    rng: random.Random
    kills: int = 0
    of_workers: int = 0
    runs: int = 0
    again: int = 0
    """Finished stages that were computed once more."""
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / f"{self.kind}-{self.runs}"

    def start(self) -> int:
        """Fork a driver; everything is imported already, so it starts at once. Returns its process id."""
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setpgid(0, 0)
            silent = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(silent, 1), os.dup2(silent, 2)
            pocket_fake.main(str(self.folder / "tiny.yaml"), str(self.out), str(DELAY), *EXECUTORS[self.kind])
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(9)

    def kill_once(self) -> bool:
        """Start or restart the run and kill somebody at a random moment; true if it has ended all the same."""
        before = len(stage_times(self.out))
        driver, target = self.start(), before + self.rng.randrange(max(1, min(8, DIFFERENT - before + 1)))
        of_worker = self.kind != "driver" and self.rng.random() < 0.5
        victims = list[int]()
        while _running(driver) and (len(stage_times(self.out)) < target or (of_worker and not victims)):
            victims = _workers(driver, self.kind) if of_worker else []
            time.sleep(0.002)
        time.sleep(self.rng.random() * 3 * DELAY)
        if of_worker:
            killed = bool(victims) and _kill(self.rng.choice(victims))
            self.of_workers += killed  # the run goes on without that worker, to its end
        else:
            killed = _running(driver) and _kill(driver)
        status = _ended(driver)
        self.kills += killed
        if status not in (0, signal.SIGKILL):
            raise SystemExit(f"{self.kind}: the driver failed by itself:\n{(self.folder / 'log').read_text()[-3000:]}")
        now = stage_times(self.out)
        self.again += sum(now.get(name) != when for name, when in self.seen.items())
        self.seen = now
        check_whole(self.out)
        return status == 0

    def finish(self, expected: object) -> None:
        """Let the run end undisturbed, compare, and begin another."""
        if _ended(self.start()) != 0:
            raise SystemExit(f"{self.kind}: failed:\n{(self.folder / 'log').read_text()[-3000:]}")
        now = stage_times(self.out)
        self.again += sum(now.get(name) != when for name, when in self.seen.items())
        if numbers(self.out) != expected:
            raise SystemExit(f"{self.kind}: {self.out} has other numbers than an undisturbed run")
        wrong = [f"{f.name}: {f.detail}" for f in check_store(self.out / "store") if not f.ok]
        if wrong or len(now) != DIFFERENT:
            raise SystemExit(f"{self.kind}: {self.out}: {len(now)} stages; {wrong}")
        self.runs, self.seen = self.runs + 1, {}
        print(f"{self.kind}: {self.kills} kills so far, {self.runs} runs ended right", file=sys.stderr, flush=True)


_STATUS = dict[int, int]()


def _running(pid: int) -> bool:
    if pid not in _STATUS:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            _STATUS[pid] = os.waitstatus_to_exitcode(status)
    return pid not in _STATUS


def _ended(pid: int) -> int:
    """Wait for a process; its exit code, or the number of the signal that ended it."""
    if _running(pid):
        _STATUS[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return abs(_STATUS[pid])


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _workers(driver: int, kind: str) -> list[int]:
    """Worker processes: the driver's children, or of our Ray cluster those that hold a task."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            continue
        is_worker = words.startswith("ray::_do") if kind == "ray" else parent == driver and "spawn_main" in words
        if is_worker:
            found.append(int(entry.name))
    return found


def soak(kinds: Sequence[str], kills: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(TINY)
        pocket_fake.main(str(folder / "tiny.yaml"), str(folder / "undisturbed"))
        expected = numbers(folder / "undisturbed")
        for n, kind in enumerate(kinds):
            began, mine = time.perf_counter(), Soak(kind, folder, random.Random(seed + n))
            wanted = kills // len(kinds) + (n < kills % len(kinds))
            while mine.kills < wanted:
                if mine.kill_once() or mine.rng.random() < 0.15:
                    mine.finish(expected)
            mine.finish(expected)
            print(
                f"{kind}: {mine.kills} kills ({mine.of_workers} of workers), {mine.runs} runs, each equal to the "
                f"undisturbed one; {mine.again} finished stages computed again; {time.perf_counter() - began:.0f} s",
                flush=True,
            )
            if mine.again:
                raise SystemExit("a finished stage was computed again")


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    kinds = sys.argv[2:] or list(EXECUTORS)
    seed = int(os.environ.get("SEED", "0"))
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    if "ray" not in kinds or "RAY_PORT" in os.environ:  # a cluster that is running already
        return soak(kinds, kills, seed)
    ray = [str(Path(sys.executable).with_name("ray"))]
    address = ["--head", "--node-ip-address=127.0.0.1", f"--port={PORT}", "--num-cpus=2", "--include-dashboard=false"]
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    subprocess.run([*ray, "get-auth-token", "--generate"], capture_output=True, check=True)
    environment = {**os.environ, **SETTINGS}
    with subprocess.Popen([*ray, "start", *address, "--block"], stdout=subprocess.DEVNULL, env=environment) as head:
        try:
            time.sleep(float(os.environ.get("RAY_PAUSE", "15")))
            soak(kinds, kills, seed)
        finally:
            head.terminate()
            head.wait()


if __name__ == "__main__":
    main()
