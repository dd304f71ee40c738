"""What a run showed, in plain words made from its numbers.

Says as much as the numbers carry and no more: an effect is called certain only when its verdict is; everything else is
named as open, with what limits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unicodedata import bidirectional

from ablations.effects import ALPHA, CLAIMS, Effect, prompts_needed
from ablations.steadiness import unsteady
from ablations.summary import capital
from reports.findings import ArmCost, ArmScore, Banner, Point, Summary
from reports.folder import AblationRun, Arm
from reports.tables import interval, look, number, plain

FEW_PROMPTS = 10
LONGEST_NAME = 60
MOST_CHANGED, MOST_HINTS, MOST_NAMED = 5, 3, 6
"""Arms with a line of their own: with certain effects, with hints only. Arms named in one line."""
NAMED = 3
"""How many effects of an arm are named before "and n more"."""


def summarise(
    run: AblationRun,
    effects: Sequence[Effect],
    scores: Sequence[ArmScore],
    costs: Sequence[ArmCost],
    places: Mapping[str, int],
) -> Summary:
    """The summary of a run; works on any state of it, also without a single score."""
    claims = [e for e in effects if e.verdict in CLAIMS]
    hints = [e for e in effects if look(e, run.metrics[e.metric]).hint]
    changed = _ranked(run, claims)
    leaning = [arm for arm in _ranked(run, hints) if arm not in changed]
    told = max(MOST_HINTS - len(changed), 1)
    points = [_point(run, arm, claims, places) for arm in changed[:MOST_CHANGED]]
    points += _others("Also certain:", "◆", run, claims, changed[MOST_CHANGED:])
    points += [_point(run, arm, hints, places) for arm in leaning[:told]]
    points += _others("Further hints:", "◇", run, hints, leaning[told:])
    points += _open_points(run, effects, [*changed, *leaning])
    points += _cost_point(run, costs)
    return Summary(
        headline=_headline(run, effects, changed, leaning),
        basis=_basis(run, effects),
        points=tuple(points),
        certainty=_certainty(run, effects),
        banners=tuple(_banners(run, scores)),
        asked=_asked(run),
    )


def _headline(run: AblationRun, effects: Sequence[Effect], changed: Sequence[Arm], leaning: Sequence[Arm]) -> str:
    others = len({e.arm for e in effects})
    if not any(e.difference is not None for e in effects):
        return "There is nothing to compare yet."
    if changed and others == 1:
        return "The change made a certain difference."
    if changed:
        return f"{len(changed)} of {others} changes made a certain difference."
    if leaning:
        verb = "shows" if len(leaning) == 1 else "show"
        return f"No difference is certain yet; {len(leaning)} of {plural(others, 'change')} {verb} hints."
    return "No difference is certain, and nothing hints at one."


def _size(effect: Effect) -> float:
    """For sorting: the standardised difference; one without any spread between prompts counts as largest."""
    return float("inf") if effect.standardised is None else abs(effect.standardised)


def _ranked(run: AblationRun, effects: Sequence[Effect]) -> list[Arm]:
    """The arms that have some of these effects, those with the most and the largest first."""
    mine = {arm: [_size(e) for e in effects if e.arm == arm.name] for arm in run.arms if arm != run.base}
    return sorted((arm for arm in mine if mine[arm]), key=lambda arm: (-len(mine[arm]), -max(mine[arm])))


def _point(run: AblationRun, arm: Arm, effects: Sequence[Effect], places: Mapping[str, int]) -> Point:
    """The arm's effects: first what got worse or better, the largest first and with its numbers, the others by name."""
    judged = {e: look(e, run.metrics[e.metric]).style != "different" for e in effects if e.arm == arm.name}
    mine = sorted(judged, key=lambda e: (judged[e], _size(e)), reverse=True)
    first = look(mine[0], run.metrics[mine[0].metric])
    text = _change(run, mine[0], places[mine[0].metric])
    named: dict[str, list[str]] = {}
    for e in mine[1:NAMED]:
        named.setdefault(_side(run, e), []).append(_title(run, e))
    text += "".join(f" Also {side}: {_and(titles)}." for side, titles in named.items())
    text += f" {len(mine) - NAMED} more in the table." if len(mine) > NAMED else ""
    return Point(f"{_name(arm)}:", text, first.style, first.mark, bool(first.hint))


