"""What a metric is: data about it, and a function from what it has seen of one clip to a number or a reason.

A metric says what it needs; the runner provides that, answers for whatever is missing, and adds up. A number leaves
with its interval, direction, unit and protocol id. Does not know files, backbones or caches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evals.features import Arrays
from evals.states import Floats, Rows, Unscored
from evals.stats import Interval, interval


@dataclass(frozen=True)
class Need:
    """Arrays of the backbone in this role of the suite, observed on the clip, on the clip with its reference (`pair`),
    with its truth (`truth`), with reference and truth (`both`), or on the prompt (its one array is called "text")."""

    role: str
    of: Literal["clip", "pair", "truth", "both", "prompt"] = "clip"


@dataclass(frozen=True)
class Seen:
    """What the runner shows a metric of one clip: only what the metric needs, and the prompt if there is one."""

    prompt: str | None
    arrays: Mapping[Need, Arrays]
    key_every: int | None = None
    """Every how many frames is a key frame, where frames between them were made; None: nothing is known of it."""

    def __getitem__(self, need: Need) -> Arrays:
        return self.arrays[need]


@dataclass(frozen=True)
class Whole:
    """What a metric of a whole set sees beside the rows."""

    backbones: Mapping[str, Any]
    """By role; only those the metric needs."""
    reference: Floats | None
    """Rows [M,D] of the reference set that was given, what the metric makes of its clips; None: none was given."""
    reference_digest: str | None


@dataclass(frozen=True)
class Total:
    """A set's number, and what its protocol id must say beside the metric's own definition."""

    interval: Interval | Unscored
    protocol: str = ""
    note: str = ""
    """A sentence to show beside the number, e.g. how many clips a wished-for precision takes."""


def _no_figures(backbones: Mapping[str, Any]) -> dict[str, float]:
    return {}


@dataclass(frozen=True)
class Metric:
    """One metric. `definition` goes into the protocol id: change it whenever a value would change."""

    name: str
    title: str
    unit: str
    higher_is_better: bool | None
    reads: str
    """One line: how to read a value."""
    definition: str
    needs: tuple[Need, ...]
    value: Callable[[Seen], float | Floats | Unscored]
    """From one clip; an array [D] or [N,D] if `total` is set."""
    min_frames: int = 1
    needs_prompt: bool = False
    scale: tuple[float | None, float | None] = (None, None)
    """Possible range; intervals are clipped to it."""
    binary: bool = False
    """Values are 0 or 1."""
    total: Callable[[Rows, Whole], Total] | None = None
    """For metrics of a whole set; otherwise the total is the mean, clustered by prompt."""
    figures: Callable[[Mapping[str, Any]], dict[str, float]] = field(default=_no_figures)
    """What must be printed beside the value, from the backbones by role."""

    def protocol(self, ids: Mapping[str, str]) -> str:
        """Names all that decides a value, given the backbones' ids by role."""
        used = dict.fromkeys(ids[need.role] for need in self.needs)
        return "|".join([self.name, self.definition, *used])

    def describe(self) -> dict[str, Any]:
        """What a reader needs: name, title, unit, direction and how to read it."""
        return {
            "title": self.title,
            "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "reads": self.reads,
        }


@dataclass(frozen=True)
class Score:
    """A number with its interval and protocol. `value` is None when no clip could be scored; `low` and `high` also when
    there are too few prompts to judge the spread by."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int
    unit: str
    higher_is_better: bool | None
    protocol: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def mean_total(metric: Metric, rows: Rows) -> Interval | Unscored:
    """The mean over scored clips with its clustered interval."""
    prompts, values = rows.scored()
    if not values:
        return Unscored("no clip could be scored")
    return interval(values, prompts, scale=metric.scale, binary=metric.binary)  # type: ignore[arg-type]
