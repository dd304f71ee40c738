"""Flags name what people did, with evidence; what the infrastructure did is never among them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from annotation.design import Settings
from annotation.export import COLUMNS
from annotation.owner import export, live
from annotation.quality import LEASE_LOST, assess
from annotation.study import DID_NOT_PLAY, SKIP_REASONS, Rules
from annotation.table import counted, tidy
from annotation.terms import Answer, Watched

RULES = Rules()
VOTE = dict.fromkeys(COLUMNS, "") | {
    "left": "a",
    "right": "b",
    "choice": "left",
    "criterion": "overall",
    "seconds": 5.0,
    "watched_left": 1.0,
    "watched_right": 1.0,
    "flagged": False,
}


def frame(*votes: dict[str, object]) -> pd.DataFrame:
    rows = [VOTE | {"task": str(n), "prompt": f"p{n}", "item": f"p{n}"} | vote for n, vote in enumerate(votes)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rules_of(votes: pd.DataFrame, happened: Any = None) -> dict[str, list[str]]:
    return {q.annotator: [flag.rule for flag in q.flags] for q in assess(votes, RULES, happened)}


def alternating(who: str, n: int, **more: object) -> list[dict[str, object]]:
    return [{"annotator": who, "choice": ("left", "right")[i % 2], **more} for i in range(n)]


def test_a_careful_person_has_no_flag() -> None:
    (found,) = assess(frame(*alternating("ann", 40)), RULES)
    assert found.flags == ()
    assert (found.votes, found.left_share, found.watched, found.fast) == (40, 0.5, 1.0, 0.0)
    assert (found.consistency, found.gold_accuracy, found.agreement) == (None, None, None), "nothing to measure them by"


def test_always_left_is_a_side_bias_and_mostly_same_is_none() -> None:
    assert rules_of(frame(*({"annotator": "ann"} for _ in range(20)))) == {"ann": ["side"]}
    few = [{"annotator": "ann", "choice": "same"}] * 20 + [{"annotator": "ann"}] * 5
    assert rules_of(frame(*few)) == {"ann": []}


def test_fast_and_unwatched_votes() -> None:
    assert rules_of(frame(*alternating("ann", 10, seconds=0.4))) == {"ann": ["fast"]}
    assert rules_of(frame(*alternating("ann", 10, watched_right=0.2))) == {"ann": ["watched"]}
    assert rules_of(frame(*alternating("ann", 4, seconds=0.4, watched_left=0.0))) == {"ann": []}, "too few to say"


def repeats(same_system: bool, n: int = 5) -> pd.DataFrame:
    """n tasks and their repeats with sides swapped."""
    votes: list[dict[str, object]] = alternating("ann", n)
    for i in range(n):
        first = votes[i]["choice"]
        other = {"left": "right", "right": "left"}[str(first)]
        choice = other if same_system else first
        votes.append({"annotator": "ann", "left": "b", "right": "a", "choice": choice, "repeat_of": str(i)})
    return frame(*votes)


def test_repeats_are_held_against_the_system_and_not_the_side() -> None:
    (good,) = assess(repeats(same_system=True), RULES)
    assert (good.consistency, good.repeats, good.flags) == (1.0, 5, ())
    (bad,) = assess(repeats(same_system=False), RULES)
    assert (bad.consistency, [flag.rule for flag in bad.flags]) == (0.0, ["repeats"])
    assert "0 of 5" in bad.flags[0].evidence


def test_one_wrong_repeat_is_no_evidence() -> None:
    (found,) = assess(repeats(same_system=False, n=1), RULES)
    assert (found.consistency, found.flags) == (0.0, ())


def test_golds() -> None:
    golds = [{"gold": "identical", "right": "a (copy)", "expected": "same", "choice": "left"}] * 4
    votes = [*alternating("ann", 6), *({"annotator": "ann", **gold} for gold in golds)]
    (found,) = assess(frame(*votes), RULES)
    assert (found.gold_accuracy, found.golds, [f.rule for f in found.flags]) == (0.0, 4, ["gold"])
    right = [vote | {"choice": "same"} if "gold" in vote else vote for vote in votes]
    assert rules_of(frame(*right)) == {"ann": []}


def test_someone_who_always_disagrees_is_shown() -> None:
    votes = [
        {
            "annotator": who,
            "prompt": f"p{n}",
            "item": f"p{n}",
            "choice": "right" if (who == "eve") == (n % 2 == 0) else "left",
        }
        for who in ("ann", "bob", "cid", "eve")
        for n in range(12)
    ]
    found = {q.annotator: q for q in assess(frame(*votes), RULES)}
    assert found["eve"].agreement == 0.0
    assert [flag.rule for flag in found["eve"].flags] == ["agreement"]
    assert found["ann"].agreement == 1.0
    assert found["ann"].flags == ()


def test_faults_of_the_infrastructure_are_shown_and_never_flagged() -> None:
    happened = {"ann": {DID_NOT_PLAY: 50, LEASE_LOST: 9, SKIP_REASONS[2]: 1}, "new": {DID_NOT_PLAY: 3}}
    found = {q.annotator: q for q in assess(frame(*alternating("ann", 10)), RULES, happened)}
    assert (found["ann"].faults, found["ann"].skips, found["ann"].flags) == (59, 1, ())
    assert (found["new"].votes, found["new"].faults, found["new"].flags) == (0, 3, ())


def test_the_export_goes_into_the_statistics_and_marks_flagged_people(place: Any, vote: Any) -> None:
    for who, seconds in (("ann", 5.0), ("hasty", 0.1)):
        session = place.open(who)
        task = session.next_task()
        for n in range(12):
            choice = ("left", "same", "right")[n % 3]
            receipt = session.vote(task.id, f"{who}-{n}", {"overall": Answer(choice)}, Watched(1, 1), seconds)
            task = receipt.next
    found = export(place.study, place.votes)
    assert list(found.columns) == list(COLUMNS)
    hasty = place.open("hasty").annotator
    assert set(found.loc[found["flagged"], "annotator"]) == {hasty}
    checked = tidy(found)
    assert len(counted(checked)) == int((found["gold"].eq("") & found["repeat_of"].eq("")).sum())
    assert set(found["left"]) <= {
        s + extra for s in place.study.bundle.systems for extra in ("", " (copy)", " (degraded)")
    }
    assert set(found["expected"]) <= {"", "left", "right", "same"}
    seen = live(place.study, place.votes)
    assert (seen.wanted, seen.invited) == (36, 2)
    assert "fast" in [f.rule for q in seen.annotators if q.annotator == hasty for f in q.flags]


def test_advice_stops_when_everybody_prefers_one_system(tmp_path: Any, freeze: Any, make: Any) -> None:
    """Two votes of each person: prompts and annotators say it both, long before all 24 have voted."""
    design, rules = Settings(raters=1, block=2, golds=0, repeats=0), Rules(most_rounds=1)
    place = make(freeze(tmp_path / "s", 48, ("bad", "good"), design=design, rules=rules), f"sqlite:///{tmp_path / 'v'}")
    owner = place.open("boss", "owner")
    assert not owner.live().advice.stop
    stopped = []
    for n in range(12):
        session = place.open(f"person {n}")
        task = session.next_task()
        while task is not None:
            _, left, _ = place.study.sides(*_slot(place, task.id))
            choice = "left" if left.system == "good" else "right"
            task = session.vote(task.id, task.id, {"overall": Answer(choice)}, Watched(1, 1), 5).next
        stopped.append(owner.live().advice.stop)
    assert stopped.index(True) in range(5, 10)
    assert stopped[-1]
    place.votes.close()


def _slot(place: Any, code: str) -> tuple[Any, int, bool]:
    from sqlalchemy import select

    from annotation.schema import slots

    with place.votes.database.reading() as connection:
        row = connection.execute(select(slots).where(slots.c.code == code)).one()
    return row.kind, row.unit, bool(row.swapped)


@pytest.mark.parametrize("happened", [None, {}])
def test_no_votes_no_annotators(happened: Any) -> None:
    assert assess(frame(), RULES, happened) == ()
