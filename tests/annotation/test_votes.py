"""The store keeps every acknowledged vote once, gives every pair the votes it wants and no more, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, select, text

from annotation import schema
from annotation import votes as votes_module
from annotation.database import Database
from annotation.design import Settings
from annotation.invitations import admit
from annotation.session import Session
from annotation.study import DID_NOT_PLAY, Rules
from annotation.terms import Answer, Mark, Receipt, Refused, Watched
from annotation.votes import Votes
from magicvideo.errors import InputError

Vote = Callable[..., Receipt]
SECONDS = 30 * 60.0


def all_of_it(place: Any, who: str, vote: Vote) -> int:
    """Vote until nothing is left; returns how many."""
    session, done = place.open(who), 0
    task = session.next_task()
    while task is not None:
        task, done = vote(session, task).next, done + 1
    return done


def test_a_vote_is_there_for_another_process_when_it_is_acknowledged(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    task = session.next_task()
    answers = {
        "overall": Answer("left"),
        "structure": Answer("same", ("whole shapes",), Mark("right", 0.5, 0.25, 1.0)),
    }
    session.vote(task.id, "one", answers, Watched(1.0, 0.5), 7.5)
    other = Votes(place.study, place.votes.database.engine.url.render_as_string(hide_password=False), place.clock)
    rows = other.cast()
    other.close()
    assert [(r.criterion, r.choice, r.watched_right, r.seconds) for r in rows] == [
        ("overall", "left", 0.5, 7.5),
        ("structure", "same", 0.5, 7.5),
    ]
    assert rows[1].reasons == '["whole shapes"]'
    assert '"x": 0.25' in rows[1].mark


def test_everybody_together_gives_every_pair_what_it_wants_and_no_more(place: Any, vote: Vote) -> None:
    for name in ("ann", "bob", "cid"):
        all_of_it(place, name, vote)
    rows = [r for r in place.votes.cast() if r.kind == "main"]
    wanted = place.study.bundle.design["raters"]
    assert set(Counter(r.unit for r in rows).values()) == {wanted}
    assert len({(r.annotator, r.unit) for r in rows}) == len(rows), "nobody meets a pair twice"
    assert place.votes.counts() == {"done": 36, "wanted": 36, "leased": 0, "invited": 3}
    assert place.open("ann").next_task() is None
    assert place.open("ann").progress().finished


def test_what_is_repeated_changes_nothing(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    task = session.next_task()
    first = vote(session, task, "click")
    again = vote(session, task, "click", "right")
    tab = vote(session, task, "other tab".replace(" ", "-"), "right")
    assert (first.repeated, again.repeated, tab.repeated) == (False, True, True)
    assert first.next == again.next == tab.next
    assert [r.choice for r in place.votes.cast()] == ["left"]
    assert [e.kind for e in place.votes.log()].count("voted") == 1


def test_a_name_of_a_vote_serves_one_task(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    first = vote(session, session.next_task(), "click")
    with pytest.raises(Refused, match="another task") as refused:
        vote(session, first.next, "click")
    assert refused.value.code == "task"


def test_the_task_that_is_held_stays_whoever_asks_how_often(place: Any) -> None:
    session = place.open("ann")
    task = session.next_task()
    assert [session.next_task(), place.open("ann").next_task()] == [task, task]
    place.clock.now += SECONDS * 0.75
    later = session.next_task()
    assert later.id == task.id
    assert later.expires == place.clock.now + SECONDS, "looking again renews the lease"


def test_two_people_never_hold_the_same_slot(place: Any) -> None:
    tasks = [place.open(f"person {n}").next_task() for n in range(4)]
    assert len({task.id for task in tasks}) == 4


def test_an_expired_lease_goes_to_someone_else_and_the_late_vote_is_refused(
    address: str, tmp_path: Path, freeze: Any, make: Any, vote: Vote
) -> None:
    """One round for everybody, so that there is nothing but what the first one let lie."""
    design = Settings(raters=1, block=20, golds=0, repeats=0)
    place = make(freeze(tmp_path / "study", 2, design=design), address)
    ann, bob = place.open("ann"), place.open("bob")
    held = ann.next_task()
    assert bob.next_task() is None, "all is with ann"
    place.clock.now += SECONDS + 1
    taken = bob.next_task()
    assert taken.id == held.id
    with pytest.raises(Refused) as refused:
        vote(ann, held)
    assert refused.value.code == "task"
    assert all_of_it(place, "bob", vote) == 6
    assert [(e.kind, e.annotator) for e in place.votes.log() if e.kind == "expired"] == [("expired", ann.annotator)]
    assert place.votes.faults() == {ann.annotator: {"lease lost": 1}}
    place.votes.close()


def test_a_late_vote_counts_while_nobody_else_took_the_pair(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    task = session.next_task()
    place.clock.now += SECONDS * 3
    assert not vote(session, task).repeated
    assert len(place.votes.cast()) == 1


def test_undo_takes_back_one_vote_and_its_retry_does_not_bring_it_back(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    first = session.next_task()
    assert session.undo() is None
    following = vote(session, first, "one").next
    assert session.progress().may_undo
    assert session.undo().id == first.id
    assert session.undo() is None, "one step"
    assert place.votes.cast() == []
    assert vote(session, first, "one").repeated, "the retry of the undone vote"
    assert place.votes.cast() == []
    again = vote(session, first, "two", "right")
    assert not again.repeated
    assert again.next.id == following.id, "what was let go comes again"
    assert [r.choice for r in place.votes.cast()] == ["right"]
    assert [e.kind for e in place.votes.log()].count("voted") == 2, "the log keeps what was undone"


def test_a_skipped_pair_goes_to_someone_else_and_never_back(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    task = session.next_task()
    after = session.skip(task.id, DID_NOT_PLAY)
    assert after.id != task.id
    assert session.skip(task.id, DID_NOT_PLAY).id == after.id, "a retry changes nothing"
    all_of_it(place, "ann", vote)
    place.clock.now += SECONDS * 2
    for name in ("bob", "cid"):
        all_of_it(place, name, vote)
    by_code = {r.code: r.annotator for r in place.votes.cast()}
    assert by_code.get(task.id) not in (None, session.annotator)
    assert place.votes.counts()["done"] == 36
    assert place.votes.faults() == {session.annotator: {DID_NOT_PLAY: 1}}


def test_a_repeat_comes_only_to_who_answered_the_first(place: Any, vote: Vote) -> None:
    for name in ("ann", "bob", "cid"):
        all_of_it(place, name, vote)
    rows = place.votes.cast()
    mains = {(r.annotator, r.block, r.unit) for r in rows if r.kind == "main"}
    repeats = [r for r in rows if r.kind == "repeat"]
    assert repeats
    assert all((r.annotator, r.block, r.unit) in mains for r in repeats)


def test_rounds_are_limited_if_the_study_says_so(
    address: str, tmp_path: Path, freeze: Any, make: Any, vote: Vote
) -> None:
    place = make(freeze(tmp_path / "study", rules=Rules(most_rounds=1)), address)
    session = place.open("ann")
    assert session.progress().round_number == 0
    task = session.next_task()
    size = session.progress().round_size
    done = 0
    while task is not None:
        task, done = vote(session, task).next, done + 1
    assert done == size
    assert session.progress().round_number == 1
    assert session.progress().finished
    place.votes.close()


def test_progress_counts_and_resumes_after_a_restart(place: Any, vote: Vote) -> None:
    session = place.open("ann")
    task = vote(session, vote(session, session.next_task()).next).next
    place.votes.close()
    place.votes = Votes(place.study, place.votes.database.engine.url.render_as_string(False), place.clock)
    back = place.open("ann")
    assert back.next_task().id == task.id
    progress = back.progress()
    assert (progress.done, progress.round_done, progress.round_number) == (2, 2, 1)
    assert not progress.finished


def test_forgetting_removes_a_person_and_opens_their_pairs(place: Any, vote: Vote) -> None:
    ann = place.open("ann")
    all_of_it(place, "ann", vote)
    all_of_it(place, "bob", vote)
    kept = [r for r in place.votes.cast() if r.annotator != ann.annotator]
    removed = place.votes.forget(ann.annotator)
    assert removed["votes"] > 18
    assert place.votes.cast() == kept
    assert not any(ann.annotator in str(tuple(e)) for e in place.votes.log())
    assert [e.kind for e in place.votes.log()][-1] == "forgotten"
    with pytest.raises(Refused):
        ann.next_task()
    all_of_it(place, "cid", vote)
    rows = [r for r in place.votes.cast() if r.kind == "main"]
    assert set(Counter(r.unit for r in rows).values()) == {2}


def test_forgetting_nobody_is_an_error(place: Any) -> None:
    with pytest.raises(InputError, match="no annotator"):
        place.votes.forget("nobody")


def test_a_store_of_another_study_is_refused(place: Any, tmp_path: Path, freeze: Any) -> None:
    if not place.votes.database.sqlite:
        pytest.skip("in PostgreSQL each study has a schema of its own, so stores cannot meet")
    other = freeze(tmp_path / "other", prompts=2)
    with pytest.raises(InputError, match="another database"):
        Votes(other, str(place.votes.database.engine.url))


def test_a_store_that_does_not_answer_is_an_error_without_the_password(tmp_path: Path, freeze: Any) -> None:
    study = freeze(tmp_path / "study", prompts=2)
    with pytest.raises(InputError, match="does not answer") as error:
        Votes(study, "postgresql://me:hush@127.0.0.1:9/none")
    assert "hush" not in str(error.value)
    for wrong in ("mysql://x", "nonsense", "sqlite://"):
        with pytest.raises(InputError, match="postgresql://"):
            Votes(study, wrong)


def old_store(address: str, version: int, study_id: str) -> Database:
    database = Database(address, study_id)
    with database.alone() as connection:
        assert schema.migrate(connection, to=version) == 0
        connection.execute(schema.meta.insert().values(name="study", value=study_id))
    return database


def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_votes(
    address: str, tmp_path: Path, freeze: Any, make: Any, vote: Vote
) -> None:
    study = freeze(tmp_path / "study", 2, design=Settings(raters=1, block=20, golds=0, repeats=0))
    database = old_store(address, 1, study.id)
    with database.writing() as c:
        c.execute(text("INSERT INTO people (id, role, invited, expires) VALUES ('old', 'annotator', 1, 9e12)"))
        c.execute(text("INSERT INTO blocks VALUES (0, 0, 'old', 1)"))
        c.execute(
            text("INSERT INTO slots VALUES (0, 'abc', 0, 0, 'main', 0, 0, 'done', 'old', NULL)"),
        )
        c.execute(text("INSERT INTO votes VALUES ('old', 0, 'overall', 'left', '[]', NULL, 3, 1, 1, 5)"))
    database.close()
    place = make(study, address)
    assert [(r.annotator, r.choice) for r in place.votes.cast()] == [("old", "left")]
    with place.votes.database.reading() as connection:
        assert schema.version(connection) == schema.VERSION
        assert connection.execute(select(schema.people.c.last_vote)).scalar_one() is None
    place.votes.close()


def contents(votes: Votes) -> tuple[dict[str, list[Any]], dict[str, set[str]]]:
    """All rows of each table but the version's, and its indexes: what a migration may not and what it may change."""
    with votes.database.reading() as connection:
        rows = {
            name: sorted(map(repr, connection.execute(select(table)).all()))
            for name, table in schema.metadata.tables.items()
            if name != "meta"
        }
        looked = inspect(connection)
        indexes = {name: {str(i["name"]) for i in looked.get_indexes(name) if not i["unique"]} for name in rows}
    return rows, indexes


