"""What a candidate must not lose: margins and directions by metric, read from a gate.yaml or by default.

    default: {margin: 0.2 sd}                            # of every metric that is not named below
    metrics:
      clip_score: {margin: 0.01}                         # in the metric's own unit
      temporal_lpips: {margin: 5%}                       # of the base's mean
      motion_magnitude: {margin: 10%, direction: same}   # must move neither way
      seconds: {margin: 10%}                             # speed is gated only when it is named
      aesthetic: {gate: false}                           # shown, never failed on
    alpha: 0.05
    least_pairs: 0.9
    inconclusive: pass

docs/gate.md explains each field. Does not know runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ablations.source import Source, Strict, read_source, suggestion
from evals.stats import ALPHA
from magicvideo.errors import InputError

Direction = Literal["higher", "lower", "same"]


@dataclass(frozen=True)
class Margin:
    """The largest loss that is accepted: in the metric's unit, as a share of the base's mean, or in standard
    deviations between the base's prompts."""

    size: float
    of: Literal["unit", "mean", "sd"] = "unit"

    def absolute(self, mean: float | None, sd: float | None) -> float:
        """In the metric's unit, 0 or more; 0 where what it refers to is not known."""
        scale = {"unit": 1.0, "mean": abs(mean or 0.0), "sd": sd or 0.0}
        return self.size * scale[self.of]

    def __str__(self) -> str:
        return {"unit": f"{self.size:g}", "mean": f"{100 * self.size:g}%", "sd": f"{self.size:g} sd"}[self.of]


@dataclass(frozen=True)
class Rule:
    """How one metric is judged. `direction` None: neither way is better, so it is shown and never failed on."""

    margin: Margin
    direction: Direction | None
    gated: bool


DEFAULT_MARGIN = Margin(0.2, "sd")
"""What Cohen (1988) calls a small effect."""
SPEED_MARGIN = Margin(0.10, "mean")


@dataclass(frozen=True)
class Gate:
    """All rules. The default one gates every metric that has a direction, and no time."""

    margin: Margin | None = None
    """Of metrics that are not named; None: a fifth of the standard deviation between prompts, for times 10 % of
    the mean."""
    gated: bool = True
    """Whether metrics that are not named are failed on."""
    named: Mapping[str, tuple[Margin | None, Direction | None, bool | None]] = field(default_factory=dict)
    alpha: float = ALPHA
    least_pairs: float = 0.0
    """The share of the base's scored videos that the candidate must have a score for too."""
    fail_inconclusive: bool = False
    source: Source | None = None

    def rule(self, metric: str, higher_is_better: bool | None, speed: bool = False) -> Rule:
        """The rule of a metric of this direction."""
        usual: dict[bool | None, Direction | None] = {True: "higher", False: "lower", None: None}
        margin, direction, gated = self.named.get(metric, (None, None, None))
        direction = direction or usual[higher_is_better]
        if gated is None:
            gated = metric in self.named or (self.gated and not speed)
        fallback = self.margin or (SPEED_MARGIN if speed else DEFAULT_MARGIN)
        return Rule(margin or fallback, direction, gated and direction is not None)

    def error(self, message: str, metric: str) -> InputError:
        """An `InputError` about what the gate says of a metric."""
        return InputError(message) if self.source is None else self.source.error(message, "metrics", metric)


def _margin(value: Any) -> Any:
    """0.01 is in the metric's unit, "2%" a share of the base's mean, "0.2 sd" of the deviation between prompts."""
    if isinstance(value, Margin):
        return value
    written = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(%|sd)", value) if isinstance(value, str) else None
    if written:
        size = float(written[1])
        return Margin(size / 100, "mean") if written[2] == "%" else Margin(size, "sd")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return Margin(float(value))
    raise ValueError(
        "a margin is a number of 0 or more in the metric's unit, a share of the base's mean such as 2%, or standard "
        "deviations between prompts such as 0.2 sd"
    )


_Margin = Annotated[Margin, BeforeValidator(_margin)]


class _Default(Strict):
    margin: _Margin | None = None
    gate: bool = True


class _Rule(Strict):
    margin: _Margin | None = None
    direction: Direction | None = None
    gate: bool | None = None


class _GateFile(Strict):
    default: _Default = _Default()
    metrics: dict[str, _Rule] = Field(default_factory=dict)
    alpha: float = Field(default=ALPHA, gt=0, lt=1)
    least_pairs: float = Field(default=0.0, ge=0, le=1)
    inconclusive: Literal["pass", "fail"] = "pass"


def load_gate(path: Path) -> Gate:
    """Read and check a gate.yaml. Every `InputError` names file, line and field."""
    source = read_source(path)
    file = source.parse(_GateFile)
    return Gate(
        margin=file.default.margin,
        gated=file.default.gate,
        named={name: (rule.margin, rule.direction, rule.gate) for name, rule in file.metrics.items()},
        alpha=file.alpha,
        least_pairs=file.least_pairs,
        fail_inconclusive=file.inconclusive == "fail",
        source=source,
    )


def refuse_unknown(gate: Gate, known: list[str]) -> None:
    """Raise `InputError` for a metric that the gate names and neither run has, with its line and the nearest name."""
    for name in gate.named:
        if name not in known:
            raise gate.error(f"neither run has a metric {name!r}{suggestion(name, known)}", name)
