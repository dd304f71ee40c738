"""What the player sends with a vote, checked: a browser may send anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotation.terms import Answer, Choice, Mark, Refused, Watched

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Said:
    """A vote on one pair: task and request as `Session.vote` takes them."""

    task: str
    request: str
    answer: Answer
    watched: Watched
    seconds: float


class _Place(BaseModel):
    side: Annotated[int, Field(ge=0, le=1)]
    second: Annotated[float, Field(ge=0, le=86_400)]
    x: Share
    y: Share


class _Event(BaseModel):
    """Unknown fields are left out: the player also reports its drift."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    id: Annotated[str, Field(max_length=200)]
    request: Annotated[str, Field(max_length=64)]
    value: Choice
    watched: tuple[Share, Share]
    seconds: Annotated[float, Field(ge=0, le=86_400)]
    mark: _Place | None = None


def read_ballot(event: Mapping[str, Any]) -> Said:
    """The vote in a player's `answer` event. Raises `Refused` ("answers") for anything else.

    The pair's id is the task's, a dot, and how often the page tried to load it.
    """
    try:
        said = _Event.model_validate(event)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise Refused("answers", f"the page sent a vote that cannot be read ({place}); reload the page") from None
    task = said.id.rpartition(".")[0]
    return Said(task, said.request, Answer(said.value, (), _mark(said.mark)), Watched(*said.watched), said.seconds)


def _mark(place: _Place | None) -> Mark | None:
    if place is None:
        return None
    return Mark("right" if place.side else "left", place.second, place.x, place.y)