def test_a_filled_store_of_the_second_version_keeps_everything_and_goes_on(
    address: str, tmp_path: Path, freeze: Any, make: Any, vote: Vote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled by voting while the store has schema 2. All rows stay, and what is open is assigned, to the last pair."""
    study = freeze(tmp_path / "study")
    with monkeypatch.context() as patched:
        patched.setattr(votes_module, "migrate", partial(schema.migrate, to=2))
        place = make(study, address)
    all_of_it(place, "ann", vote)
    bob = place.open("bob")
    first = bob.next_task()
    second = vote(bob, first, "bobs-first").next
    third = vote(bob, second, "bobs-second").next
    held = bob.skip(third.id, DID_NOT_PLAY)
    token = place.token("cid")
    before, old = contents(place.votes)
    assert all(before.values()), "no table is empty"
    assert old["slots"] >= {"slots_state"}, "it is of schema 2"
    place.votes.close()

    place.votes = Votes(study, address, place.clock)
    after, new = contents(place.votes)
    assert after == before
    other = make(freeze(tmp_path / "fresh", 2), f"sqlite:///{tmp_path / 'fresh.sqlite'}")
    assert new == contents(other.votes)[1], "the indexes of a store that was made new"
    other.votes.close()
    with place.votes.database.reading() as connection:
        assert schema.version(connection) == schema.VERSION == 3
    bob = Session(study, place.votes, bob.person)
    assert bob.next_task().id == held.id, "the lease holds"
    assert vote(bob, first, "bobs-first", "right").repeated, "sent again after the change"
    assert bob.undo().id == second.id
    assert admit(study, place.votes, token).role == "annotator"
    all_of_it(place, "bob", vote)
    place.clock.now += SECONDS * 2
    all_of_it(place, "cid", vote)
    main = [r for r in place.votes.cast() if r.kind == "main"]
    assert set(Counter(r.unit for r in main).values()) == {2}, "every pair got its votes and no more"
    assert place.votes.counts()["done"] == place.votes.counts()["wanted"] == 36
    place.votes.close()


def test_steps_make_the_tables_that_queries_are_written_for(address: str, tmp_path: Path, freeze: Any) -> None:
    study = freeze(tmp_path / "study", 2)
    votes = Votes(study, address)
    with votes.database.reading() as connection:
        looked = inspect(connection)
        for table in schema.metadata.tables.values():
            assert {c["name"] for c in looked.get_columns(table.name)} == set(table.c.keys()), table.name
    votes.close()


def test_a_store_of_a_newer_version_is_left_alone(address: str, tmp_path: Path, freeze: Any) -> None:
    study = freeze(tmp_path / "study", 2)
    votes = Votes(study, address)
    with votes.database.writing() as connection:
        connection.execute(schema.meta.update().where(schema.meta.c.name == "schema").values(value="99"))
    votes.close()
    with pytest.raises(InputError, match="newer version"):
        Votes(study, address)


def test_sqlite_is_set_to_survive_a_loss_of_power(tmp_path: Path, freeze: Any) -> None:
    votes = Votes(freeze(tmp_path / "study", 2), f"sqlite:///{tmp_path / 'v.sqlite'}")
    with votes.database.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "synchronous")]
        assert found == ["wal", 2]
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() >= 10_000
    votes.close()


def test_the_next_task_is_found_by_indexes(tmp_path: Path, freeze: Any, make: Any) -> None:
    """SQLite's own plan: no step of finding a task reads a whole table of votes, slots or events."""
    from annotation import assignment

    place = make(freeze(tmp_path / "study", 40, design=Settings(raters=5, block=20)), f"sqlite:///{tmp_path / 'v'}")
    values = {**assignment.Terms("ann", place.clock.now, SECONDS, None).values, "replicate_at": 0}
    engine = create_engine(place.votes.database.engine.url)
    with engine.connect() as connection:
        for query in (assignment.OWN, assignment.HELD, assignment.OPEN_BLOCKS_HERE, *assignment.LOOKS):
            words = str(query.params(values).compile(engine, compile_kwargs={"literal_binds": True}))
            steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}")]
            assert not [s for s in steps if s.startswith("SCAN slots") and "INDEX" not in s], steps
            assert query is not assignment.OWN or steps[0].startswith("SEARCH blocks"), steps
    engine.dispose()
    place.votes.close()
