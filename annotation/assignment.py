"""Which task an annotator gets next. Every question is answered from an index; nothing here scans the log.

In order: the task that is held; the next one of an own block; a block that nobody has; what others let lie. A unit's
slots are as many as it wants votes, and a slot is with one person at a time, so no pair can get too many. All of it
runs inside a transaction in which the person's row is locked, so one person's requests come one after the other.

Statements are built once, with places for values: to build one anew costs more than to run it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from annotation.schema import blocks, skips, slots

TRIES = 20
"""Claims that another server process may win before this one gives up for now."""
FREE, LEASED, DONE = "free", "leased", "done"
_Any = ColumnElement[Any]
_WHO: _Any = bindparam("who")
_NOW: _Any = bindparam("now")
_UNTIL: _Any = bindparam("until")
_ID: _Any = bindparam("this")
_AT: _Any = bindparam("replicate_at")
_FREE: _Any = literal_column(f"'{FREE}'")
_LEASED: _Any = literal_column(f"'{LEASED}'")
_DONE: _Any = literal_column(f"'{DONE}'")
_MAIN: _Any = literal_column("'main'")
"""Written out in the statements, so that the index of leased slots can serve them."""


@dataclass(frozen=True)
class Terms:
    """Of a lease: whose, now (seconds since the epoch), how long, and how many blocks one may take."""

    annotator: str
    now: float
    seconds: float
    most_rounds: int | None

    @property
    def until(self) -> float:
        return self.now + self.seconds

    @property
    def values(self) -> dict[str, Any]:
        """For the places in the statements."""
        return {"who": self.annotator, "now": self.now, "until": self.until}


@dataclass(frozen=True)
class Given:
    """A slot that is now held. `lost_by` had it until their lease ended, or None."""

    slot: Row[Any]
    new: bool
    lost_by: str | None = None


def held(connection: Connection, annotator: str) -> Row[Any] | None:
    """The slot that the annotator holds, its lease ended or not."""
    return connection.execute(HELD, {"who": annotator}).first()


def give(connection: Connection, terms: Terms, *, empty_handed: bool = False) -> Given | None:
    """Lease the next slot to the annotator, or None when nothing is left for them now.

    `empty_handed`: the caller knows that they hold none.
    """
    mine = None if empty_handed else held(connection, terms.annotator)
    kept = None if mine is None else _renew(connection, mine, terms)
    if kept is not None:
        return Given(kept, new=False)
    for _ in range(TRIES):
        found = _find(connection, terms)
        if found is None:
            return None
        taken = connection.execute(TAKE, {**terms.values, "this": found.id}).first()
        if taken is not None:
            keep_block(connection, found.block, terms)
            return Given(taken, new=True, lost_by=found.holder if found.state == LEASED else None)
    return None


def keep_block(connection: Connection, block: int, terms: Terms) -> None:
    """The holder of a block is at work on it."""
    connection.execute(KEEP_BLOCK, {**terms.values, "this": block})


def let_go(connection: Connection, slot: int, annotator: str) -> None:
    """Give up a lease."""
    connection.execute(LET_GO, {"this": slot, "who": annotator})


def rounds(connection: Connection, annotator: str) -> int:
    """Blocks that the annotator has taken."""
    return int(connection.execute(ROUNDS, {"who": annotator}).scalar_one())


def round_size(connection: Connection, annotator: str, block: int | None) -> int:
    """How many tasks of a block are, or may come to be, the annotator's."""
    return int(connection.execute(ROUND_SIZE, {"who": annotator, "this": block}).scalar_one())


def fresh(slot: Row[Any], terms: Terms) -> bool:
    """Whether less than half of a lease is over: nothing is to be written then."""
    return bool(slot.expires - terms.now >= terms.seconds / 2)


def anything(connection: Connection, terms: Terms) -> bool:
    """Whether the annotator holds something or could be given something now. Changes nothing."""
    if held(connection, terms.annotator) is not None or connection.execute(OWN, terms.values).first() is not None:
        return True
    if terms.most_rounds is not None and rounds(connection, terms.annotator) >= terms.most_rounds:
        return False
    return any(connection.execute(look, terms.values).first() is not None for look in LOOKS)


def _renew(connection: Connection, slot: Row[Any], terms: Terms) -> Row[Any] | None:
    """The slot with its lease prolonged; None if another process has just given it to someone else."""
    if fresh(slot, terms):
        return slot
    kept = connection.execute(PROLONG, {**terms.values, "this": slot.id}).first()
    keep_block(connection, slot.block, terms)
    return kept


def _find(connection: Connection, terms: Terms) -> Row[Any] | None:
    own = connection.execute(OWN, terms.values).first()
    if own is not None:
        return own
    if terms.most_rounds is not None and rounds(connection, terms.annotator) >= terms.most_rounds:
        return None
    if _claim_block(connection, terms):
        return connection.execute(OWN, terms.values).first()
    for wanted in (EXPIRED, ABANDONED):
        found = connection.execute(wanted, terms.values).first()
        if found is not None:
            return found
    return None


def _claim_block(connection: Connection, terms: Terms) -> bool:
    """Take a block that nobody has and that holds something new; of the replicate one is at, if there is one."""
    at = connection.execute(LAST_REPLICATE, terms.values).scalar() or 0
    for wanted in (OPEN_BLOCKS_HERE, OPEN_BLOCKS):
        if _claim(connection, wanted, {**terms.values, "replicate_at": at}):
            return True
    return False


