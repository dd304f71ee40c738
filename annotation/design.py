"""Who compares what: balanced incomplete blocks over prompts, pairs of systems and annotators.

A unit is a pair of systems on one prompt and wants `raters` votes. A replicate is all units once, cut into blocks; an
annotator takes a block at a time. Within a block every pair of systems comes about as often as any other, every prompt
about as often, and each pair's systems change sides. All of it follows from the seed. Knows nothing of people or files.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import ceil, lcm
from typing import Literal

from magicvideo.errors import InputError, unknown_name

Kind = Literal["main", "repeat", "identical", "degraded"]
GOLDS: tuple[Kind, Kind] = ("identical", "degraded")
Place = tuple[int, int]
"""(block, unit)."""


@dataclass(frozen=True)
class Settings:
    """What the owner chooses. Shares are of ordinary tasks."""

    raters: int = 3
    block: int = 20
    repeats: float = 0.08
    golds: int = 1
    """Pairs of each kind of gold in a block."""
    gold_pool: int = 8
    """How many different ones of each kind are made."""
    baseline: str | None = None
    """Compare every system with this one only; None compares all with all."""
    seed: int = 0

    def check(self) -> None:
        """Raise `InputError` for a setting out of its range."""
        ranges = (
            ("raters", self.raters, 1, 1000),
            ("block", self.block, 1, 1000),
            ("repeats", self.repeats, 0, 0.5),
            ("golds", self.golds, 0, 10),
            ("gold_pool", self.gold_pool, 1, 1000),
        )
        for name, value, low, high in ranges:
            if not low <= value <= high:
                raise InputError(f"--{name.replace('_', '-')} must be from {low} to {high}, got {value}")


@dataclass(frozen=True)
class Unit:
    """Two systems on one item, in the order of the study's systems."""

    item: str
    first: str
    second: str


@dataclass(frozen=True)
class Gold:
    """A pair whose answer is known: a video beside its copy, or beside its degraded copy (which is the second)."""

    kind: Kind
    item: str
    system: str


@dataclass(frozen=True)
class Slot:
    """One task of a block. `unit` counts units, and behind them golds. `swapped` puts the second one on the left."""

    block: int
    position: int
    kind: Kind
    unit: int
    swapped: bool


@dataclass(frozen=True)
class Plan:
    units: tuple[Unit, ...]
    golds: tuple[Gold, ...]
    replicates: tuple[int, ...]
    """Block -> the replicate it belongs to."""
    slots: tuple[Slot, ...]


def pairs(systems: Sequence[str], baseline: str | None = None) -> list[tuple[str, str]]:
    """The pairs of systems to compare; the comparison graph is connected either way."""
    if len(systems) < 2:
        raise InputError(f"a study compares two systems or more, got {len(systems)}")
    if baseline is not None and baseline not in systems:
        raise unknown_name("system", baseline, systems, "--baseline")
    return [pair for pair in combinations(systems, 2) if baseline is None or baseline in pair]


def connected(systems: Sequence[str], edges: Iterable[tuple[str, str]]) -> bool:
    """Whether every system can be reached from every other over comparisons; else no common scale exists."""
    near = defaultdict[str, set[str]](set)
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    seen, front = {systems[0]}, [systems[0]]
    while front:
        new = near[front.pop()] - seen
        seen |= new
        front += sorted(new)
    return seen == set(systems)


def plan(items: Sequence[str], systems: Sequence[str], settings: Settings) -> Plan:
    """The whole plan. Raises `InputError` for settings out of range or fewer than two systems."""
    settings.check()
    if not items:
        raise InputError("a study needs at least one prompt that all systems have a video for")
    edges = pairs(systems, settings.baseline)
    units = tuple(Unit(item, a, b) for item in items for a, b in edges)
    replicates: list[int] = []
    blocks: list[list[int]] = []
    for replicate in range(settings.raters):
        found = _replicate(len(items), len(edges), settings.block, _random(settings, "replicate", replicate))
        blocks += found
        replicates += [replicate] * len(found)
    swapped = _sides(blocks, replicates, len(edges), _random(settings, "sides"))
    golds = _golds(items, systems, settings)
    slots = _slots(blocks, swapped, len(units), golds, settings)
    return Plan(units, golds, tuple(replicates), tuple(slots))


def _random(settings: Settings, *words: object) -> random.Random:
    return random.Random(":".join(map(str, (settings.seed, *words))))


