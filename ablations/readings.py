"""What a run shows beyond its arms' effects, in plain words: interactions, doses, stages, signs of failure, cost.

Every sentence follows from the numbers; sections without anything to tell are left out. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ablations.attribution import Step, waterfall
from ablations.cells import Rows, Run
from ablations.diagnosis import Sign, diagnose
from ablations.doses import Response, responses
from ablations.effects import Effect, interactions
from ablations.pareto import Point, fronts
from ablations.precision import Precision
from ablations.steadiness import Unsteady, unsteady
from evals.stats import CLAIMS, Comparison

MOST_NAMED = 6
WORDS = {"equivalent": "equal within the margin", "inconclusive": "nothing is shown", "different": "different"}
ANSWERS = {
    "seen": "Seen",
    "open": "Open, too few videos to tell",
    "not seen": "Not seen",
    "not measured": "Not measured",
}
Section = tuple[str, list[str]]


def sections(scores: Rows, items: Sequence[Mapping[str, Any]], run: Run) -> list[Section]:
    """(heading, sentences) of all that the run's design lets one read."""
    told: list[tuple[str, Callable[[], list[str]]]] = [
        ("Interactions", lambda: _interactions(interactions(scores, run), run)),
        ("Doses", lambda: _doses(responses(scores, run), run)),
        ("Stage by stage", lambda: _stages(waterfall(scores, run), run)),
        ("Signs of failure", lambda: _signs(diagnose(scores, run), run)),
        ("Quality against cost", lambda: _costs(fronts(scores, items, run), unsteady(items, run), run)),
    ]
    return [(heading, lines) for heading, tell in told if (lines := tell())]


def derived(scores: Rows, items: Sequence[Mapping[str, Any]], run: Run) -> dict[str, Any]:
    """The same as plain data, for `--json`."""
    return {
        "interactions": [asdict(e) for e in interactions(scores, run)],
        "doses": [asdict(r) for r in responses(scores, run)],
        "stage_steps": [asdict(s) for s in waterfall(scores, run)],
        "signs": [asdict(s) for s in diagnose(scores, run)],
        "fronts": [asdict(p) for p in fronts(scores, items, run)],
        "unsteady": [asdict(u) for u in unsteady(items, run)],
    }


def precision_lines(found: Sequence[Precision]) -> list[str]:
    """What a plan can show, a line a metric."""
    if not found:
        return []
    head = f"differences that show with probability .8: alone, and corrected for {found[0].comparisons} comparisons"
    return [head] + [
        f"  {p.metric}: {p.alone:.3g}, {p.corrected:.3g} (half of it with {p.prompts_for_half} prompts)" for p in found
    ]


def _interactions(found: Sequence[Effect], run: Run) -> list[str]:
    if not found:
        return []
    claimed = [e for e in found if e.verdict in CLAIMS]
    lines = [_interaction(e, run) for e in claimed]
    rest = len(found) - len(claimed)
    return [*lines, f"{rest} of {len(found)} pairs and metrics show no interaction after correction."]


def _interaction(e: Effect, run: Run) -> str:
    side = "above" if (e.difference or 0) > 0 else "below"
    return (
        f"{_title(e.metric, run)}, {e.arm}: without both it is {_span(e)} {side} what the two main effects add up to."
    )


def _doses(found: Sequence[Response], run: Run) -> list[str]:
    """A sentence for each answer that is claimed, and one a setting for the others."""
    lines = []
    for setting in dict.fromkeys(r.setting for r in found):
        mine = [r for r in found if r.setting == setting]
        lines += [_response(r, run) for r in mine if r.trend.verdict in CLAIMS]
        levels = ", ".join(f"{dose.value:g}" for dose in mine[0].doses)
        for verdict in dict.fromkeys(r.trend.verdict for r in mine if r.trend.verdict not in CLAIMS):
            titles = ", ".join(_title(r.metric, run) for r in mine if r.trend.verdict == verdict)
            lines.append(f"Over {setting} ({levels}), {WORDS.get(verdict, verdict)}: {titles}.")
    return lines