def _claim(connection: Connection, wanted: Select[Any], values: dict[str, Any]) -> bool:
    for _ in range(TRIES):
        block = connection.execute(wanted, values).scalar()
        if block is None:
            return False
        if connection.execute(CLAIM, {**values, "this": block}).rowcount == 1:
            return True
    return False


def _new_unit(of: FromClause = slots) -> ColumnElement[bool]:
    """Whether a slot is an ordinary one with a pair that the annotator has not met."""
    before = slots.alias("met")
    met = exists().where(before.c.holder == _WHO, before.c.unit == of.c.unit, before.c.kind == _MAIN)
    return and_(of.c.kind == _MAIN, ~met, ~_refused(of))


def _refused(of: FromClause = slots) -> ColumnElement[bool]:
    """Whether the annotator has skipped the slot's pair."""
    return exists().where(skips.c.annotator == _WHO, skips.c.unit == of.c.unit)


def _suits() -> ColumnElement[bool]:
    """Whether a slot may go to the annotator who has its block."""
    before = slots.alias("before")
    answered = exists().where(
        before.c.holder == _WHO,
        before.c.unit == slots.c.unit,
        before.c.block == slots.c.block,
        before.c.kind == _MAIN,
        before.c.state == _DONE,
    )
    skipped = exists().where(skips.c.annotator == _WHO, skips.c.slot == slots.c.id)
    repeat = and_(slots.c.kind == "repeat", answered, ~skipped)
    gold = and_(slots.c.kind.in_(("identical", "degraded")), ~skipped)
    return or_(_new_unit(), repeat, gold)


def _own() -> Select[Any]:
    """Open slots of the annotator's blocks."""
    of_blocks = select(slots).join(blocks, blocks.c.id == slots.c.block).where(blocks.c.holder == _WHO)
    return of_blocks.where(slots.c.state == _FREE, _suits()).order_by(slots.c.block, slots.c.position).limit(1)


def _open_blocks() -> Select[Any]:
    """Blocks that nobody has and that hold something new."""
    something = exists().where(slots.c.block == blocks.c.id, slots.c.state == _FREE, _new_unit())
    return select(blocks.c.id).where(blocks.c.holder.is_(None), something).order_by(blocks.c.id).limit(1)


def _expired() -> Select[Any]:
    """Slots whose lease has ended."""
    over = and_(slots.c.state == _LEASED, slots.c.expires < _NOW)
    return select(slots).where(over, _new_unit()).order_by(slots.c.expires).limit(1)


def _abandoned() -> Select[Any]:
    """Open slots of the block whose holder has been away longest, of those away for a lease's time."""
    inside = slots.alias("inside")
    something = exists().where(inside.c.block == blocks.c.id, inside.c.state == _FREE, _new_unit(inside))
    away = select(blocks.c.id).where(blocks.c.active_until < _NOW, something).order_by(blocks.c.active_until).limit(1)
    open_ = select(slots).where(slots.c.block == away.scalar_subquery(), slots.c.state == _FREE, _new_unit())
    return open_.order_by(slots.c.position).limit(1)


def _take() -> Update:
    """Lease the slot unless someone was faster."""
    open_ = or_(slots.c.state == _FREE, and_(slots.c.state == _LEASED, slots.c.expires < _NOW))
    leased = update(slots).where(slots.c.id == _ID, open_)
    return leased.values(state=_LEASED, holder=_WHO, expires=_UNTIL)


def _round_size() -> Select[Any]:
    open_ = or_(slots.c.holder == _WHO, and_(slots.c.state == _FREE, ~_refused()))
    return select(func.count()).select_from(slots).where(slots.c.block == _ID, open_)


_IN_HAND = and_(slots.c.id == _ID, slots.c.holder == _WHO, slots.c.state == _LEASED)
HELD = select(slots).where(slots.c.holder == _WHO, slots.c.state == _LEASED).limit(1)
OWN = _own()
LOOKS = (_open_blocks(), _expired(), _abandoned())
OPEN_BLOCKS = LOOKS[0].with_for_update(skip_locked=True)
OPEN_BLOCKS_HERE = OPEN_BLOCKS.where(blocks.c.replicate == _AT)
EXPIRED, ABANDONED = (look.with_for_update(skip_locked=True, of=slots) for look in LOOKS[1:])
TAKE = _take().returning(*slots.c)
PROLONG = update(slots).where(_IN_HAND).values(expires=_UNTIL).returning(*slots.c)
LET_GO = update(slots).where(_IN_HAND).values(state=_FREE, holder=None, expires=None)
KEEP_BLOCK = update(blocks).where(blocks.c.id == _ID, blocks.c.holder == _WHO).values(active_until=_UNTIL)
CLAIM = update(blocks).where(blocks.c.id == _ID, blocks.c.holder.is_(None)).values(holder=_WHO, active_until=_UNTIL)
LAST_REPLICATE = select(blocks.c.replicate).where(blocks.c.holder == _WHO).order_by(blocks.c.id.desc()).limit(1)
ROUNDS = select(func.count()).where(blocks.c.holder == _WHO)
ROUND_SIZE = _round_size()
