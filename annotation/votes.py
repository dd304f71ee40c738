"""The votes of one study, on disk: leases, votes, undo, skips, and the log of all that happened.

Every method is one transaction: done and durable when it returns, or not done at all. Repeating one is harmless.
People are pseudonyms here; texts and systems are not known.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, insert, literal, select, update

from annotation import assignment
from annotation.assignment import DONE, LEASED, Terms
from annotation.database import Database
from annotation.media import keyed
from annotation.schema import blocks, events, meta, migrate, people, receipts, skips, slots, votes
from annotation.study import Study
from annotation.terms import Answer, Progress, Refused, Role, Watched
from magicvideo.errors import InputError

Clock = Callable[[], float]
"""Seconds since the epoch."""
SECONDS_MOST = 24 * 3600.0
_WHO: ColumnElement[Any] = bindparam("who")
_THIS: ColumnElement[Any] = bindparam("this")
_CLIENT: ColumnElement[Any] = bindparam("name")
PERSON = select(people).where(people.c.id == _WHO)
ADMIT = PERSON.with_for_update()
_RECEIPT = and_(receipts.c.annotator == _WHO, receipts.c.client == _CLIENT)
ASKED = select(slots, receipts.c.slot.label("seen")).join(receipts, _RECEIPT, isouter=True).where(slots.c.code == _THIS)
"""The slot of a code, and which slot's vote has had the client's name before."""
_MINE = and_(slots.c.id == _THIS, slots.c.holder == _WHO, slots.c.state == LEASED)
FINISH = update(slots).where(_MINE).values(state=DONE, expires=None)
LAST_VOTE = update(people).where(people.c.id == _WHO).values(last_vote=_THIS)


@dataclass(frozen=True)
class Ballot:
    """One vote as it came from a page, checked."""

    code: str
    """The task's opaque id."""
    client: str
    answers: Mapping[str, Answer]
    watched: Watched
    seconds: float


@dataclass(frozen=True)
class Person:
    id: str
    role: Role
    expires: float


