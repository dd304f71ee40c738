"""Stores of both kinds, and small studies to put into them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import create_engine, text

from annotation.invitations import invite
from annotation.session import Session
from annotation.study import Study
from annotation.terms import Answer, Receipt, Role, Task, Watched
from annotation.votes import Votes

HERE = Path(__file__).parent
START = 1_900_000_000.0


def helper(name: str) -> ModuleType:
    """A module of this folder that is no test."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@dataclass
class Clock:
    """Seconds since the epoch; goes on by hand."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """A study and its store. `open` gives a session of somebody invited on the spot."""

    study: Study
    votes: Votes
    clock: Clock

    def token(self, who: str | None = None, role: Role = "annotator", days: float = 30) -> str:
        return invite(self.study, self.votes, who, role, days)[1]

    def open(self, who: str | None = None, role: Role = "annotator") -> Session:
        from annotation.invitations import admit

        return Session(self.study, self.votes, admit(self.study, self.votes, self.token(who, role)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real server; tests that need it are skipped, with the reason, where none can be had."""
    pytest.importorskip("psycopg", reason="PostgreSQL needs psycopg: pip install 'magicvideo[postgres]'")
    running = helper("postgres_server").server()
    try:
        address = running.__enter__()
    except RuntimeError as error:
        pytest.skip(f"PostgreSQL: {error}")
    yield address
    running.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'votes.sqlite'}"
        return
    found: str = request.getfixturevalue("postgres")
    yield found
    engine = create_engine(found.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        names = connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'study_%'")).scalars()
        for name in list(names):
            connection.exec_driver_sql(f'DROP SCHEMA "{name}" CASCADE')
    engine.dispose()


@pytest.fixture
def freeze() -> Callable[..., Study]:
    """`small_study.freeze`."""
    found: Callable[..., Study] = helper("small_study").freeze
    return found


@pytest.fixture
def place(address: str, tmp_path: Path, freeze: Callable[..., Study]) -> Iterator[Place]:
    """Six prompts, three systems, two votes on each pair, rounds of nine."""
    made = make_place(freeze(tmp_path / "study"), address)
    yield made
    made.votes.close()


def make_place(study: Study, address: str) -> Place:
    clock = Clock()
    return Place(study, Votes(study, address, clock), clock)


@pytest.fixture
def make() -> Callable[[Study, str], Place]:
    return make_place


def cast(session: Session, task: Task, client: str | None = None, choice: str = "left") -> Receipt:
    """Vote on a task as a careful person does."""
    answers = {"overall": Answer(choice)}  # type: ignore[arg-type]
    return session.vote(task.id, client or f"c-{task.id}", answers, Watched(1, 1), 5)


@pytest.fixture
def vote() -> Callable[..., Receipt]:
    return cast
