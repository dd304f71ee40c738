"""Which task an annotator gets next. Every question is answered from an index; nothing here scans the log.

In order: the task that is held; the next one of an own block; a block that nobody has; what others let lie. A unit's
slots are as many as it wants votes, and a slot is with one person at a time, so no pair can get too many. All of it
runs inside a transaction in which the person's row is locked, so one person's requests come one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select, update

from annotation.schema import blocks, skips, slots

TRIES = 20
"""Claims that another server process may win before this one gives up for now."""
FREE, LEASED, DONE = "free", "leased", "done"


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


@dataclass(frozen=True)
class Given:
    """A slot that is now held, as it was before. `lost_by` had it until their lease ended, or None."""

    slot: Row[Any]
    new: bool
    lost_by: str | None = None


def held(connection: Connection, annotator: str) -> Row[Any] | None:
    """The slot that the annotator holds, its lease ended or not."""
    wanted = select(slots).where(slots.c.holder == annotator, slots.c.state == LEASED).limit(1)
    return connection.execute(wanted).first()


def give(connection: Connection, terms: Terms) -> Given | None:
    """Lease the next slot to the annotator, or None when nothing is left for them now."""
    mine = held(connection, terms.annotator)
    if mine is not None and _renew(connection, mine, terms):
        return Given(mine, new=False)
    for _ in range(TRIES):
        found = _find(connection, terms)
        if found is None:
            return None
        taken = _take(connection, found, terms)
        if taken:
            keep_block(connection, found.block, terms)
            return Given(found, new=True, lost_by=found.holder if found.state == LEASED else None)
    return None


def keep_block(connection: Connection, block: int, terms: Terms) -> None:
    """The holder of a block is at work on it."""
    mine = and_(blocks.c.id == block, blocks.c.holder == terms.annotator)
    connection.execute(update(blocks).where(mine).values(active_until=terms.until))


def let_go(connection: Connection, slot: int, annotator: str) -> None:
    """Give up a lease."""
    mine = and_(slots.c.id == slot, slots.c.holder == annotator, slots.c.state == LEASED)
    connection.execute(update(slots).where(mine).values(state=FREE, holder=None, expires=None))


def rounds(connection: Connection, annotator: str) -> int:
    """Blocks that the annotator has taken."""
    return connection.execute(select(func.count()).where(blocks.c.holder == annotator)).scalar_one()


def fresh(slot: Row[Any], terms: Terms) -> bool:
    """Whether less than half of a lease is over: nothing is to be written then."""
    return bool(slot.expires - terms.now >= terms.seconds / 2)


def round_size(annotator: str, block: int | None) -> Select[Any]:
    """Counts the tasks of a block that are, or may come to be, the annotator's."""
    refused = exists().where(skips.c.annotator == annotator, skips.c.unit == slots.c.unit)
    open_ = or_(slots.c.holder == annotator, and_(slots.c.state == FREE, ~refused))
    return select(func.count()).select_from(slots).where(slots.c.block == block, open_)


def _renew(connection: Connection, slot: Row[Any], terms: Terms) -> bool:
    """Prolong the lease; False if another process has just given the slot to someone else."""
    if fresh(slot, terms):
        return True
    mine = and_(slots.c.id == slot.id, slots.c.holder == terms.annotator, slots.c.state == LEASED)
    kept = connection.execute(update(slots).where(mine).values(expires=terms.until)).rowcount == 1
    keep_block(connection, slot.block, terms)
    return kept


def anything(connection: Connection, terms: Terms) -> bool:
    """Whether the annotator holds something or could be given something now. Changes nothing."""
    if held(connection, terms.annotator) is not None or connection.execute(_own(terms)).first() is not None:
        return True
    if terms.most_rounds is not None and rounds(connection, terms.annotator) >= terms.most_rounds:
        return False
    looks = (_open_blocks(connection, terms), _expired(terms), _abandoned(terms))
    return any(connection.execute(look).first() is not None for look in looks)


