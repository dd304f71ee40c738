"""The words of a study: tasks, answers, receipts, and what an owner sees. Values only.

All texts are plain text, never HTML or Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from magicvideo.errors import InputError

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
