"""What a page of the annotation tool may ask for: one person's session in one study.

Everything a page shows comes from here, and nothing here tells an annotator which system made a video, or whether a
task is a repeat or a check. All state is in the store: a `Session` may be opened anew at every request, in any process.

    session = Session.open(Path("studies/mine"), token)
    task = session.next_task()
    receipt = session.vote(task.id, client_id, {"overall": Answer("left")}, Watched(1.0, 0.9), seconds=14.2)
    task = receipt.next
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self

from magicvideo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Choice = Literal["left", "same", "right"]
Side = Literal["left", "right"]
Role = Literal["annotator", "owner"]


class Refused(InputError):
    """A request that is not granted. `code` says why: invitation, role, task, answers, size, media, reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Question:
    """One question asked of every pair. All texts are plain text, never HTML or Markdown."""

    id: str
    text: str
    required: bool
    reasons: tuple[str, ...] = ()
    """What may be ticked beside the choice."""


@dataclass(frozen=True)
class Media:
    """One video. `name` is an opaque file name such as "3f...e1.mp4"; `Session.media_path(name)` finds the file.

    Frame count, rate and size are the same on both sides of a task.
    """

    name: str
    frames: int
    fps: float
    width: int
    height: int


@dataclass(frozen=True)
class Task:
    """A pair to vote on, leased to this annotator until `expires` (seconds since the epoch, UTC)."""

    id: str
    """Opaque; tells neither pair nor kind."""
    prompt: str
    """Plain text, never HTML or Markdown."""
    left: Media
    right: Media
    expires: float


@dataclass(frozen=True)
class Example:
    """A trained example for the instructions page: a pair with its right answer and why."""

    prompt: str
    left: Media
    right: Media
    answer: Choice
    explanation: str


@dataclass(frozen=True)
class Mark:
    """A moment and place in one of the videos: `second` from its start, `x` and `y` in [0,1] from the top left."""

    side: Side
    second: float
    x: float
    y: float


@dataclass(frozen=True)
class Answer:
    """The answer to one question, as seen on the screen. `reasons` are of the question's own list."""

    choice: Choice
    reasons: tuple[str, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True)
class Watched:
    """Shares of the left and right video that were played, in [0,1]."""

    left: float
    right: float


@dataclass(frozen=True)
class Receipt:
    """A vote that is on disk. `repeated` says that it was there before and that this call changed nothing."""

    task_id: str
    repeated: bool
    next: Task | None
    """The next task, leased in the same transaction; None when there is none left for this annotator."""


@dataclass(frozen=True)
class Progress:
    """How far this annotator is. A round is one block of tasks: a good moment for a break is its end."""

    done: int
    """Tasks voted on, of all rounds."""
    round_done: int
    round_size: int
    round_number: int
    """1 for the first round; 0 before the first task."""
    may_undo: bool
    finished: bool
    """Nothing is left for this annotator."""


@dataclass(frozen=True)
class Flag:
    """Something the owner should look at: which rule, and the evidence in words and numbers. Never a ban."""

    rule: str
    evidence: str


@dataclass(frozen=True)
class AnnotatorQuality:
    """One annotator's work. Shares are None where nothing was there to measure them by."""

    annotator: str
    votes: int
    consistency: float | None
    """Share of repeats (sides swapped) answered alike."""
    repeats: int
    gold_accuracy: float | None
    golds: int
    watched: float | None
    """Median over votes of the smaller of both watched shares."""
    fast: float | None
    """Share of votes cast sooner than the study's least time."""
    left_share: float | None
    """Share of left among decided votes on ordinary tasks."""
    agreement: float | None
    """Share of votes that agree with the majority of the others on the same pair."""
    skips: int
    faults: int
    """Skips because a video did not play, and lost leases: shown, never counted against the person."""
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class Advice:
    """Whether the study may stop by its own rule, and why, in words."""

    stop: bool
    text: str


@dataclass(frozen=True)
class Live:
    """What the owner sees. Counts are of ordinary tasks: repeats and checks come on top."""

    votes: int
    wanted: int
    leased: int
    invited: int
    annotators: tuple[AnnotatorQuality, ...]
    advice: Advice
    skips: Mapping[str, int]
    """Reason -> how often."""


class Session(Protocol):
    """One person in one study."""

    annotator: str
    """Pseudonymous id."""
    role: Role
    study_id: str
    title: str
    instructions: str
    """Plain text; blank lines separate paragraphs."""
    questions: tuple[Question, ...]
    skip_reasons: tuple[str, ...]
    min_watched: float
    """Share of both videos to watch before voting, in [0,1]. The page holds it; votes below it are flagged."""

    @classmethod
    def open(cls, study_folder: Path, token: str, database: str | None = None) -> Self:
        """The session of an invitation. Cheap enough for every request: studies and connections are kept.

        `database` is an SQLAlchemy address; None means $MAGICVIDEO_STUDY_DATABASE, else SQLite in the study's folder.
        Raises `Refused` with code "invitation" for a token that is forged, expired, withdrawn or of another study.
        """

    @classmethod
    def open_claims(cls, study_folder: Path, claims: Mapping[str, object], database: str | None = None) -> Self:
        """The session of someone who signed in by OpenID Connect (`st.user.to_dict()`) and whose address was invited.

        Raises `Refused` with code "invitation" for anyone else.
        """

    def examples(self) -> tuple[Example, ...]:
        """Trained examples for the instructions page."""

    def media_path(self, name: str) -> Path:
        """The file of a `Media.name`. Raises `Refused` ("media") for anything that is not the name of a video here."""

    def next_task(self) -> Task | None:
        """The task this annotator holds (its lease renewed), else the next one, else None. Safe to repeat."""

    def vote(
        self, task_id: str, client_id: str, answers: Mapping[str, Answer], watched: Watched, seconds: float
    ) -> Receipt:
        """Cast a vote; on disk when this returns.

        `client_id` is a random name (up to 64 letters, digits, dashes) that the page makes once per vote and sends
        again when it retries. `seconds` is the time from both videos being ready to the vote. Voting again on a task
        that is voted, with this or another client id, changes nothing. Raises `Refused`: "task" (no such task, or not
        leased to this annotator), "answers" (unknown question or choice, a required one missing), "size".
        """

    def undo(self) -> Task | None:
        """Take back this annotator's last vote: the task is held again and returned. None if there is none.

        The task that was held meanwhile is let go. One step: after it, undo needs another vote first.
        """

    def skip(self, task_id: str, reason: str) -> Task | None:
        """Give the task back with one of `skip_reasons`; it goes to someone else. Returns the next task or None."""

    def progress(self) -> Progress: ...

    def live(self) -> Live:
        """Owner only, else `Refused` ("role")."""

    def export(self) -> pd.DataFrame:
        """Owner only. The tidy frame of votes: annotator, prompt, left, right (systems' names), choice, criterion,
        stratum, seconds, watched_left, watched_right, repeat_of, gold, flagged."""

    def invite(self, who: str | None = None, role: Role = "annotator", days: float = 30) -> str:
        """Owner only. A new invitation's token. `who` (an address, a name) is hashed with the study's key, not kept."""