def _find(connection: Connection, terms: Terms) -> Row[Any] | None:
    own = connection.execute(_own(terms)).first()
    if own is not None:
        return own
    if terms.most_rounds is not None and rounds(connection, terms.annotator) >= terms.most_rounds:
        return None
    if _claim_block(connection, terms):
        return connection.execute(_own(terms)).first()
    for wanted in (_expired(terms), _abandoned(terms)):
        found = connection.execute(wanted.with_for_update(skip_locked=True, of=slots)).first()
        if found is not None:
            return found
    return None


def _take(connection: Connection, slot: Row[Any], terms: Terms) -> bool:
    """Lease the slot unless someone was faster."""
    open_ = or_(slots.c.state == FREE, and_(slots.c.state == LEASED, slots.c.expires < terms.now))
    leased = update(slots).where(slots.c.id == slot.id, open_)
    done = connection.execute(leased.values(state=LEASED, holder=terms.annotator, expires=terms.until))
    return done.rowcount == 1


def _own(terms: Terms) -> Select[Any]:
    """Open slots of the annotator's blocks."""
    mine = and_(slots.c.state == FREE, _suits(terms.annotator))
    held_blocks = select(slots).join(blocks, blocks.c.id == slots.c.block).where(blocks.c.holder == terms.annotator)
    return held_blocks.where(mine).order_by(slots.c.block, slots.c.position).limit(1)


def _claim_block(connection: Connection, terms: Terms) -> bool:
    """Take a block that nobody has and that holds something new; of the replicate one is at, if there is one."""
    wanted = _open_blocks(connection, terms).with_for_update(skip_locked=True)
    for _ in range(TRIES):
        block = connection.execute(wanted).scalar()
        if block is None:
            return False
        free = and_(blocks.c.id == block, blocks.c.holder.is_(None))
        values = {"holder": terms.annotator, "active_until": terms.until}
        if connection.execute(update(blocks).where(free).values(values)).rowcount == 1:
            return True
    return False


def _open_blocks(connection: Connection, terms: Terms) -> Select[Any]:
    last = select(blocks.c.replicate).where(blocks.c.holder == terms.annotator).order_by(blocks.c.id.desc()).limit(1)
    at = connection.execute(last).scalar()
    something = exists().where(slots.c.block == blocks.c.id, slots.c.state == FREE, _new_unit(terms.annotator))
    open_ = select(blocks.c.id).where(blocks.c.holder.is_(None), something)
    order = (blocks.c.replicate != (0 if at is None else at), blocks.c.id)
    return open_.order_by(*order).limit(1)


def _expired(terms: Terms) -> Select[Any]:
    """Slots whose lease has ended."""
    over = and_(slots.c.state == LEASED, slots.c.expires < terms.now)
    return select(slots).where(over, _new_unit(terms.annotator)).order_by(slots.c.expires).limit(1)


def _abandoned(terms: Terms) -> Select[Any]:
    """Open slots of blocks whose holder has been away for a lease's time."""
    away = select(slots).join(blocks, blocks.c.id == slots.c.block).where(blocks.c.active_until < terms.now)
    return away.where(slots.c.state == FREE, _new_unit(terms.annotator)).order_by(slots.c.id).limit(1)


def _suits(annotator: str) -> ColumnElement[bool]:
    """Whether a slot may go to the annotator who has its block."""
    before = slots.alias("before")
    answered = exists().where(
        before.c.holder == annotator,
        before.c.unit == slots.c.unit,
        before.c.block == slots.c.block,
        before.c.kind == "main",
        before.c.state == DONE,
    )
    repeat = and_(slots.c.kind == "repeat", answered, ~_skipped(annotator))
    gold = and_(slots.c.kind.in_(("identical", "degraded")), ~_skipped(annotator))
    return or_(_new_unit(annotator), repeat, gold)


def _new_unit(annotator: str) -> ColumnElement[bool]:
    """Whether a slot is an ordinary one with a pair that the annotator has not met."""
    before = slots.alias("met")
    met = exists().where(before.c.holder == annotator, before.c.unit == slots.c.unit, before.c.kind == "main")
    refused = exists().where(skips.c.annotator == annotator, skips.c.unit == slots.c.unit)
    return and_(slots.c.kind == "main", ~met, ~refused)


def _skipped(annotator: str) -> ColumnElement[bool]:
    return exists().where(skips.c.annotator == annotator, skips.c.slot == slots.c.id)
