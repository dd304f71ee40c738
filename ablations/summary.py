"""An ablation's effects in plain words. Every sentence follows from the numbers; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablations.effects import CLAIMS, Effect, prompts_needed

Run = Mapping[str, Any]
SHOWN = 4
"""Claims told per arm; the table has the rest."""
ALWAYS = "motion_magnitude"
"""Told of every arm: coherence that comes with less motion is no gain."""


def sentences(effects: Sequence[Effect], run: Run) -> list[str]:
    """The headline, one sentence an arm, then what limits the reading."""
    arms = [arm for arm in run["arms"] if arm["name"] != run["base"]]
    lines = [_headline(effects, run)]
    for arm in arms:
        lines.append(_arm(arm["title"], [e for e in effects if e.arm == arm["name"]], run))
    return lines + _limits(effects, run)


def _headline(effects: Sequence[Effect], run: Run) -> str:
    tested = [e for e in effects if e.p is not None]
    claimed = [e for e in effects if e.verdict in CLAIMS]
    return (
        f"{_many(len(run['prompts']), 'prompt')} x {_many(len(run['seeds']), 'seed')} an arm. "
        f"Of {len(tested)} comparisons with the full model, {len(claimed)} show a difference after correction for "
        "having looked at all of them (Holm, 5 %)."
    )


def _arm(title: str, effects: Sequence[Effect], run: Run) -> str:
    tested = [e for e in effects if e.p is not None]
    claimed = sorted((e for e in tested if e.verdict in CLAIMS), key=_size, reverse=True)
    title = title[:1].upper() + title[1:]
    if not tested:
        return f"{title}: no pair of videos could be compared."
    told = [_claim(e, run) for e in claimed[:SHOWN]]
    if len(claimed) > SHOWN:
        told.append(f"{len(claimed) - SHOWN} more in the table")
    if not claimed:
        told.append(f"no difference is shown on {_many(len(tested), 'metric')}{_hint(tested, run)}")
    motion = next((e for e in tested if e.metric == ALWAYS and e not in claimed[:SHOWN]), None)
    if motion is not None:
        told.append(f"{_title(motion, run)} {_change(motion, run)} ({motion.verdict})")
    equal = [_title(e, run) for e in tested if e.verdict == "equivalent" and e is not motion]
    if equal:
        told.append(f"equal within the margin: {', '.join(equal)}")
    return f"{title}: {'; '.join(told)}."


def _claim(effect: Effect, run: Run) -> str:
    judged = "no direction is better" if effect.verdict == "different" else effect.verdict
    return f"{_title(effect, run)} {_change(effect, run)}: {judged}"


def _hint(tested: Sequence[Effect], run: Run) -> str:
    """The largest effect whose interval excludes 0 though the correction does not let it be claimed."""
    hints = [e for e in tested if e.low is not None and e.high is not None and not e.low <= 0 <= e.high]
    open_ones = [e for e in hints if e.verdict == "inconclusive"]
    if not open_ones:
        return ""
    best = max(open_ones, key=_size)
    return f" (a hint, not a finding: {_title(best, run)} {_change(best, run)})"


def _change(effect: Effect, run: Run) -> str:
    """`falls from 0.71 to 0.52 (by 0.19; 95 % interval -0.25 to -0.12)`."""
    d = effect.difference or 0.0
    if d == 0:
        return f"stays at {_number(effect.full, effect, run)}"
    verb = "rises" if d > 0 else "falls"
    span = "" if effect.low is None else f"; 95 % interval {effect.low:+.3g} to {effect.high:+.3g}"
    ends = f"from {_number(effect.full, effect, run)} to {_number(effect.value, effect, run)}"
    return f"{verb} {ends} ({d:+.3g}{span})"


def _limits(effects: Sequence[Effect], run: Run) -> list[str]:
    lines = []
    tested = [e for e in effects if e.p is not None]
    prompts, needed = len(run["prompts"]), prompts_needed(len(tested))
    if tested and prompts < needed:
        lines.append(
            f"With {_many(prompts, 'prompt')} no difference can survive the correction for {len(tested)} comparisons, "
            f"however large: {needed} prompts are the least. Read the differences as hints."
        )
    sets = list(dict.fromkeys(_title(e, run) for e in effects if e.set_level))
    if sets:
        lines.append(f"{', '.join(sets)}: one number an arm, so its differences are shown without a claim.")
    planned = len(run["prompts"]) * len(run["seeds"])
    short = [e for e in effects if not e.set_level and e.n < planned]
    if short:
        worst = min(short, key=lambda e: e.n)
        lines.append(
            f"{len(short)} comparisons rest on fewer than {planned} pairs (least: {_title(worst, run)}, {worst.n}), "
            "because some videos could not be scored; the scores carry the reasons."
        )
    if any(e.verdict == "inconclusive" and not e.set_level for e in effects):
        lines.append("Inconclusive does not mean equal: these videos are too few to tell.")
    return lines


def _title(effect: Effect, run: Run) -> str:
    return str(run["metrics"][effect.metric].get("title") or effect.metric)


def _number(value: float | None, effect: Effect, run: Run) -> str:
    if value is None:
        return "unknown"
    unit = run["metrics"][effect.metric].get("unit") or ""
    return f"{value:.3g} {unit}".strip()


def _size(effect: Effect) -> float:
    """How large an effect is for sorting; without any spread between prompts it counts as largest."""
    return float("inf") if effect.standardised is None else abs(effect.standardised)


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
