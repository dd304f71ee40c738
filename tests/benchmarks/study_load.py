"""Many annotators at once, and a server that is killed again and again: what is slow, lost, doubled or over-assigned.

    python tests/benchmarks/study_load.py --store sqlite --clients 50 --votes 10000 --kills 10
    python tests/benchmarks/study_load.py --store postgresql --servers 2

Servers are processes of their own; clients speak one JSON line a request over a socket, as a page would over HTTP. A
client whose server dies sends the same vote again, with the same name. Then the store is held against what the clients
were told: every acknowledged vote must be there once, and no pair may have more votes than it wants. Prints one JSON
object; exits with 1 if anything was lost, doubled or over-assigned.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
HELPERS = HERE.parent / "annotation"
PATIENCE = 120.0
"""Seconds that a client tries to reach a server."""


def helper(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HELPERS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# The server: one process, a thread for each connection


def serve(folder: Path, address: str, path: str) -> None:
    """Answer requests at a socket until killed."""
    from annotation.session import opened

    opened(folder, address)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(json.dumps(answer(folder, address, json.loads(line))).encode() + b"\n")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 128

    Path(path).unlink(missing_ok=True)
    with Server(path, Handler) as server:
        server.serve_forever()


def answer(folder: Path, address: str, request: dict[str, Any]) -> dict[str, Any]:
    """One request through the same door as a page's: the invitation is checked every time."""
    from annotation.session import Session
    from annotation.terms import Answer, Refused, Watched

    try:
        session = Session.open(folder, request["token"], address)
        if request["what"] == "next":
            task = session.next_task()
            return {"task": None if task is None else task.id}
        chosen = {"overall": Answer(request["choice"]), "structure": Answer("same")}
        receipt = session.vote(request["task"], request["client"], chosen, Watched(1, 1), 3.0)
        return {"task": None if receipt.next is None else receipt.next.id, "repeated": receipt.repeated}
    except Refused as refused:
        return {"refused": refused.code}


# Clients