class Votes:
    """The store of one study at one address. Share it between threads; open one for each process."""

    def __init__(self, study: Study, address: str, clock: Clock = time.time) -> None:
        self.study, self.clock = study, clock
        self.database = Database(address, study.id)
        try:
            self._prepare()
        except BaseException:
            self.database.close()
            raise

    def close(self) -> None:
        self.database.close()

    # People

    def invite(self, person: str, role: Role, expires: float) -> None:
        """Let someone in until `expires`; again, it changes role and date."""
        with self.database.writing() as connection:
            known = connection.execute(select(people.c.id).where(people.c.id == person)).first()
            if known is None:
                row = {"id": person, "role": role, "invited": self.clock(), "expires": expires}
                connection.execute(insert(people).values(row))
            else:
                connection.execute(update(people).where(people.c.id == person).values(role=role, expires=expires))
            self._log(connection, "invited", person, detail={"role": role, "expires": expires})

    def person(self, person: str, ended: bool = False) -> Person | None:
        """Who was invited and may still come (with `ended` also who may not any more), or None."""
        with self.database.reading() as connection:
            row = connection.execute(PERSON, {"who": person}).first()
        if row is None or (row.expires < self.clock() and not ended):
            return None
        return Person(row.id, row.role, row.expires)

    def forget(self, person: str) -> dict[str, int]:
        """Delete all that is known of a person: invitation, votes, skips, log. Their pairs want votes again.

        Returns how much of each was removed; that is logged too, without saying who. Raises `InputError` for an
        unknown one.
        """
        with self.database.writing() as connection:
            if self._lock(connection, person) is None:
                raise InputError(f"no annotator {person!r} in this study; `magicvideo study status` lists them")
            removed = {"votes": connection.execute(delete(votes).where(votes.c.annotator == person)).rowcount}
            for name, table in (("receipts", receipts), ("skips", skips), ("events", events)):
                removed[name] = connection.execute(delete(table).where(table.c.annotator == person)).rowcount
            freed = {"state": assignment.FREE, "holder": None, "expires": None}
            connection.execute(update(slots).where(slots.c.holder == person).values(freed))
            open_ = {"holder": None, "active_until": None}
            connection.execute(update(blocks).where(blocks.c.holder == person).values(open_))
            connection.execute(delete(people).where(people.c.id == person))
            self._log(connection, "forgotten", None, detail=removed)
        return removed

    # Tasks

    def next(self, person: str) -> Row[Any] | None:
        """The slot that the person holds, else the next one, else None."""
        terms = self._terms(person)
        with self.database.reading() as connection:
            mine = assignment.held(connection, person)
        if mine is not None and assignment.fresh(mine, terms):
            return mine
        with self.database.writing() as connection:
            self._admit(connection, person)
            return self._give(connection, terms)

    def upcoming(self, person: str) -> Row[Any] | None:
        """The slot that would be given after the held one, if it is of the same block. Nothing is leased."""
        with self.database.reading() as connection:
            return connection.execute(assignment.OWN, {"who": person}).first()

    def vote(self, person: str, ballot: Ballot) -> tuple[bool, Row[Any] | None]:
        """(repeated, next slot). Raises `Refused` ("task")."""
        terms = self._terms(person)
        with self.database.writing() as connection:
            self._admit(connection, person)
            repeated = self._cast(connection, terms, ballot)
            return repeated, self._give(connection, terms, empty_handed=not repeated)

    def undo(self, person: str) -> Row[Any] | None:
        """Take back the last vote: its slot is held again and returned. None if there is nothing to take back."""
        terms = self._terms(person)
        with self.database.writing() as connection:
            last = self._admit(connection, person).last_vote
            if last is None:
                return None
            held = assignment.held(connection, person)
            if held is not None:
                assignment.let_go(connection, held.id, person)
            mine = and_(slots.c.id == last, slots.c.holder == person, slots.c.state == DONE)
            again = {"state": LEASED, "expires": terms.until}
            connection.execute(update(slots).where(mine).values(again))
            connection.execute(delete(votes).where(votes.c.annotator == person, votes.c.slot == last))
            connection.execute(update(people).where(people.c.id == person).values(last_vote=None))
            self._log(connection, "undone", person, last)
            return connection.execute(select(slots).where(slots.c.id == last)).one()

    def skip(self, person: str, code: str, reason: str) -> Row[Any] | None:
        """Give a slot back for good; returns the next one. A slot that is not held is left alone."""
        terms = self._terms(person)
        with self.database.writing() as connection:
            self._admit(connection, person)
            slot = self._slot(connection, code)
            known = select(skips.c.slot).where(skips.c.annotator == person, skips.c.slot == slot.id)
            if connection.execute(known).first() is None:
                if slot.holder != person or slot.state != LEASED:
                    raise _not_yours()
                assignment.let_go(connection, slot.id, person)
                row = {"annotator": person, "slot": slot.id, "unit": slot.unit, "reason": reason, "at": terms.now}
                connection.execute(insert(skips).values(row))
                self._log(connection, "skipped", person, slot.id, {"reason": reason})
            return self._give(connection, terms)

    def progress(self, person: str) -> Progress:
        """How far the person is; looks, and changes nothing."""
        terms = self._terms(person)
        with self.database.reading() as connection:
            row = connection.execute(PERSON, {"who": person}).first()
            mine = and_(slots.c.holder == person, slots.c.state == DONE)
            done = connection.execute(select(func.count()).where(mine)).scalar_one()
            last = select(func.max(blocks.c.id)).where(blocks.c.holder == person)
            block = connection.execute(last).scalar()
            size = assignment.round_size(connection, person, block)
            round_done = connection.execute(select(func.count()).where(mine, slots.c.block == block)).scalar_one()
            number = assignment.rounds(connection, person)
            left = assignment.anything(connection, terms)
        return Progress(done, round_done, size, number, row is not None and row.last_vote is not None, not left)

    # For the owner

    def cast(self) -> list[Row[Any]]:
        """All votes with their slots, in a fixed order."""
        wanted = select(votes, slots.c.code, slots.c.block, slots.c.kind, slots.c.unit, slots.c.swapped)
        order = (votes.c.slot, votes.c.criterion)
        with self.database.reading() as connection:
            return list(connection.execute(wanted.join(slots, slots.c.id == votes.c.slot).order_by(*order)))

    def faults(self) -> dict[str, dict[str, int]]:
        """Annotator -> what happened -> how often, of skips (by reason) and lost leases."""
        found = dict[str, dict[str, int]]()
        skipped = select(skips.c.annotator, skips.c.reason, func.count()).group_by(skips.c.annotator, skips.c.reason)
        lost = select(events.c.annotator, literal("lease lost"), func.count()).where(events.c.kind == "expired")
        with self.database.reading() as connection:
            for wanted in (skipped, lost.group_by(events.c.annotator)):
                for who, what, count in connection.execute(wanted):
                    found.setdefault(who, {})[what] = count
        return found

    def counts(self) -> dict[str, int]:
        """Ordinary slots by state ("wanted" is all of them), and `invited` annotators."""
        by_state = select(slots.c.state, func.count()).where(slots.c.kind == "main").group_by(slots.c.state)
        live = and_(slots.c.kind == "main", slots.c.state == LEASED, slots.c.expires >= self.clock())
        with self.database.reading() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(by_state)}
            leased = connection.execute(select(func.count()).where(live)).scalar_one()
            invited = select(func.count()).where(people.c.role == "annotator")
            people_in = connection.execute(invited).scalar_one()
        return {"done": found.get(DONE, 0), "wanted": sum(found.values()), "leased": leased, "invited": people_in}

    def log(self) -> list[Row[Any]]:
        """All events, in order."""
        with self.database.reading() as connection:
            return list(connection.execute(select(events).order_by(events.c.id)))

    # Inside a transaction

    def _prepare(self) -> None:
        with self.database.alone() as connection:
            migrate(connection)
            there = connection.execute(select(meta.c.value).where(meta.c.name == "study")).scalar()
            if there is None:
                connection.execute(insert(meta).values(name="study", value=self.study.id))
                bundle = self.study.bundle
                rows = [{"id": n, "replicate": r} for n, r in enumerate(bundle.replicates)]
                connection.execute(insert(blocks), rows)
                connection.execute(insert(slots), [self._row(n, slot) for n, slot in enumerate(bundle.slots)])
            elif there != self.study.id:
                raise InputError(
                    f"the votes' store is of the study {there}, not {self.study.id}; name another database"
                )

    def _row(self, number: int, slot: tuple[int, int, str, int, bool]) -> dict[str, Any]:
        block, position, kind, unit, swapped = slot
        code = keyed(self.study.secret, "task", str(number))[:24]
        place = {"id": number, "code": code, "block": block, "position": position}
        return place | {"kind": kind, "unit": unit, "swapped": int(swapped), "state": assignment.FREE}

    def _terms(self, person: str) -> Terms:
        rules = self.study.bundle.rules
        return Terms(person, self.clock(), rules.lease_minutes * 60, rules.most_rounds)

    def _lock(self, connection: Connection, person: str) -> Row[Any] | None:
        return connection.execute(ADMIT, {"who": person}).first()

    def _admit(self, connection: Connection, person: str) -> Row[Any]:
        """The person's row, locked. Raises `Refused` for someone who is not (any more) invited."""
        row = self._lock(connection, person)
        if row is None:
            raise Refused("invitation", "this invitation is not valid any more; ask the study's owner for a new one")
        if row.joined is None:
            connection.execute(update(people).where(people.c.id == person).values(joined=self.clock()))
            self._log(connection, "joined", person)
        return row

    def _slot(self, connection: Connection, code: str) -> Row[Any]:
        slot = connection.execute(select(slots).where(slots.c.code == code)).first()
        if slot is None:
            raise _not_yours()
        return slot

    def _give(self, connection: Connection, terms: Terms, *, empty_handed: bool = False) -> Row[Any] | None:
        given = assignment.give(connection, terms, empty_handed=empty_handed)
        if given is None:
            return None
        if given.lost_by is not None:
            self._log(connection, "expired", given.lost_by, given.slot.id)
        if given.new:
            self._log(connection, "leased", terms.annotator, given.slot.id)
        return given.slot

    def _cast(self, connection: Connection, terms: Terms, ballot: Ballot) -> bool:
        """Write the vote, unless it is there already. Returns whether it was."""
        values = {"who": terms.annotator, "this": ballot.code, "name": ballot.client}
        slot = connection.execute(ASKED, values).first()
        if slot is None:
            raise _not_yours()
        if slot.seen is not None and slot.seen != slot.id:
            raise Refused("task", "this vote's name was used for another task; make a new one for each vote")
        if slot.seen is not None or (slot.holder == terms.annotator and slot.state == DONE):
            return True
        mine = {"who": terms.annotator, "this": slot.id}
        if connection.execute(FINISH, mine).rowcount != 1:
            raise _not_yours()
        connection.execute(insert(votes), self._rows(terms, slot.id, ballot))
        connection.execute(insert(receipts), {"annotator": terms.annotator, "client": ballot.client, "slot": slot.id})
        connection.execute(LAST_VOTE, mine)
        self._log(connection, "voted", terms.annotator, slot.id, _plain(ballot))
        return False

    def _rows(self, terms: Terms, slot: int, ballot: Ballot) -> list[dict[str, Any]]:
        watched = {"watched_left": ballot.watched.left, "watched_right": ballot.watched.right}
        common = {"annotator": terms.annotator, "slot": slot, "at": terms.now, "seconds": ballot.seconds, **watched}
        return [
            common
            | {
                "criterion": criterion,
                "choice": answer.choice,
                "reasons": json.dumps(answer.reasons),
                "mark": None if answer.mark is None else json.dumps(asdict(answer.mark)),
            }
            for criterion, answer in ballot.answers.items()
        ]

    def _log(
        self, connection: Connection, kind: str, who: str | None, slot: int | None = None, detail: Any = None
    ) -> None:
        row = {"at": self.clock(), "annotator": who, "kind": kind, "slot": slot, "detail": json.dumps(detail or {})}
        connection.execute(insert(events), row)


def _plain(ballot: Ballot) -> dict[str, Any]:
    """The vote as it is kept in the log, so that an undone one can still be read."""
    answers = {criterion: asdict(answer) for criterion, answer in ballot.answers.items()}
    watched = [ballot.watched.left, ballot.watched.right]
    return {"client": ballot.client, "answers": answers, "watched": watched, "seconds": ballot.seconds}


def _not_yours() -> Refused:
    return Refused("task", "this pair is not with you (any more): it went to someone else. Go on with the next one")
