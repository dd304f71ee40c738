"""Executors: the same results whoever computes, and what a worker's death, failure or hunger costs."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from run_checks import DIFFERENT, ROOT, numbers

from ablations.execute import execute
from ablations.executors import Setup
from ablations.executors.processes import Processes
from ablations.executors.work import Done, Engine, Halted, Lost, Task, Worker
from ablations.grid import load_grid
from ablations.plan import expand
from ablations.schedule import Schedule
from magicvideo.cli import main
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl
from magicvideo.runs import Store
from magicvideo.shared import SharedStore, StorePlace

TWO = Setup(workers=2)


def command(fake: ModuleType, *words: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, str(fake.__file__), *map(str, words)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_two_processes_give_what_one_gives_and_a_death_costs_nothing(
    tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path
) -> None:
    engine = fake.faulty(("i2v", 1, "die once"), once=tmp_path / "died")
    outcome = execute(load_grid(tiny), tmp_path / "run", engine, progress=False, setup=TWO)
    assert (tmp_path / "died").exists()
    assert outcome.computed == DIFFERENT
    assert outcome.failed == 0
    assert numbers(tmp_path / "run") == numbers(finished)
    assert not list((tmp_path / "run" / "store").rglob(".partial-*"))
    assert not list((tmp_path / "run" / "store" / "leases").rglob("*.json"))


def test_what_cannot_be_made_costs_its_videos_and_says_why(
    tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path
) -> None:
    out, grid = tmp_path / "run", load_grid(tiny)
    outcome = execute(grid, out, fake.faulty(("i2v", 1, "raise")), progress=False)
    assert outcome.failed == 6
    items, scores = read_jsonl(out / "items.jsonl"), read_jsonl(out / "scores.jsonl")
    assert len(items) == 12
    for item in items:
        assert (item["clip"] is None) == (item["seed"] == 1)
        assert item.get("reason") == ("i2v: ValueError: this prompt cannot be drawn" if item["seed"] else None)
    missing = [s for s in scores if s["value"] is None]
    assert {(s["seed"], s["reason"]) for s in missing} == {
        (1, "not made: i2v: ValueError: this prompt cannot be drawn")
    }
    assert len(missing) == 12
    assert len(scores) == len(read_jsonl(finished / "scores.jsonl"))
    assert execute(grid, out, fake.engine(), progress=False).failed == 0
    assert numbers(out) == numbers(finished)


def test_a_worker_that_always_dies_or_starves_is_told_after_three_tries(
    tmp_path: Path, tiny: Path, fake: ModuleType
) -> None:
    """Two real workers, one stage that kills its process and one that asks for more memory than there is."""
    engine = fake.faulty(("t2i", 0, "die"), ("t2i", 1, "memory"))
    items = expand(load_grid(tiny))[:2]
    assert [item.seed for item in items] == [0, 1]
    schedule = Schedule(items, engine.keys, lambda key: None)
    workers = Processes(engine, StorePlace(tmp_path / "store"), 1, limits={"RLIMIT_AS": 8 << 30})
    try:
        while not schedule.finished:
            while workers.free and (batch := schedule.batch(2)):
                workers.submit(batch)
            for answer in workers.answers(None):
                assert isinstance(answer, Lost)
                schedule.take(answer)
    finally:
        workers.close()
    dead, starved = (p.reason for p in schedule.planned())
    assert dead == "t2i: the worker was killed by SIGKILL (out of memory?), 3 times"
    assert starved == "t2i: out of memory, 3 times"


def test_if_nothing_can_be_made_one_message_says_it(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    engine = fake.faulty(("t2i", 0, "raise"), ("t2i", 1, "raise"))
    with pytest.raises(InputError, match=r"no video could be made .*: t2i: ValueError: this prompt cannot be drawn"):
        execute(load_grid(tiny), tmp_path / "run", engine, progress=False)


def test_workers_that_cannot_start_say_so(
    tmp_path: Path, tiny: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that only this process knows, as one that was typed at a prompt would be."""
    module = ModuleType("known_here_alone")
    exec("def make(config, store): ...\ndef keys(config): ...", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    items = expand(load_grid(tiny))
    workers = Processes(Engine(module.make, module.keys), StorePlace(tmp_path / "store"), 1)
    try:
        workers.submit([Task("ab" * 32, "t2i", items[0].arm.config, "a red star", 0, ())])
        with pytest.raises(InputError, match="could not be started"):
            _listen(workers)
    finally:
        workers.close()
    assert "ModuleNotFoundError" in capfd.readouterr().err


def _variables(pid: int) -> list[str]:
    """The environment that a process was started with; empty until it has been."""
    deadline = time.monotonic() + 60
    while not (found := Path(f"/proc/{pid}/environ").read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found.decode().split("\0")


def _listen(workers: Processes) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        workers.answers(1)


def test_each_gpu_has_a_worker_that_sees_it_alone(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    """As far as an environment shows: no GPU is needed to be told which one is one's own."""
    workers = Processes(fake.engine(), StorePlace(tmp_path / "store"), 2, threads=3, devices=("0", "GPU-abc"))
    try:
        assert workers.workers == 2
        seen = [_variables(pid) for pid in workers.processes]
    finally:
        workers.close()
    for device, variables in zip(("0", "GPU-abc"), seen, strict=True):
        assert f"CUDA_VISIBLE_DEVICES={device}" in variables
        assert "OMP_NUM_THREADS=3" in variables
    assert os.environ.get("CUDA_VISIBLE_DEVICES") != "GPU-abc"


def test_two_runs_on_one_store_at_once_compute_each_stage_once(
    tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path
) -> None:
    words = (tiny, 0.02, 1, "local", tmp_path / "store")
    both = [command(fake, words[0], tmp_path / name, *words[1:]) for name in ("one", "other")]
    told = [process.communicate(timeout=300) for process in both]
    assert all(process.returncode == 0 for process in both), told
    assert sum(int(out) for out, _ in told) == DIFFERENT
    assert numbers(tmp_path / "one") == numbers(tmp_path / "other") == numbers(finished)
    assert read_json(tmp_path / "one" / "run.json")["store"] == str(tmp_path / "store")


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_store_at_an_address_is_shared_by_machines(
    kind: str, tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path
) -> None:
    """Two folders stand for two machines; the second finds all that the first made, and fetches what it looks at."""
    address = f"memory://{tmp_path.name}" if kind == "memory" else f"local://{tmp_path}/there"
    grid = load_grid(tiny)
    first = execute(grid, tmp_path / "one", fake.engine(), progress=False, store=address)
    second = execute(grid, tmp_path / "other", fake.engine(), progress=False, store=address)
    assert (first.computed, second.computed) == (DIFFERENT, 0)
    assert numbers(tmp_path / "one") == numbers(tmp_path / "other") == numbers(finished)
    there = SharedStore(tmp_path / "empty", address)
    assert not [name for name in there.fs.find(there.base) if ".partial-" in name or "/leases/" in name]
    items = read_jsonl(tmp_path / "other" / "items.jsonl")
    assert there.clip(items[0]["clip"]).digest == items[0]["clip"]
    assert read_json(tmp_path / "one" / "run.json")["shared_store"] == address


def test_an_address_that_cannot_be_used_is_an_error_with_a_remedy(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    with pytest.raises(InputError, match="--store nowhere://x: "):
        execute(load_grid(tiny), tmp_path / "run", fake.engine(), store="nowhere://x")


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all_and_says_how_to_go_on(workers: int, tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    """As a terminal does it: the signal reaches the whole group."""
    out = tmp_path / "run"
    code = (
        "import sys, pocket_fake, ablations.execute as e, ablations.cli\n"
        "e.pocket_engine = lambda threads=1: pocket_fake.engine(0.2)\n"
        "from magicvideo.cli import main\n"
        "if __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n"
    )
    (tmp_path / "call.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(str(fake.__file__)).parent}"}
    call = [sys.executable, str(tmp_path / "call.py"), "ablate", str(tiny), "--out", str(out), f"--workers={workers}"]
    # A shell that starts jobs in the background has them ignore Ctrl-C, and children inherit that; not so here.
    process = subprocess.Popen(
        call,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while len(list((out / "store" / "stages").rglob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "finished work is kept, the same command continues" in said
    assert "Traceback" not in said
    deadline = time.monotonic() + 20
    while _members(process.pid) and time.monotonic() < deadline:  # multiprocessing's own helper notices a moment later
        time.sleep(0.05)
    assert not _members(process.pid), "workers are left"
    store = out / "store"
    assert not [p for p in store.rglob(".partial-*") if "leases" not in p.parts]
    assert not list((store / "leases").rglob("*.json"))


def _members(group: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(stat.parent.name)
    return found


def test_a_store_that_cannot_be_written_stops_the_worker(tmp_path: Path, tiny: Path, fake: ModuleType) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    item = expand(load_grid(tiny))[0]
    key = fake.stage_key(item.arm.config, "t2i", item.prompt.prompt, 0, ())
    task = Task(key, "t2i", item.arm.config, item.prompt.prompt, 0, ())
    worker = Worker(fake.engine(), Store(tmp_path / "store"))
    assert isinstance(worker.do(task), Halted)
    (tmp_path / "store").unlink()
    assert isinstance(worker.do(task), Done)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--executor", "slurm"], "known: local, ray"),
        (["--workers", "0"], "needs at least 1"),
        (["--executor", "ray", "--gpus", "0,1"], "--gpus is for workers on this machine"),
    ],
)
def test_a_setup_that_cannot_be_is_refused_first(
    words: list[str], message: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", str(tiny), "--out", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_ray_cluster_gives_what_one_process_gives(
    tmp_path: Path, tiny: Path, fake: ModuleType, finished: Path
) -> None:
    """One started for the test, on this machine alone. Frames do not travel: what a task carries is small."""
    pytest.importorskip("ray")
    _, errors = (process := command(fake, tiny, tmp_path / "run", 0.0, 2, "ray")).communicate(timeout=400)
    if "timed out during startup" in errors:
        pytest.skip("Ray needs longer to start here than it gives itself")
    assert process.returncode == 0, errors
    assert numbers(tmp_path / "run") == numbers(finished)
    item = expand(load_grid(tiny))[0]
    task = Task("ab" * 32, "vfi", item.arm.config, item.prompt.prompt, 0, ("cd" * 32,) * 3)
    assert len(pickle.dumps([task])) < 10_000
