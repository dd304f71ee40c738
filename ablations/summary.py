"""An ablation's effects in plain words. Every sentence follows from the numbers; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from ablations.effects import CLAIMS, Effect, prompts_needed

Run = Mapping[str, Any]
SHOWN = 4
"""Claims told per arm; the table has the rest."""
ALWAYS = "motion_magnitude"
"""Told of every arm: coherence that comes with less motion is no gain."""
WORDS = {
    "different": "neither direction is better",
    "equivalent": "equal within the margin",
    "inconclusive": "no difference is shown",
}


def sentences(effects: Sequence[Effect], run: Run) -> list[str]:
    """The headline, one sentence an arm, then what limits the reading."""
    lines = [_headline(effects, run)]
    for name, title in _told(effects, run).items():
        lines.append(_arm(title, [e for e in effects if e.arm == name], run))
    return lines + _limits(effects, run)


def _told(effects: Sequence[Effect], run: Run) -> dict[str, str]:
    """Name -> title of what is told: main effects first, then arms; a factorial's combinations have no line."""
    titles = {arm["name"]: str(arm["title"]) for arm in run["arms"]}
    mains = {e.arm: f"{titles.get(e.arm, e.arm)}, averaged over the other switches" for e in effects if e.arms > 1}
    own = {name: titles[name] for arm in run["arms"] if (name := arm["name"]) != run["base"] and not arm.get("off")}
    return mains | own


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
    title = capital(title)
    if not tested:
        return f"{title}: no pair of videos could be compared."
    told = [_claim(e, run) for e in claimed[:SHOWN]]
    if len(claimed) > SHOWN:
        told.append(f"{len(claimed) - SHOWN} more in the table")
    unclear = [e for e in tested if e.verdict == "inconclusive" and e.metric != ALWAYS]
    if unclear and not claimed:
        told.append(f"no difference is shown on {_many(len(unclear), 'metric')}{_hint(unclear, run)}")
    motion = next((e for e in tested if e.metric == ALWAYS and e not in claimed[:SHOWN]), None)
    if motion is not None:
        told.append(f"{_title(motion, run)} {_change(motion, run)}: {WORDS.get(motion.verdict, motion.verdict)}")
    equal = [_title(e, run) for e in tested if e.verdict == "equivalent" and e is not motion]
    if equal:
        told.append(f"equal within the margin: {', '.join(equal)}")
    return f"{title}: {'; '.join(told)}."


def is_setting(text: str) -> bool:
    """Whether a title begins with a setting, as `i2v.steps=5` does."""
    return "=" in text.split(" ")[0]


def capital(text: str) -> str:
    """As a sentence begins; a setting keeps its letters."""
    return text if is_setting(text) else text[:1].upper() + text[1:]


def _claim(effect: Effect, run: Run) -> str:
    return f"{_title(effect, run)} {_change(effect, run)}: {WORDS.get(effect.verdict, effect.verdict)}"


def _hint(unclear: Sequence[Effect], run: Run) -> str:
    """The largest effect whose interval excludes 0 though the correction does not let it be claimed."""
    hints = [e for e in unclear if e.low is not None and e.high is not None and not e.low <= 0 <= e.high]
    if not hints:
        return ""
    best = max(hints, key=_size)
    return f" (a hint, not a finding: {_title(best, run)} {_change(best, run)})"


def _change(effect: Effect, run: Run) -> str:
    """`falls from 0.71 to 0.52 (-0.19; 95 % interval -0.25 to -0.12)`; the difference's size decides the digits."""
    d = effect.difference or 0.0
    full, value = effect.base or 0.0, effect.value or 0.0
    unit = f" {run['metrics'][effect.metric].get('unit') or ''}".rstrip()
    if d == 0:
        return f"stays at {full:.3g}{unit}"
    places = max(0, 1 - floor(log10(abs(d))))
    verb = "rises" if d > 0 else "falls"
    span = "" if effect.low is None else f"; 95 % interval {effect.low:+.{places}f} to {effect.high:+.{places}f}"
    return f"{verb} from {full:.{places}f} to {value:.{places}f}{unit} ({d:+.{places}f}{span})"


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


def _size(effect: Effect) -> float:
    """How large an effect is for sorting; without any spread between prompts it counts as largest."""
    return float("inf") if effect.standardised is None else abs(effect.standardised)


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
