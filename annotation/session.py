"""What a page of the annotation tool may ask for: one person's session in one study.

Everything a page shows comes from here, and nothing here tells an annotator which system made a video, or whether a
task is a repeat or a check. All state is in the store: a `Session` may be opened anew at every request, in any process.

    session = Session.open(Path("studies/mine"), token)
    task = session.next_task()
    receipt = session.vote(task.id, client_id, {"overall": Answer("left")}, Watched(1.0, 0.9), seconds=14.2)
    task = receipt.next
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from annotation.database import address_of
from annotation.invitations import admit, admit_claims, invite
from annotation.study import BUNDLE, Study, read_study
from annotation.terms import (
    Answer,
    Choice,
    Example,
    Live,
    Progress,
    Question,
    Receipt,
    Refused,
    Role,
    Side,
    Task,
    Watched,
)
from annotation.votes import SECONDS_MOST, Ballot, Person, Votes
from magicvideo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

CLIENT = re.compile(r"[A-Za-z0-9-]{1,64}")
CODE = re.compile(r"[0-9a-f]{24}")
MARK_SECONDS_MOST = 3600.0


@dataclass(frozen=True)
class Session:
    """One person in one study. Make it with `open` or `open_claims`."""

    study: Study
    votes: Votes
    person: Person

    @classmethod
    def open(cls, study_folder: Path, token: str, database: str | None = None) -> Self:
        """The session of an invitation. Cheap enough for every request: studies and connections are kept.

        `database` is an SQLAlchemy address; None means $MAGICVIDEO_STUDY_DATABASE, else SQLite in the study's folder.
        Raises `Refused` with code "invitation" for a token that is forged, expired, withdrawn or of another study.
        """
        study, votes = opened(study_folder, database)
        return cls(study, votes, admit(study, votes, token))

    @classmethod
    def open_claims(cls, study_folder: Path, claims: Mapping[str, object], database: str | None = None) -> Self:
        """The session of someone who signed in by OpenID Connect (`st.user.to_dict()`) and whose address was invited.

        Raises `Refused` with code "invitation" for anyone else.
        """
        study, votes = opened(study_folder, database)
        return cls(study, votes, admit_claims(study, votes, claims))

    @property
    def annotator(self) -> str:
        """Pseudonymous id."""
        return self.person.id

    @property
    def role(self) -> Role:
        return self.person.role

    @property
    def study_id(self) -> str:
        return self.study.id

    @property
    def title(self) -> str:
        return self.study.bundle.title

    @property
    def instructions(self) -> str:
        """Plain text; blank lines separate paragraphs."""
        return self.study.bundle.instructions

    @property
    def questions(self) -> tuple[Question, ...]:
        return self.study.bundle.questions

    @property
    def skip_reasons(self) -> tuple[str, ...]:
        return self.study.bundle.skip_reasons

    @property
    def min_watched(self) -> float:
        """Share of both videos to watch before voting, in [0,1]. The page holds it; votes below it are flagged."""
        return self.study.bundle.rules.min_watched

    def examples(self) -> tuple[Example, ...]:
        """Trained examples for the instructions page."""
        return self.study.examples()

    def media_path(self, name: str) -> Path:
        """The file of a `Media.name`. Raises `Refused` ("media") for anything that is not the name of a video here."""
        try:
            return self.study.media_path(name)
        except InputError as error:
            raise Refused("media", str(error)) from None

    def next_task(self) -> Task | None:
        """The task this annotator holds (its lease renewed), else the next one, else None. Safe to repeat."""
        return self._task(self.votes.next(self.annotator))

    def upcoming(self) -> tuple[str, str] | None:
        """Names of the videos that come after this pair, to be fetched early; None at a round's end. Leases nothing."""
        task = self._task(self.votes.upcoming(self.annotator))
        return None if task is None else (task.left.name, task.right.name)

    def vote(
        self, task_id: str, client_id: str, answers: Mapping[str, Answer], watched: Watched, seconds: float
    ) -> Receipt:
        """Cast a vote; on disk when this returns.

        `client_id` is a random name (up to 64 letters, digits, dashes) that the page makes once per vote and sends
        again when it retries. `seconds` is the time from both videos being ready to the vote. Voting again on a task
        that is voted, with this or another client id, changes nothing. Raises `Refused`: "task" (no such task, or not
        leased to this annotator), "answers" (unknown question or choice, a required one missing, a number out of
        range), "size".
        """
        if not isinstance(client_id, str) or not CLIENT.fullmatch(client_id):
            raise Refused("size", "a vote's name has 1 to 64 letters, digits and dashes")
        self._check(answers)
        _within("the seconds", seconds, SECONDS_MOST)
        _within("the watched share", watched.left, 1)
        _within("the watched share", watched.right, 1)
        ballot = Ballot(_code(task_id), client_id, dict(answers), watched, float(seconds))
        repeated, following = self.votes.vote(self.annotator, ballot)
        return Receipt(task_id, repeated, self._task(following))

    def undo(self) -> Task | None:
        """Take back this annotator's last vote: the task is held again and returned. None if there is none.

        The task that was held meanwhile is let go. One step: after it, undo needs another vote first.
        """
        return self._task(self.votes.undo(self.annotator))

    def skip(self, task_id: str, reason: str) -> Task | None:
        """Give the task back with one of `skip_reasons`; it goes to someone else. Returns the next task or None.

        Raises `Refused`: "task" (not leased to this annotator), "reason" (none of the study's).
        """
        if reason not in self.skip_reasons:
            raise Refused("reason", f"a task is skipped for one of: {'; '.join(self.skip_reasons)}")
        return self._task(self.votes.skip(self.annotator, _code(task_id), reason))

    def progress(self) -> Progress:
        return self.votes.progress(self.annotator)

    def live(self) -> Live:
        """Owner only, else `Refused` ("role")."""
        self._owner()
        from annotation.owner import live

        return live(self.study, self.votes)

    def export(self) -> pd.DataFrame:
        """Owner only. The tidy frame of votes, with `annotation.export.COLUMNS`."""
        self._owner()
        from annotation.owner import export

        return export(self.study, self.votes)

    def invite(self, who: str | None = None, role: Role = "annotator", days: float = 30) -> str:
        """Owner only. A new invitation's token. `who` (an address, a name) is hashed with the study's key, not kept."""
        self._owner()
        return invite(self.study, self.votes, who, role, days)[1]

    def _owner(self) -> None:
        if self.role != "owner":
            raise Refused("role", "this is for the study's owner")

    def _task(self, slot: Any) -> Task | None:
        if slot is None:
            return None
        item, left, right = self.study.sides(slot.kind, slot.unit, bool(slot.swapped))
        seen, other = (self.study.media(item.key, side) for side in (left, right))
        return Task(slot.code, item.prompt, seen, other, slot.expires)

    def _check(self, answers: Mapping[str, Answer]) -> None:
        known = {question.id: question for question in self.questions}
        missing = next((q.text for q in self.questions if q.required and q.id not in answers), None)
        if missing is not None:
            raise Refused("answers", f"this question needs an answer: {missing}")
        for name, answer in answers.items():
            if name not in known:
                raise Refused("answers", f"no such question; known: {', '.join(known)}")
            if answer.choice not in get_args(Choice):
                raise Refused("answers", f"{name}: a choice is one of {', '.join(get_args(Choice))}")
            if len(answer.reasons) != len(set(answer.reasons)) or not set(answer.reasons) <= set(known[name].reasons):
                raise Refused("answers", f"{name}: reasons are of: {'; '.join(known[name].reasons)}")
            if answer.mark is not None:
                if answer.mark.side not in get_args(Side):
                    raise Refused("answers", f"{name}: a mark is on the left or the right")
                _within("a mark's second", answer.mark.second, MARK_SECONDS_MOST)
                _within("a mark's place", answer.mark.x, 1)
                _within("a mark's place", answer.mark.y, 1)


def opened(study_folder: Path, database: str | None = None) -> tuple[Study, Votes]:
    """A study and its votes, kept for this process. Raises `InputError` for no study or no database."""
    folder = Path(study_folder).absolute()
    try:
        stamp = (folder / BUNDLE).stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _opened(folder, address_of(folder, database), stamp, os.getpid())


@lru_cache(maxsize=32)
def _opened(folder: Path, address: str, stamp: int, process: int) -> tuple[Study, Votes]:
    study = read_study(folder)
    return study, Votes(study, address)


def _code(task_id: str) -> str:
    if not isinstance(task_id, str) or not CODE.fullmatch(task_id):
        raise Refused("task", "no such task")
    return task_id


def _within(what: str, value: float, most: float) -> None:
    """Raise `Refused` unless the number is in [0, most]; NaN is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Refused("answers", f"{what} must be from 0 to {most:g}")
