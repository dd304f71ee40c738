"""The tables of the votes' store, and how an older store becomes a current one.

A new store is made by the same steps that bring an old one up to date, so there is one way to get there. The steps are
frozen: a change of the tables is a new step at the end. Written for SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Double, Integer, MetaData, Table, Text, insert, inspect, select, update

from magicvideo.errors import InputError

metadata = MetaData()

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text))
"""`schema`: number of steps done; `study`: the study's id."""

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("role", Text),
    Column("invited", Double),
    Column("expires", Double),
    Column("joined", Double),
    Column("last_vote", Integer),
)
"""Who was invited, by pseudonym. Times are seconds since the epoch. `last_vote`: the slot that undo takes back."""

blocks = Table(
    "blocks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("replicate", Integer),
    Column("holder", Text),
    Column("active_until", Double),
)
"""After `active_until` its open slots may go to others."""

slots = Table(
    "slots",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", Text),
    Column("block", Integer),
    Column("position", Integer),
    Column("kind", Text),
    Column("unit", Integer),
    Column("swapped", Integer),
    Column("state", Text),
    Column("holder", Text),
    Column("expires", Double),
)
"""One wanted vote each. `state`: free, leased (to `holder`, until `expires`) or done (by `holder`)."""

votes = Table(
    "votes",
    metadata,
    Column("annotator", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("criterion", Text, primary_key=True),
    Column("choice", Text),
    Column("reasons", Text),
    Column("mark", Text),
    Column("seconds", Double),
    Column("watched_left", Double),
    Column("watched_right", Double),
    Column("at", Double),
)
"""`reasons` and `mark` are JSON. `choice` is as seen on the screen."""

receipts = Table(
    "receipts",
    metadata,
    Column("annotator", Text, primary_key=True),
    Column("client", Text, primary_key=True),
    Column("slot", Integer),
)
"""Votes that were acknowledged, by the page's own name for them; they stay when a vote is undone."""

skips = Table(
    "skips",
    metadata,
    Column("annotator", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("unit", Integer),
    Column("reason", Text),
    Column("at", Double),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double),
    Column("annotator", Text),
    Column("kind", Text),
    Column("slot", Integer),
    Column("detail", Text),
)
"""What happened, in order; rows are added, and removed only with the person they are about. `detail` is JSON."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE people (id TEXT PRIMARY KEY, role TEXT NOT NULL, invited DOUBLE PRECISION NOT NULL,"
        " expires DOUBLE PRECISION NOT NULL, joined DOUBLE PRECISION)",
        "CREATE TABLE blocks (id INTEGER PRIMARY KEY, replicate INTEGER NOT NULL, holder TEXT,"
        " active_until DOUBLE PRECISION)",
        "CREATE INDEX blocks_holder ON blocks (holder)",
        "CREATE TABLE slots (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, block INTEGER NOT NULL,"
        " position INTEGER NOT NULL, kind TEXT NOT NULL, unit INTEGER NOT NULL, swapped INTEGER NOT NULL,"
        " state TEXT NOT NULL, holder TEXT, expires DOUBLE PRECISION, UNIQUE (block, position))",
        "CREATE INDEX slots_holder ON slots (holder, state)",
        "CREATE INDEX slots_unit ON slots (holder, unit)",
        "CREATE INDEX slots_state ON slots (state, expires)",
        "CREATE TABLE votes (annotator TEXT NOT NULL, slot INTEGER NOT NULL, criterion TEXT NOT NULL,"
        " choice TEXT NOT NULL, reasons TEXT NOT NULL, mark TEXT, seconds DOUBLE PRECISION NOT NULL,"
        " watched_left DOUBLE PRECISION NOT NULL, watched_right DOUBLE PRECISION NOT NULL,"
        " at DOUBLE PRECISION NOT NULL, PRIMARY KEY (annotator, slot, criterion), UNIQUE (slot, criterion))",
        "CREATE TABLE receipts (annotator TEXT NOT NULL, client TEXT NOT NULL, slot INTEGER NOT NULL,"
        " PRIMARY KEY (annotator, client))",
        "CREATE TABLE skips (annotator TEXT NOT NULL, slot INTEGER NOT NULL, unit INTEGER NOT NULL,"
        " reason TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, PRIMARY KEY (annotator, slot))",
        "CREATE TABLE events (id {counter}, at DOUBLE PRECISION NOT NULL, annotator TEXT, kind TEXT NOT NULL,"
        " slot INTEGER, detail TEXT NOT NULL)",
        "CREATE INDEX events_annotator ON events (annotator)",
    ),
    ("ALTER TABLE people ADD COLUMN last_vote INTEGER",),
    (
        "DROP INDEX slots_state",
        "CREATE INDEX slots_leased ON slots (expires) WHERE state = 'leased'",
        "CREATE INDEX blocks_active ON blocks (active_until)",
    ),
)
"""Step n brings a store from version n-1 to n. 1: the first store. 2: undo. 3: with an index of all slots by state, the
next of one's own slots was sought among all that are free."""
VERSION = len(STEPS)
COUNTER = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgresql": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
}


def migrate(connection: Connection, to: int = VERSION) -> int:
    """Bring the store up to version `to`, inside the caller's transaction; returns the version it had.

    Raises `InputError` for a store that a newer version of this program wrote.
    """
    had = version(connection)
    if had > VERSION:
        raise InputError(
            f"the votes' store has schema {had}, and this program knows up to {VERSION}; install a newer version"
        )
    quoted = {"counter": COUNTER[connection.dialect.name]}
    if had == 0:
        connection.exec_driver_sql("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute(insert(meta).values(name="schema", value="0"))
    for step in STEPS[had:to]:
        for statement in step:
            connection.exec_driver_sql(statement.format(**quoted))
    if had < to:
        connection.execute(update(meta).where(meta.c.name == "schema").values(value=str(to)))
    return had


def version(connection: Connection) -> int:
    """Steps done; 0 for an empty store."""
    if not inspect(connection).has_table("meta"):
        return 0
    return int(connection.execute(select(meta.c.value).where(meta.c.name == "schema")).scalar_one())