def _change(run: AblationRun, effect: Effect, places: int) -> str:
    """`colour accuracy gets worse, 0.71 → 0.52 (−0.19; 95 % interval −0.25 to −0.12).`"""
    shown = look(effect, run.metrics[effect.metric])
    up = (effect.difference or 0) > 0
    if shown.style == "different":
        verb = ("seems to rise" if up else "seems to fall") if shown.hint else ("rises" if up else "falls")
    else:
        verb = f"{'seems to get' if shown.hint else 'gets'} {shown.style}"
    size = number(effect.difference, places, signed=True)
    span = f"; 95\u00a0% interval {interval(effect.low, effect.high, places, signed=True)}"
    if effect.low == effect.high:
        span = " for every prompt"
    ends = f"{number(effect.base, places)} → {number(effect.value, places)}"
    return f"{_title(run, effect)} {verb}, {ends} ({size}{span})."


def _side(run: AblationRun, effect: Effect) -> str:
    """`worse`, `better`, `higher` or `lower`."""
    shown = look(effect, run.metrics[effect.metric])
    return shown.style if shown.style != "different" else "higher" if (effect.difference or 0) > 0 else "lower"


def _title(run: AblationRun, effect: Effect) -> str:
    """The metric's title inside a sentence: `Flicker` becomes `flicker`, `CLIP score` stays."""
    title = run.metrics[effect.metric].title
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _others(label: str, mark: str, run: AblationRun, effects: Sequence[Effect], arms: Sequence[Arm]) -> list[Point]:
    """The arms that get no line of their own, each with its largest effect by name."""
    named = []
    for arm in arms:
        largest = max((e for e in effects if e.arm == arm.name), key=_size)
        named.append(f"{_name(arm)} ({_side(run, largest)}: {_title(run, largest)})")
    return [Point(label, f"{_list(named)}.", "unclear", mark, mark == "◇")] if named else []


def _open_points(run: AblationRun, effects: Sequence[Effect], told: Sequence[Arm]) -> list[Point]:
    """The arms of which nothing was said above: equal within the margin, or open."""
    scored = {e.arm for e in effects if e.difference is not None}
    still = [arm for arm in run.arms if arm.name in scored and arm not in told and arm != run.base]
    tested = [e for e in effects if e.p is not None]
    verdicts = {arm: {e.verdict for e in tested if e.arm == arm.name} for arm in still}
    equal = [arm for arm in still if verdicts[arm] == {"equivalent"}]
    open_ = [arm for arm in still if arm not in equal]
    points = []
    if equal:
        points.append(Point("Equal within the margin:", f"{_list([_name(arm) for arm in equal])}.", "same", "="))
    if open_:
        text = (
            f"{_list([_name(arm) for arm in open_])}. Not shown does not mean none: this run may be too small to tell."
        )
        points.append(Point("Nothing certain:", text, "unclear", "○"))
    return points


def _cost_point(run: AblationRun, costs: Sequence[ArmCost]) -> list[Point]:
    base = next((cost for cost in costs if cost.arm == run.base), None)
    if base is None or not base.seconds:
        return []
    top = max(base.stages, key=lambda stage: stage.seconds)
    share = round(100 * top.seconds / base.seconds)
    text = f"{seconds(base.seconds)} for {run.base.title}; {top.stage.upper()} takes {share}\u00a0% of it."
    if unsteady(run.items, run.record):
        text += " The machine had other work: on a free one it is less."
    return [Point("One video costs", text, "cost", "◷")]