@dataclass
class Tally:
    """What the clients saw. `acknowledged`: (annotator, task) -> times a vote was said to be on disk."""

    acknowledged: Counter[tuple[int, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    retries: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Client:
    """One annotator: votes until nothing is left or enough votes are cast."""

    number: int
    token: str
    sockets: list[str]
    tally: Tally
    enough: Callable[[], bool]
    think: float
    _file: Any = None

    def run(self) -> None:
        rng = random.Random(self.number)
        task = self.ask({"what": "next"}).get("task")
        while task is not None and not self.enough():
            client = f"{self.number}-{task[:12]}-{rng.randrange(10**9)}"
            request = {"what": "vote", "task": task, "client": client, "choice": rng.choice(["left", "same", "right"])}
            began = time.perf_counter()
            found = self.ask(request)
            if rng.random() < 0.02:
                self.ask(request)  # a double click
            self.note(task, found, time.perf_counter() - began)
            task = found["task"] if "task" in found else self.ask({"what": "next"}).get("task")
            if self.think:
                time.sleep(rng.expovariate(1 / self.think))
        self.close()

    def note(self, task: str, found: dict[str, Any], seconds: float) -> None:
        with self.tally.lock:
            if "refused" in found:
                self.tally.refused[found["refused"]] += 1
            else:
                self.tally.acknowledged[self.number, task] += 1
                self.tally.seconds.append(seconds)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send until an answer comes, to whichever server is up."""
        line = json.dumps(request | {"token": self.token}).encode() + b"\n"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if self._file is None:
                    self._file = self.connect()
                self._file.write(line)
                self._file.flush()
                back = self._file.readline()
                if back.endswith(b"\n"):
                    return dict(json.loads(back))
            except OSError:
                pass
            self.close()
            with self.tally.lock:
                self.tally.retries += 1
            time.sleep(0.05)
        raise TimeoutError("no server answered")

    def connect(self) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:  # the file keeps it open
            connection.settimeout(60)
            connection.connect(random.choice(self.sockets))
            return connection.makefile("rwb")

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


# The whole


@dataclass
class Servers:
    """Server processes that are started again when they are killed."""

    folder: Path
    address: str
    sockets: list[str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, path: str) -> None:
        words = [sys.executable, __file__, "--serve", path, "--folder", str(self.folder), "--address", self.address]
        self.running[path] = subprocess.Popen(words)

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not all(reachable(path) for path in self.sockets):
            if time.monotonic() > deadline:
                raise TimeoutError("a server does not start")
            time.sleep(0.1)

    def kill(self) -> None:
        path = random.choice(self.sockets)
        self.running[path].send_signal(signal.SIGKILL)
        self.running[path].wait()
        self.start(path)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def reachable(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def load(folder: Path, address: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run it all; returns the figures."""
    from annotation.design import Settings
    from annotation.invitations import invite
    from annotation.votes import Votes

    raters, pairs = 4, 3
    prompts = -(-options.votes // (raters * pairs))
    study = helper("small_study").freeze(folder / "study", prompts, design=Settings(raters=raters, block=20))
    votes = Votes(study, address)
    tokens = [invite(study, votes, None, "annotator", 30)[1] for _ in range(options.clients)]
    sockets = [str(folder / f"s{n}") for n in range(options.servers)]
    servers, tally = Servers(study.folder, address, sockets), Tally()
    for path in sockets:
        servers.start(path)
    servers.wait()
    enough = lambda: len(tally.acknowledged) >= options.votes  # noqa: E731
    clients = [Client(n, token, sockets, tally, enough, options.think) for n, token in enumerate(tokens)]
    threads = [threading.Thread(target=client.run) for client in clients]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    kills = disturb(servers, tally, options)
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    servers.stop()
    found = judge(votes, tally, raters)
    votes.close()
    return {
        "store": options.store,
        "clients": options.clients,
        "servers": options.servers,
        "kills": kills,
        "think_s": options.think,
        "seconds": round(seconds, 1),
        "votes_a_second": round(len(tally.acknowledged) / seconds, 1),
        **latencies(tally.seconds),
        "retries": tally.retries,
        "refused": dict(tally.refused),
        "load_average": os.getloadavg()[0],
        **found,
    }


def disturb(servers: Servers, tally: Tally, options: argparse.Namespace) -> int:
    """Kill a server at even steps of the work."""
    done = 0
    while done < options.kills:
        goal = options.votes * (done + 0.5) / options.kills
        limit = time.monotonic() + PATIENCE
        while len(tally.acknowledged) < goal and time.monotonic() < limit:
            time.sleep(0.02)
        servers.kill()
        done += 1
    return done


def judge(votes: Any, tally: Tally, raters: int) -> dict[str, int]:
    """The store against what was acknowledged."""
    cast = [row for row in votes.cast() if row.criterion == "overall"]
    by_code = Counter(row.code for row in cast)
    units = Counter(row.unit for row in cast if row.kind == "main")
    met = Counter((row.annotator, row.unit) for row in cast if row.kind == "main")
    events = Counter(row.slot for row in votes.log() if row.kind == "voted")
    return {
        "votes": len(cast),
        "acknowledged": len(tally.acknowledged),
        "lost": sum(by_code[task] == 0 for _, task in tally.acknowledged),
        "doubled": sum(n - 1 for n in by_code.values()) + sum(n - 1 for n in events.values() if n > 1),
        "acknowledged_to_two": len(tally.acknowledged) - len({task for _, task in tally.acknowledged}),
        "over_assigned": sum(n > raters for n in units.values()) + sum(n > 1 for n in met.values()),
    }


def latencies(seconds: list[float]) -> dict[str, float]:
    """Of a vote and its next task together, in milliseconds; waits for a killed server are among them."""
    ordered = sorted(seconds)
    at = {f"p{q}_ms": round(ordered[min(len(ordered) - 1, len(ordered) * q // 100)] * 1e3, 1) for q in (50, 95, 99)}
    return at | {"max_ms": round(ordered[-1] * 1e3, 1)}


@contextmanager
def store(kind: str, folder: Path) -> Iterator[str]:
    context = (
        helper("postgres_server").server() if kind == "postgresql" else nullcontext(f"sqlite:///{folder / 'votes'}")
    )
    with context as address:
        yield address


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--votes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--think", type=float, default=0.0, help="mean seconds between an annotator's votes")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.folder, options.address, options.serve)
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="load-", dir="/tmp") as folder,
        store(options.store, Path(folder)) as address,
    ):
        found = load(Path(folder), address, options)
    print(json.dumps(found))
    return int(any(found[name] for name in ("lost", "doubled", "acknowledged_to_two", "over_assigned")))


if __name__ == "__main__":
    sys.exit(main())
