"""The plan is balanced over pairs, prompts, sides and annotators, for every size that hypothesis thinks of."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from annotation.design import Plan, Settings, connected, pairs, plan
from magicvideo.errors import InputError

SIZES = {
    "prompts": st.integers(1, 24),
    "systems": st.integers(2, 5),
    "raters": st.integers(1, 5),
    "block": st.integers(1, 30),
    "seed": st.integers(0, 3),
}


def made(prompts: int, systems: int, raters: int, block: int, seed: int, **more: object) -> Plan:
    chosen = Settings(raters=raters, block=block, seed=seed, **more)  # type: ignore[arg-type]
    return plan([f"p{n}" for n in range(prompts)], [f"s{n}" for n in range(systems)], chosen)


@given(**SIZES)
@settings(max_examples=60, deadline=None)
def test_every_pair_on_every_prompt_gets_its_votes_once_a_replicate(
    prompts: int, systems: int, raters: int, block: int, seed: int
) -> None:
    found = made(prompts, systems, raters, block, seed)
    mains = [slot for slot in found.slots if slot.kind == "main"]
    assert len(found.units) == prompts * systems * (systems - 1) // 2
    counts = Counter((found.replicates[slot.block], slot.unit) for slot in mains)
    assert counts == {(r, u): 1 for r in range(raters) for u in range(len(found.units))}


@given(**SIZES)
@settings(max_examples=60, deadline=None)
def test_blocks_are_even_in_size_pairs_and_prompts(
    prompts: int, systems: int, raters: int, block: int, seed: int
) -> None:
    found = made(prompts, systems, raters, block, seed)
    edges = systems * (systems - 1) // 2
    blocks = defaultdict(list)
    for slot in found.slots:
        if slot.kind == "main":
            blocks[slot.block].append(found.units[slot.unit])
    sizes = [len(units) for units in blocks.values()]
    assert max(sizes) <= block
    assert max(sizes) - min(sizes) <= 1
    for units in blocks.values():
        by_prompt = Counter(unit.item for unit in units)
        assert max(by_prompt.values()) <= -(-len(units) // prompts)
        by_pair = Counter((unit.first, unit.second) for unit in units)
        # Within one cycle of lcm(P, C) places pairs come in strict turn; a block may reach over a cycle's end.
        assert max(by_pair.values()) - min([*by_pair.values(), 0][: 1 if len(by_pair) == edges else 2]) <= 2


@given(**SIZES)
@settings(max_examples=60, deadline=None)
def test_sides_are_balanced_for_each_annotator_and_each_pair(
    prompts: int, systems: int, raters: int, block: int, seed: int
) -> None:
    found = made(prompts, systems, raters, block, seed)
    by_block, by_unit = Counter[object](), Counter[object]()
    for slot in found.slots:
        if slot.kind == "main":
            unit = found.units[slot.unit]
            sign = 1 if slot.swapped else -1
            by_block[slot.block, unit.first, unit.second] += sign
            by_unit[slot.unit] += sign
    assert all(abs(n) <= 1 for n in by_block.values())
    assert all(abs(n) == raters % 2 for n in by_unit.values())


@given(**SIZES, repeats=st.floats(0.05, 0.1))
@settings(max_examples=60, deadline=None)
def test_repeats_have_their_sides_swapped_and_come_late(
    prompts: int, systems: int, raters: int, block: int, seed: int, repeats: float
) -> None:
    assume(block >= 6)
    found = made(prompts, systems, raters, block, seed, repeats=repeats)
    first = {(s.block, s.unit): s for s in found.slots if s.kind == "main"}
    again = [slot for slot in found.slots if slot.kind == "repeat"]
    sizes = Counter(s.block for s in found.slots if s.kind == "main")
    for slot in again:
        original = first[slot.block, slot.unit]
        assert slot.swapped != original.swapped
        assert slot.position - original.position >= sizes[slot.block] // 3
    assert len({(s.block, s.unit) for s in again}) == len(again)
    if min(sizes.values()) >= 6:
        wanted = repeats * len(first)
        assert wanted - 1 <= len(again) <= wanted


def test_every_round_has_one_gold_of_each_kind_somewhere_behind_the_first_task() -> None:
    found = made(12, 3, 2, 12, 0)
    places: dict[str, set[int]] = defaultdict(set)
    for b in range(len(found.replicates)):
        golds = [s for s in found.slots if s.block == b and s.kind in ("identical", "degraded")]
        assert sorted(s.kind for s in golds) == ["degraded", "identical"]
        assert all(found.golds[s.unit - len(found.units)].kind == s.kind for s in golds)
        for slot in golds:
            places[slot.kind].add(slot.position)
            assert slot.position > 0
    assert all(len(of) > 2 for of in places.values()), "they must not come at one place"
    sides = Counter(s.swapped for s in found.slots if s.kind == "degraded")
    assert len(sides) == 2


def test_positions_count_through_each_block() -> None:
    found = made(7, 4, 3, 8, 1)
    for b in range(len(found.replicates)):
        positions = [s.position for s in found.slots if s.block == b]
        assert positions == list(range(len(positions)))


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert made(8, 3, 2, 10, 5) == made(8, 3, 2, 10, 5)
    assert made(8, 3, 2, 10, 5).slots != made(8, 3, 2, 10, 6).slots


@given(st.integers(2, 7))
def test_the_comparison_graph_is_connected(systems: int) -> None:
    names = [f"s{n}" for n in range(systems)]
    assert pairs(names) == list(combinations(names, 2))
    assert connected(names, pairs(names))
    assert len(pairs(names, "s1")) == systems - 1
    assert connected(names, pairs(names, "s1"))


def test_a_graph_in_two_parts_is_noticed() -> None:
    assert not connected(["a", "b", "c", "d"], [("a", "b"), ("c", "d")])


@pytest.mark.parametrize(
    "wrong", [{"raters": 0}, {"block": 0}, {"repeats": 0.9}, {"golds": -1}, {"baseline": "nobody"}]
)
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        plan(["p"], ["a", "b"], Settings(**wrong))  # type: ignore[arg-type]


def test_one_system_is_no_study() -> None:
    with pytest.raises(InputError, match="two systems"):
        plan(["p"], ["a"], Settings())