def _basis(run: AblationRun, effects: Sequence[Effect]) -> str:
    prompts, seeds, tested = len(run.prompts), len(run.seeds), sum(e.p is not None for e in effects)
    videos = f"{plural(prompts * seeds, 'video')} per variant ({plural(prompts, 'prompt')} × {plural(seeds, 'seed')})"
    return (
        f"From {videos}; {plural(tested, 'comparison')}, corrected for their number." if tested else f"From {videos}."
    )


def _certainty(run: AblationRun, effects: Sequence[Effect]) -> str:
    prompts, tested = len(run.prompts), sum(e.p is not None for e in effects)
    lines = []
    if tested:
        lines.append(
            "How sure: variants share prompts, seeds and random numbers, so they are compared video by video; "
            "intervals treat prompts as the independent units. Certain means that the 95\u00a0% interval excludes zero "
            f"and that p, adjusted (Holm) for {plural(tested, 'comparison')}, is at most {ALPHA:g}. "
            "A hint has only the first."
        )
    if any(e.arms > 1 for e in effects):
        lines.append("A mechanism's difference is averaged over all settings of the others.")
    if tested and prompts < prompts_needed(tested):
        lines.append(
            f"With {plural(prompts, 'prompt')} nothing can pass that correction, however large it is: it takes at "
            f"least {prompts_needed(tested)} prompts."
        )
    elif tested and prompts < FEW_PROMPTS:
        few = "One prompt tells nothing about others" if prompts == 1 else f"{prompts} prompts are few"
        lines.append(f"{few}: only large differences can show.")
    return " ".join(lines)


def _banners(run: AblationRun, scores: Sequence[ArmScore]) -> list[Banner]:
    banners = []
    if not run.complete:
        text = (
            f"This run is not complete: {len(run.by_place)} of {run.videos_planned} videos are made. Numbers will "
            "change; the command that started it continues it."
        )
        banners.append(Banner(text, True))
    if not run.scores:
        return [*banners, Banner("Nothing has been scored yet.", True)]
    scored = {score.metric for score in scores if score.value is not None}
    nowhere = [metric.title for name, metric in run.metrics.items() if name not in scored]
    empty = sum(score.value is None for score in scores)
    without = sum(score.unscored for score in scores if score.metric in scored)
    if scored and nowhere:
        text = f"No variant has a value of {_list(nowhere)}; the reasons are listed below."
        banners.append(Banner(text, False))
        empty -= sum(score.metric not in scored for score in scores)
    if empty:
        banners.append(Banner(f"{empty} of {len(scores)} scores (variant × metric) are missing.", True))
    if without:
        banners.append(Banner(f"{plural(without, 'value')} missing; the reasons are listed below.", False))
    return banners


def _asked(run: AblationRun) -> str:
    others, seeds = len(run.arms) - 1, len(run.seeds)
    return (
        f"{capital(run.base.title)} was compared with {plural(others, 'variant')}. Every variant made the same "
        f"{plural(len(run.prompts), 'prompt')} with the same {'seed' if seeds == 1 else f'{seeds} seeds'}: "
        f"{plural(run.videos_planned, 'video')} in all, measured by {plural(len(run.metrics), 'metric')}."
    )


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def seconds(value: float) -> str:
    """Seconds with as many digits as one needs: `0.42 s`, `3.1 s`, `75 s`."""
    return f"{value:.{2 if value < 1 else 1 if value < 20 else 0}f} s"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _name(arm: Arm) -> str:
    """The arm's title, short enough for a sentence; right-to-left text is kept from turning what stands beside it."""
    title = plain(arm.title)
    title = title if len(title) <= LONGEST_NAME else f"{title[: LONGEST_NAME - 1]}…"
    return f"\u2068{title}\u2069" if any(bidirectional(c) in ("R", "AL") for c in title) else title


def _list(names: Sequence[str]) -> str:
    """As `_and`, but no longer than a reader bears."""
    return _and(names if len(names) <= MOST_NAMED else [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"])
