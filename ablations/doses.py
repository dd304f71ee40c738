"""Sweeps: how each metric answers to a setting's value, and whether it goes one way. Arithmetic only.

The trend is a linear contrast over the ranks of the doses, taken within each (prompt, seed) and tested over prompts
like every other difference: it asks for a direction, not for a straight line (Abelson & Tukey 1963).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ablations.cells import Place, Rows, Run, Values, by_cell, compare, direction, margin
from evals import stats
from evals.stats import Comparison, Interval
from magicvideo.stage_config import STAGES

Number = int | float


@dataclass(frozen=True)
class Dose:
    """One value of the setting, and the metric's mean at it over the places that every dose has."""

    value: Number
    arm: str
    mean: Interval


@dataclass(frozen=True)
class Response:
    """How one metric answers to one setting. `trend.difference` is the mean change from a dose to the next."""

    setting: str
    metric: str
    doses: tuple[Dose, ...]
    trend: Comparison
    monotone: bool
    """Whether all steps from dose to dose have one sign (of the means: no test of its own)."""

    @property
    def highest(self) -> Number:
        """The dose at which the metric's mean is highest."""
        return max(self.doses, key=lambda dose: dose.mean.value).value


def responses(scores: Rows, run: Run, stage: str = STAGES[-1]) -> list[Response]:
    """Every metric of every numeric sweep with three doses or more; Holm's correction over all trends."""
    values = by_cell(scores, stage)
    found = list[Response]()
    for setting in run.get("grid", {}).get("sweep", {}):
        arms = swept(run, setting)
        for metric in run["metrics"] if len(arms) >= 3 else ():
            response = _response(setting, metric, arms, [values.get((arm, metric), {}) for arm in arms.values()])
            if response is not None:
                found.append(response)
    adjusted = stats.holm([r.trend.p for r in found])
    return [_judged(r, p, run) for r, p in zip(found, adjusted, strict=True)]


def swept(run: Run, setting: str) -> dict[Number, str]:
    """Value -> arm, in the order of values, the full model's own value among them. {} unless all are numbers."""
    values = run["grid"]["sweep"][setting]
    base = next(arm for arm in run["arms"] if arm["name"] == run["base"])
    named = {f"{setting}={value}": value for value in values}
    arms = {named[arm["name"]]: str(arm["name"]) for arm in run["arms"] if arm["name"] in named}
    own = setting_of(base["config"], setting)
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (own, *arms)):
        return {}
    return dict(sorted({own: str(base["name"]), **arms}.items()))


def setting_of(config: Mapping[str, Any], setting: str) -> Any:
    """The value that a run's configuration has for a setting such as `i2v.steps` or `noise_prior.strength`.

    None for one that is written only where it differs from its default, such as `i2v.scheduler`.
    """
    first, *rest = setting.split(".")
    stages = config if rest and first in config else {**config, **config["mechanisms"]}
    found = stages.get(first)
    for part in rest:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _response(setting: str, metric: str, arms: Mapping[Number, str], cells: Sequence[Values]) -> Response | None:
    places = sorted(set(cells[0]).intersection(*cells[1:]))
    if not places:
        return None
    prompts = [prompt for prompt, _ in places]
    doses = tuple(
        Dose(value, arm, stats.interval([cell[p] for p in places], prompts))
        for (value, arm), cell in zip(arms.items(), cells, strict=True)
    )
    steps = [b.mean.value - a.mean.value for a, b in pairwise(doses)]
    trend = compare(metric, dict.fromkeys(places, 0.0), {place: _slope(cells, place) for place in places})
    trend = replace(trend, base=doses[0].mean.value, value=doses[-1].mean.value)
    return Response(setting, metric, doses, trend, all(s >= 0 for s in steps) or all(s <= 0 for s in steps))


def _slope(cells: Sequence[Values], place: Place) -> float:
    """Least-squares slope of the metric over the doses' ranks."""
    middle = (len(cells) - 1) / 2
    weights = [rank - middle for rank in range(len(cells))]
    return sum(w * cell[place] for w, cell in zip(weights, cells, strict=True)) / sum(w * w for w in weights)


def _judged(response: Response, p: float | None, run: Run) -> Response:
    t = response.trend
    verdict = stats.judged(t.low, t.high, p, margin(run, t.metric), direction(run, t.metric))
    return replace(response, trend=replace(t, p_adjusted=p, verdict=verdict))
