"""Connections to a votes' store: SQLite in a file, or PostgreSQL by address. Knows transactions, not votes.

SQLite runs with a write-ahead log, `synchronous=FULL` (a commit survives a loss of power) and writers that wait for
each other. In PostgreSQL every study has a schema of its own, so studies may share a database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from magicvideo.errors import InputError

ADDRESS = "MAGICVIDEO_STUDY_DATABASE"
"""Environment variable that names a database for studies; without it votes are in the study's folder."""
BUSY_SECONDS = 30.0
LOCK = 7_301_466_020_118_001
"""PostgreSQL's advisory lock while a store is made or migrated."""


class Database:
    """One study's tables. Safe to share between threads; use one for each process."""

    def __init__(self, address: str, study_id: str) -> None:
        url = _url(address)
        self.sqlite = url.get_backend_name() == "sqlite"
        self.schema = f"study_{study_id}"
        self.engine = _sqlite(url) if self.sqlite else _postgresql(url, self.schema)
        # Threads of one process queue up here in turn; SQLite's own waiting sleeps and lets others pass.
        self._turn: Any = threading.Lock() if self.sqlite else nullcontext()
        # PostgreSQL's transactions see what was committed before each statement: to read, none is needed.
        self._reads: Any = {"reading": True} if self.sqlite else {"isolation_level": "AUTOCOMMIT"}

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that is on disk when the block ends, or undone if it raises."""
        try:
            with self._turn, self.engine.begin() as connection:
                yield connection
        except (OperationalError, DBAPIError) as error:
            raise _unreachable(self.engine, error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A look that keeps no writer waiting; in SQLite one moment for all statements of the block."""
        try:
            with self.engine.connect().execution_options(**self._reads) as connection:
                yield connection
        except (OperationalError, DBAPIError) as error:
            raise _unreachable(self.engine, error) from error

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction that no other process's `alone` runs beside: for making and migrating tables."""
        with self.writing() as connection:
            if not self.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def address_of(folder: Path, named: str | None = None) -> str:
    """The address named, else that of the environment, else SQLite in the study's folder."""
    return named or os.environ.get(ADDRESS) or f"sqlite:///{(folder / 'votes.sqlite').absolute()}"


def _url(address: str) -> URL:
    try:
        url = make_url(address)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        raise _unknown() from None
    if backend not in ("sqlite", "postgresql") or (backend == "sqlite" and not url.database):
        raise _unknown()
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else url


def _unknown() -> InputError:
    return InputError("the studies' database must be postgresql://USER:PASSWORD@HOST/NAME or sqlite:////PATH")


def _unreachable(engine: Engine, error: Exception) -> InputError:
    """What to tell of a database that does not answer; the password is left out."""
    where = engine.url.render_as_string(hide_password=True)
    reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
    return InputError(f"the votes' store at {where} does not answer: {reason}. Nothing was lost; try again")


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions by itself, and too late
        for pragma in (f"busy_timeout={int(BUSY_SECONDS * 1000)}", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, schema: str) -> Engine:
    try:
        return create_engine(
            url,
            pool_size=8,
            max_overflow=24,
            pool_pre_ping=True,
            connect_args={"options": f"-csearch_path={schema}", "connect_timeout": 10},
        )
    except ModuleNotFoundError:
        raise InputError("PostgreSQL needs psycopg: pip install 'magicvideo[postgres]'") from None