def _response(r: Response, run: Run) -> str:
    levels = ", ".join(f"{dose.value:g}: {dose.mean.value:.3g}" for dose in r.doses)
    way = "rises" if (r.trend.difference or 0) > 0 else "falls"
    shape = "at every dose" if r.monotone else f"though not at every dose (highest at {r.highest:g})"
    told = f"{way} by {_span(r.trend)} a dose, {shape}: {WORDS.get(r.trend.verdict, r.trend.verdict)}"
    return f"{_title(r.metric, run)} over {r.setting} ({levels}): {told}."


def _stages(steps: Sequence[Step], run: Run) -> list[str]:
    lines = []
    for metric in dict.fromkeys(step.metric for step in steps):
        first, *rest = [step for step in steps if step.metric == metric]
        if rest:
            lines.append(
                f"{_title(metric, run)}: {first.stage.upper()} {first.value:.3g}"
                + "".join(_step(s) for s in rest)
                + "."
            )
    return lines


def _step(step: Step) -> str:
    if step.value is None:
        return f", {step.stage.upper()} without a common video"
    return f", {step.stage.upper()} {step.value:.3g} ({WORDS.get(step.verdict, step.verdict)})"


def _signs(signs: Sequence[Sign], run: Run) -> list[str]:
    return [_sign(sign, run) for sign in signs if sign.answer != "not measured"]


def _sign(sign: Sign, run: Run) -> str:
    told = f"{ANSWERS[sign.answer]}: {sign.rule.sign}"
    evidence = "; ".join(_evidence(step, run) for step in sign.evidence)
    pointer = f" Look at {sign.rule.points_to}." if sign.answer == "seen" else ""
    return f"{told} ({evidence}).{pointer}"


def _evidence(step: Step, run: Run) -> str:
    if step.before is None or step.difference is None:
        return f"{_title(step.metric, run)} {step.value or 0:.3g} at {step.stage}"
    return f"{_title(step.metric, run)} {step.base or 0:.3g} to {step.value or 0:.3g}, {step.before} to {step.stage}"


def _costs(points: Sequence[Point], found: Sequence[Unsteady], run: Run) -> list[str]:
    """The fronts, or why this run's seconds tell nothing of them."""
    if not points or not found:
        return _fronts(points, run)
    worst = max(found, key=lambda u: u.slow / u.quick)
    quick = f"in {worst.quick:.2g} s a clip for {_arm(worst.quick_arm, run)}"
    slow = f"in {worst.slow:.2g} s for {_arm(worst.slow_arm, run)}"
    return [
        f"Seconds of this run's arms cannot be compared: {worst.stage.upper()} did the same work {quick} "
        f"and {slow}, so the machine had other work. Run the grid on a free machine to learn what quality costs."
    ]


def _fronts(points: Sequence[Point], run: Run) -> list[str]:
    lines = []
    for metric in dict.fromkeys(p.metric for p in points):
        mine = [p for p in points if p.metric == metric]
        best = {p.quality.value: p for p in reversed(mine) if p.front}  # of equal ones the cheapest
        told = [p for p in mine if p is best.get(p.quality.value)]
        front = _some([f"{_arm(p.arm, run)} ({p.seconds:.2g} s, {p.quality.value:.3g})" for p in told])
        beaten = [_arm(p.arm, run) for p in mine if p.beaten_by]
        named = _some(beaten) if len(beaten) <= MOST_NAMED else f"{len(beaten)} of {len(mine)} arms"
        surely = f"; surely beaten at their price: {named}" if beaten else ""
        lines.append(f"{_title(metric, run)}, cheapest to best: {front}{surely}.")
    return lines


def _some(names: Sequence[str]) -> str:
    """The first, the last and as many between as a reader bears; a factorial has dozens."""
    if len(names) <= MOST_NAMED:
        return "; ".join(names) if any(", " in name for name in names) else ", ".join(names)
    left = len(names) - MOST_NAMED
    return "; ".join([*names[: MOST_NAMED - 1], f"{left} more", names[-1]])


def _span(c: Comparison) -> str:
    size = f"{abs(c.difference or 0):.2g}"
    return size if c.low is None else f"{size} (95 % interval {c.low:+.2g} to {c.high:+.2g})"


def _title(metric: str, run: Run) -> str:
    return str(run["metrics"][metric].get("title") or metric)


def _arm(name: str, run: Run) -> str:
    return next((str(arm.get("title") or name) for arm in run["arms"] if arm["name"] == name), name)
