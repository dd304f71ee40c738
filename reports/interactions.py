"""Whether two switches do together what each does alone: paired differences of differences, clustered by prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from evals import stats
from reports.folder import AblationRun

Place = tuple[str, int]


@dataclass(frozen=True)
class Interaction:
    """(without both) - (without a) - (without b) + full, over the places that all four have."""

    switches: tuple[str, str]
    value: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    p_adjusted: float | None = None


def interactions(run: AblationRun, metric: str) -> list[Interaction]:
    """Every pair of switches whose four arms are in the run; p adjusted (Holm) over these pairs."""
    arms = {frozenset(arm["off"]): str(arm["name"]) for arm in run.record["arms"] if arm.get("off") is not None}
    arms |= {
        frozenset([arm.switch]): arm.name for arm in run.arms if arm.switch and frozenset([arm.switch]) not in arms
    }
    arms.setdefault(frozenset(), run.base.name)
    switches = sorted({str(switch) for off in arms for switch in off})
    values = _values(run, metric)
    found = []
    for a, b in combinations(switches, 2):
        cells = [frozenset({a, b}), frozenset({a}), frozenset({b}), frozenset[str]()]
        if all(cell in arms for cell in cells):
            one = _interaction((a, b), [values.get(arms[cell], {}) for cell in cells])
            found += [one] if one else []
    adjusted = stats.holm([one.p for one in found])
    return [replace(one, p_adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def _interaction(switches: tuple[str, str], cells: list[Mapping[Place, float]]) -> Interaction | None:
    places = sorted(set(cells[0]).intersection(*cells[1:]))
    if not places:
        return None
    both, first, second, full = ([cell[place] for place in places] for cell in cells)
    alone = [x + y - z for x, y, z in zip(first, second, full, strict=True)]
    d = stats.paired(alone, both, [prompt for prompt, _ in places])
    return Interaction(switches, d.value, d.low, d.high, d.p, d.n)


def _values(run: AblationRun, metric: str) -> dict[str, dict[Place, float]]:
    found: dict[str, dict[Place, float]] = {}
    for line in run.scores:
        if line["metric"] == metric and line["value"] is not None and line.get("prompt_id") is not None:
            found.setdefault(line["arm"], {})[str(line["prompt_id"]), int(line["seed"])] = float(line["value"])
    return found
