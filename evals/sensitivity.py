"""What a metric answers to known damage: is it blind to it, does it follow it, does it even reward it?

Each clip is compared with itself, damaged: differences are paired by clip and their intervals clustered by prompt, as
everywhere. `measure` scores; `judge` is arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from evals import stats
from evals.compare import by_item
from evals.damage import DAMAGES, LEAST_FRAMES, Damage
from evals.measure import Item
from evals.metric import Score
from evals.runner import Evaluation, evaluate
from evals.suite import Suite
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

FAINT = 0.1
"""A difference below this share of the spread between undamaged clips counts as none, however certain."""
FULL = 0.9
"""Share of the strongest damage's difference from which on a metric counts as saturated."""
EARLY = 3
"""The latest strength, of five, at which reaching it is worth saying."""
LEAST_CLIPS = 6

Values = Mapping[str, tuple[str, float]]
"""Clip -> (prompt id, value)."""


@dataclass(frozen=True)
class Step:
    """Damaged minus undamaged, at one strength, with its 95 % interval; None where too few clips could be scored."""

    difference: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def certain(self) -> bool:
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Answer:
    """One metric's answer to one kind of damage.

    `verdict`: "blind", "worse", "better" (of a metric without direction "down", "up"), "both ways" if strengths
    disagree, "unscored". `saturated`: the first strength (1 to 3) that has 90 % of the strongest one's effect.
    """

    steps: tuple[Step, ...]
    verdict: str
    monotone: bool
    saturated: int | None


@dataclass(frozen=True)
class Card:
    """A metric's answers by damage, beside what it says of the undamaged clips; `spread` is their deviation."""

    metric: str
    about: Mapping[str, Any]
    protocol: str
    value: float
    spread: float | None
    n: int
    answers: Mapping[str, Answer]


@dataclass(frozen=True)
class Sensitivity:
    """The cards of a suite's metrics on one set of clips, and why others have none (metric -> reason)."""

    suite: str
    clips: int
    prompts: int
    cards: Mapping[str, Card]
    without: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        known = {d.name: {"title": d.title, "what": d.what, "strengths": list(d.strengths)} for d in DAMAGES.values()}
        tried = {name for card in self.cards.values() for name in card.answers}
        return {"damages": {name: about for name, about in known.items() if name in tried}, **asdict(self)}


def measure(
    items: Sequence[Item],
    suite: Suite,
    cache: Path | None = None,
    progress: bool = True,
    damages: Sequence[Damage] = tuple(DAMAGES.values()),
) -> Sensitivity:
    """Score clips (`Item.clip` must be a `VideoClip` of three frames at least), undamaged and damaged.

    A clip without reference gets its own first frame, one without truth itself, undamaged. Raises `InputError` for
    fewer than six clips and for short ones.
    """
    whole = [_with_company(item) for item in items]
    if len(whole) < LEAST_CLIPS:
        raise InputError(f"{len(whole)} clip(s): what a metric answers cannot be told from fewer than {LEAST_CLIPS}")
    base = evaluate(whole, suite, cache=cache, progress=False)
    found = dict[str, list[Evaluation]]()
    plan = [(damage, strength) for damage in damages for strength in damage.strengths]
    for damage, strength in tqdm(plan, desc="damaging and scoring", disable=not progress):
        spoiled = [replace(item, clip=damage(_clip(item), strength)) for item in whole]
        found.setdefault(damage.name, []).append(evaluate(spoiled, suite, cache=cache, progress=False))
    return _cards(base, found)


def _clip(item: Item) -> VideoClip:
    if not isinstance(item.clip, VideoClip) or len(item.clip) < LEAST_FRAMES:
        raise InputError(f"{item.name}: damage needs a clip of at least {LEAST_FRAMES} frames")
    return item.clip


def _with_company(item: Item) -> Item:
    clip = _clip(item)
    first = VideoClip(clip.frames[:1], clip.fps)
    return replace(item, reference=item.reference or first, truth=item.truth or clip)


