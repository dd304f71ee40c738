"""A PostgreSQL server of its own for tests, from the system's binaries; gone when the block ends.

It listens on a socket in a private folder only. Root may not run PostgreSQL, so then an unprivileged user does.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLACES = "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"
NAMES = ("initdb", "postgres", "pg_ctl")


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL here, or None."""
    found = [p for place in PLACES for p in Path("/").glob(place.lstrip("/")) if all((p / n).exists() for n in NAMES)]
    on_path = shutil.which("initdb")
    return max(found, key=lambda p: p.parent.name, default=Path(on_path).parent if on_path else None)


@contextmanager
def server() -> Iterator[str]:
    """The address of a running server's database. Raises RuntimeError with the reason if it does not start."""
    place = binaries()
    if place is None:
        raise RuntimeError("no initdb and postgres here; on Debian and Ubuntu: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = _unprivileged()
    if user:
        shutil.chown(folder, user["user"], user["group"])
    data, log = folder / "data", folder / "log"
    settings = f"-k {folder} -c listen_addresses= -c max_connections=120"
    try:
        _call([place / "initdb", "-D", data, "-U", "study", "-A", "trust", "-E", "UTF8", "--no-sync"], folder, user)
        _call([place / "pg_ctl", "-D", data, "-w", "-t", "120", "-l", log, "-o", settings, "start"], folder, user)
        try:
            yield f"postgresql://study@/postgres?host={folder}"
        finally:
            _call([place / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """Who runs the server: nobody in particular, unless this is root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def _call(words: list[Any], folder: Path, user: dict[str, Any]) -> None:
    """Run a command; its output goes to a file, since a server that it starts would keep a pipe open."""
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            list(map(str, words)), cwd=folder, stdout=output, stderr=output, check=False, timeout=300, **user
        )
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{Path(words[0]).name}: {output.read()[-500:]}")