def _replicate(items: int, edges: int, size: int, rng: random.Random) -> list[list[int]]:
    """All units once, in blocks whose sizes differ by one at most.

    The n-th place takes prompt n mod P and pair n mod C, which meets every unit once in lcm(P, C) places; then the
    pairs move on by one. So any stretch holds pairs and prompts evenly.
    """
    prompt_order = rng.sample(range(items), items)
    pair_order = rng.sample(range(edges), edges)
    cycle, total = lcm(items, edges), items * edges
    order = [prompt_order[n % items] * edges + pair_order[(n + n // cycle) % edges] for n in range(total)]
    count = ceil(total / size)
    cuts = [total * b // count for b in range(count + 1)]
    blocks = [order[a:b] for a, b in pairwise(cuts)]
    for block in blocks:
        rng.shuffle(block)
    return blocks


def _sides(blocks: list[list[int]], replicates: list[int], edges: int, rng: random.Random) -> dict[Place, bool]:
    """(block, unit) -> swapped. A pair's sides differ by one at most within a block, and a unit's over replicates.

    Places are tied two and two, once by pair within a block (what is left over with the next block's) and once by
    unit over two replicates. Two matchings make even cycles only, so ends of a tie can always get different sides.
    """
    ties = defaultdict[Place, list[Place]](list)
    for a, b in _ties(blocks, replicates, edges):
        ties[a].append(b)
        ties[b].append(a)
    swapped = dict[Place, bool]()
    for start in [(b, unit) for b, block in enumerate(blocks) for unit in block]:
        if start in swapped:
            continue
        swapped[start] = rng.random() < 0.5
        front = [start]
        while front:
            place = front.pop()
            for other in ties[place]:
                if other not in swapped:
                    swapped[other] = not swapped[place]
                    front.append(other)
    return swapped


def _ties(blocks: list[list[int]], replicates: list[int], edges: int) -> Iterator[tuple[Place, Place]]:
    waiting = dict[Place, Place]()
    for b, block in enumerate(blocks):
        inside = dict[int, Place]()
        for unit in block:
            if (other := inside.pop(unit % edges, None)) is not None:
                yield other, (b, unit)
            else:
                inside[unit % edges] = (b, unit)
        for pair, place in inside.items():
            if (other := waiting.pop((replicates[b], pair), None)) is not None:
                yield other, place
            else:
                waiting[replicates[b], pair] = place
    first = dict[int, Place]()
    for b, block in enumerate(blocks):
        for unit in block:
            if (other := first.pop(unit, None)) is not None:
                yield other, (b, unit)
            else:
                first[unit] = (b, unit)


def _golds(items: Sequence[str], systems: Sequence[str], settings: Settings) -> tuple[Gold, ...]:
    """Golds of both kinds in turn, spread over items and systems."""
    if not settings.golds:
        return ()
    rng = _random(settings, "golds")
    order = rng.sample(list(items), len(items))
    found: list[Gold] = []
    for _ in range(settings.gold_pool):
        for kind in GOLDS:
            found.append(Gold(kind, order[len(found) % len(order)], systems[rng.randrange(len(systems))]))
    return tuple(dict.fromkeys(found))


def _slots(
    blocks: list[list[int]],
    swapped: dict[Place, bool],
    units: int,
    golds: Sequence[Gold],
    settings: Settings,
) -> Iterator[Slot]:
    done = 0
    pools = [[units + n for n, gold in enumerate(golds) if gold.kind == kind] for kind in GOLDS]
    for b, block in enumerate(blocks):
        rng = _random(settings, "block", b)
        tasks: list[tuple[Kind, int, bool]] = [("main", unit, swapped[b, unit]) for unit in block]
        before, done = done, done + len(block)
        repeats = int(done * settings.repeats) - int(before * settings.repeats)
        tasks = _with_repeats(tasks, repeats, rng)
        for kind, pool in zip(GOLDS, pools, strict=True):
            for n in range(settings.golds if pool else 0):
                gold = pool[(b * settings.golds + n) % len(pool)]
                tasks.insert(rng.randint(min(1, len(tasks)), len(tasks)), (kind, gold, rng.random() < 0.5))
        for position, (kind, unit, side) in enumerate(tasks):
            yield Slot(b, position, kind, unit, side)


def _with_repeats(
    tasks: list[tuple[Kind, int, bool]], repeats: int, rng: random.Random
) -> list[tuple[Kind, int, bool]]:
    """Early tasks again, sides swapped, in the last third of the block."""
    third = max(1, len(tasks) // 3)
    if len(tasks) < 3:
        return tasks
    again = rng.sample(tasks[:third], min(repeats, third))
    tail: list[tuple[Kind, int, bool]] = tasks[-third:]
    for _, unit, side in again:
        tail.insert(rng.randint(0, len(tail)), ("repeat", unit, not side))
    return tasks[:-third] + tail