def _cards(base: Evaluation, found: Mapping[str, Sequence[Evaluation]]) -> Sensitivity:
    clean = _values(base)
    damaged = {name: [_values(one) for one in several] for name, several in found.items()}
    cards, without = dict[str, Card](), dict[str, str]()
    for name, score in base.scores.items():
        if score.value is None:
            without[name] = next((r.reason for r in base.rows if r.metric == name and r.reason), "unscored")
            continue
        of_set = name not in clean
        answers = {
            kind: judge_set(score, [one.scores[name] for one in several])
            if of_set
            else judge(clean[name], [one.get(name, {}) for one in damaged[kind]], score.higher_is_better)
            for kind, several in found.items()
        }
        spread = None if of_set else float(np.std([v for _, v in clean[name].values()], ddof=1))
        cards[name] = Card(name, base.metrics[name], score.protocol, score.value, spread, score.n, answers)
    prompts = {row.prompt_id for row in base.rows}
    return Sensitivity(base.suite, len({row.item for row in base.rows}), len(prompts), cards, without)


def _values(evaluation: Evaluation) -> dict[str, dict[str, tuple[str, float]]]:
    return by_item([asdict(row) for row in evaluation.rows])


def judge(clean: Values, damaged: Sequence[Values], higher_is_better: bool | None) -> Answer:
    """The answer of a metric with a value for each clip, paired by clip."""
    steps = tuple(_paired(clean, one) for one in damaged)
    spread = float(np.std([value for _, value in clean.values()], ddof=1))
    changes = [_paired(a, b) for a, b in pairwise([clean, *damaged])]
    return _answer(steps, changes, spread, higher_is_better)


def judge_set(clean: Score, damaged: Sequence[Score]) -> Answer:
    """The answer of a metric of the whole set: both sets' own intervals added as if independent, which is too wide."""
    steps = tuple(_unpaired(clean, one) for one in damaged)
    changes = [_unpaired(a, b) for a, b in pairwise([clean, *damaged])]
    return _answer(steps, changes, 0.0, clean.higher_is_better)


def _paired(before: Values, after: Values) -> Step:
    shared = sorted(before.keys() & after.keys())
    if len(shared) < LEAST_CLIPS:
        return Step(None, None, None, len(shared))
    one, other = ([which[clip][1] for clip in shared] for which in (before, after))
    found = stats.paired(one, other, [before[clip][0] for clip in shared])
    return Step(found.value, found.low, found.high, found.n)


def _unpaired(before: Score, after: Score) -> Step:
    if before.value is None or after.value is None:
        return Step(None, None, None, 0)
    difference = after.value - before.value
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return Step(difference, None, None, after.n)
    down = np.hypot(after.value - after.low, before.high - before.value)
    up = np.hypot(after.high - after.value, before.value - before.low)
    return Step(difference, float(difference - down), float(difference + up), after.n)


def _answer(steps: tuple[Step, ...], changes: Sequence[Step], spread: float, higher_is_better: bool | None) -> Answer:
    scored = [step for step in steps if step.difference is not None]
    if not scored:
        return Answer(steps, "unscored", False, None)
    seen = [d for s in scored if (d := s.difference) is not None and s.certain and abs(d) >= FAINT * spread]
    signs = {d > 0 for d in seen}
    if len(signs) != 1:
        return Answer(steps, "both ways" if signs else "blind", False, None)
    (rises,) = signs
    against = any(c.certain and c.difference is not None and (c.difference > 0) != rises for c in changes)
    words = {True: ("worse", "better"), False: ("better", "worse"), None: ("down", "up")}[higher_is_better]
    return Answer(steps, words[rises], not against, None if against else _saturated(steps))


def _saturated(steps: tuple[Step, ...]) -> int | None:
    """The first strength with 90 % of the strongest one's effect, if that is early."""
    last = steps[-1].difference
    if last is None:
        return None
    reached = (k for k, s in enumerate(steps, 1) if s.difference is not None and s.difference / last >= FULL)
    first = next(reached)
    return first if first <= EARLY else None
