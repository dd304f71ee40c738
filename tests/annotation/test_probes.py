"""What must be refused, tried: forged and expired invitations, other people's tasks, hostile texts, giant inputs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.invitations import admit, admit_claims, invite, sign
from annotation.session import Session
from annotation.terms import Answer, Mark, Receipt, Refused, Watched

BIG = "x" * 1_000_000
SQL = ("'; DROP TABLE votes; --", '" OR 1=1 --', "ann' UNION SELECT * FROM people --", "Robert'); DELETE FROM slots;--")
HOSTILE = ("<script>alert(1)</script>", "**bold** [x](javascript:alert(1))", *SQL, "{0} %s ${HOME}", "../../etc/passwd")
WATCHED = Watched(1, 1)


@pytest.fixture
def here(tmp_path: Path, freeze: Any, make: Any) -> Any:
    made = make(freeze(tmp_path / "study"), f"sqlite:///{tmp_path / 'v.sqlite'}")
    yield made
    made.votes.close()


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as error:
        work()
    assert len(str(error.value)) < 1000, "a message does not send back what it was given"
    return error.value.code


def test_a_good_invitation_opens(here: Any) -> None:
    person = admit(here.study, here.votes, here.token("ann"))
    assert (person.role, len(person.id)) == ("annotator", 16)


def test_forged_invitations(here: Any) -> None:
    token = here.token("ann")
    payload, signature = token.rsplit(".", 1)
    raw = json.dumps({"s": here.study.id, "p": "ann", "r": "owner", "e": 9e12}).encode()
    other = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    forgeries = [
        "",
        "x",
        BIG,
        payload,
        f"{payload}.",
        f"{payload}.{signature[:-2]}AA",
        f"{other}.{signature}",
        f"{payload}x.{signature}",
        token + "\n" + token,
        "\ud800",
        *HOSTILE,
    ]
    for forged in forgeries:
        assert refused(lambda t=forged: admit(here.study, here.votes, t)) == "invitation", forged[:60]


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: base64.urlsafe_b64encode(b).decode() + ".x"))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_opens_by_chance(here: Any, text: str) -> None:
    assert refused(lambda: admit(here.study, here.votes, text)) == "invitation"


def test_an_invitation_signed_with_another_studys_key(here: Any, tmp_path: Path, freeze: Any) -> None:
    other = freeze(tmp_path / "other")
    assert other.id == here.study.id
    person = admit(here.study, here.votes, here.token("ann"))
    assert refused(lambda: admit(here.study, here.votes, sign(other, person.id, "annotator", 9e12))) == "invitation"


def test_an_expired_invitation(here: Any) -> None:
    token = here.token("ann", days=2)
    here.clock.now += 2 * 86400 + 1
    assert refused(lambda: admit(here.study, here.votes, token)) == "invitation"


def test_a_withdrawn_invitation(here: Any) -> None:
    token = here.token("ann")
    here.votes.forget(admit(here.study, here.votes, token).id)
    assert refused(lambda: admit(here.study, here.votes, token)) == "invitation"


def test_an_annotator_is_no_owner(here: Any) -> None:
    session = here.open("ann")
    for work in (session.live, session.export, session.invite):
        assert refused(work) == "role"
    owner = here.open("boss", "owner")
    assert owner.live().votes == 0
    assert len(owner.export()) == 0
    assert admit(here.study, here.votes, owner.invite("new")).role == "annotator"


def test_sign_ins_by_openid_connect_need_an_invited_and_verified_address(here: Any) -> None:
    invite(here.study, here.votes, "Ann@Example.org", "annotator", 30)
    good = {"email": "ann@example.org ", "email_verified": True, "sub": "1"}
    person = admit_claims(here.study, here.votes, good)
    assert person.id == admit(here.study, here.votes, here.token("ann@example.org")).id
    for wrong in (
        {},
        {**good, "email_verified": False},
        {**good, "email_verified": "true"},
        {"email": "ann@example.org"},
        {**good, "email": "eve@example.org"},
        {**good, "email": BIG},
        {**good, "email": ["ann@example.org"]},
    ):
        assert refused(lambda c=wrong: admit_claims(here.study, here.votes, c)) == "invitation"


def test_names_and_addresses_are_kept_nowhere(here: Any, tmp_path: Path) -> None:
    here.open("ann.very.special@example.org").next_task()
    here.votes.close()
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"very.special" not in file.read_bytes(), file


def test_another_annotators_task(here: Any, vote: Callable[..., Receipt]) -> None:
    ann, bob = here.open("ann"), here.open("bob")
    task = ann.next_task()
    assert refused(lambda: vote(bob, task)) == "task"
    assert refused(lambda: bob.skip(task.id, bob.skip_reasons[0])) == "task"
    vote(ann, task)
    assert refused(lambda: vote(bob, task, "late")) == "task"
    assert {r.annotator for r in here.votes.cast()} == {ann.annotator}


def test_a_task_that_was_not_leased(here: Any, vote: Callable[..., Receipt]) -> None:
    session = here.open("ann")
    task = session.next_task()
    with here.votes.database.reading() as connection:
        codes = connection.exec_driver_sql("SELECT code FROM slots WHERE state = 'free'").scalars().all()
    assert len(codes) > 10
    for code in (*codes[:5], "0" * 24, *HOSTILE, BIG, "", None, 7):
        assert refused(lambda c=code: vote(session, replace(task, id=c), "x")) == "task"
    assert here.votes.cast() == []


@pytest.mark.parametrize("client", ["", *HOSTILE, BIG, "a" * 65, "a b", "ä", None])
def test_names_of_votes(here: Any, client: Any) -> None:
    session = here.open("ann")
    task = session.next_task()
    assert refused(lambda: session.vote(task.id, client, {"overall": Answer("left")}, WATCHED, 1)) == "size"
    assert here.votes.cast() == []


def answers() -> list[dict[str, Answer]]:
    wrong: list[Any] = [
        {},
        {"structure": Answer("left")},
        {"overall": Answer("left"), BIG: Answer("left")},
        {"overall": Answer("left", ("sharper",))},
        {"overall": Answer("left"), "structure": Answer("left", (BIG,))},
        {"overall": Answer("left"), "structure": Answer("left", ("whole shapes", "whole shapes"))},
        {"overall": Answer("left", (), Mark("middle", 0, 0, 0))},  # type: ignore[arg-type]
    ]
    wrong += [{"overall": Answer(text)} for text in ("", "Left", BIG, *HOSTILE)]  # type: ignore[arg-type]
    wrong += [{"overall": Answer("left"), text: Answer("left")} for text in HOSTILE]
    places: list[tuple[Any, Any, Any]] = [(-1, 0, 0), (0, 2, 0), (0, 0, float("nan")), (1e9, 0, 0), ("1", 0, 0)]
    return [*wrong, *({"overall": Answer("left", (), Mark("left", *place))} for place in places)]


def test_answers_that_are_none(here: Any) -> None:
    session = here.open("ann")
    task = session.next_task()
    for wrong in answers():
        assert refused(lambda w=wrong: session.vote(task.id, "c", w, WATCHED, 1)) == "answers", str(wrong)[:80]
    good = {"overall": Answer("left")}
    for number in (-1, float("nan"), float("inf"), 1e9, True, "1", None):
        assert refused(lambda n=number: session.vote(task.id, "c", good, WATCHED, n)) == "answers"
        assert refused(lambda n=number: session.vote(task.id, "c", good, Watched(n, 1), 1)) == "answers"
    assert here.votes.cast() == []


@pytest.mark.parametrize("reason", [*HOSTILE, BIG, "", None])
def test_reasons_to_skip_are_the_studys_own(here: Any, reason: Any) -> None:
    session = here.open("ann")
    task = session.next_task()
    assert refused(lambda: session.skip(task.id, reason)) == "reason"
    assert session.next_task().id == task.id


def test_hostile_prompts_and_names_stay_text(tmp_path: Path, freeze: Any, make: Any, vote: Any) -> None:
    for n, words in enumerate(HOSTILE[:-1]):
        systems = (words, "other")
        text = words.replace("{", "{{").replace("}", "}}") + " {}"
        place = make(freeze(tmp_path / str(n), 2, systems, words=text), f"sqlite:///{tmp_path / f'{n}.sqlite'}")
        session, owner = place.open(words), place.open("boss", "owner")
        task = session.next_task()
        assert task.prompt.startswith(words)
        vote(session, task)
        row = owner.export().iloc[0]
        assert words in {row["left"], row["right"]}
        place.votes.close()


@pytest.mark.parametrize(
    "name",
    [
        "../study.json",
        "../secret.key",
        "..%2fsecret.key",
        "/etc/passwd",
        "a" * 32,
        "a" * 32 + ".mp4",
        "A" * 32 + ".mp4",
        "a" * 32 + ".mp4\n",
        "a" * 32 + ".mp4/../../secret.key",
        "....//....//secret.key",
        "\0" * 32 + ".mp4",
        BIG,
        "",
        None,
    ],
)
def test_media_names_lead_nowhere_else(here: Any, name: Any) -> None:
    (here.study.folder / "media").mkdir(exist_ok=True)
    assert refused(lambda: here.open("ann").media_path(name)) == "media"


def test_a_link_out_of_the_media_folder_is_not_followed(here: Any) -> None:
    media = here.study.folder / "media"
    media.mkdir()
    (media / f"{'b' * 32}.mp4").symlink_to(here.study.folder / "secret.key")
    assert refused(lambda: here.open("ann").media_path(f"{'b' * 32}.mp4")) == "media"


def test_what_an_annotator_gets_names_no_system_and_no_kind(here: Any, vote: Any) -> None:
    session = here.open("ann")
    task, seen = session.next_task(), ""
    while task is not None:
        seen += repr(task)
        task = vote(session, task).next
    seen += repr([session.progress(), session.questions, session.instructions, session.examples()])
    for word in (*here.study.bundle.systems, "repeat", "identical", "main", "degraded"):
        assert not re.search(rf"\b{word}\b", seen.replace(repr(session.instructions), "")), word


def test_names_of_videos_need_the_key(here: Any, tmp_path: Path, freeze: Any) -> None:
    """Two studies of the same videos, with keys of their own, share no name and no task id."""
    other = freeze(tmp_path / "other")
    assert here.study.media_name("main", "ours", "p0") != other.media_name("main", "ours", "p0")
    uses = [here.study.media_name(use, "ours", "p0") for use in ("main", "original", "copy", "degraded", "example")]
    assert len(set(uses)) == len(uses), "golds and examples have names of their own"


def test_a_replayed_session_of_a_forgotten_person(here: Any, vote: Any) -> None:
    session = here.open("ann")
    task = session.next_task()
    here.votes.forget(session.annotator)
    for work in (
        session.next_task,
        session.undo,
        lambda: vote(session, task),
        lambda: session.skip(task.id, session.skip_reasons[0]),
    ):
        assert refused(work) == "invitation"
    assert here.votes.cast() == []


def test_open_finds_the_study_by_its_folder(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(here.votes.database.engine.url)
    monkeypatch.setenv("MAGICVIDEO_STUDY_DATABASE", address)
    here.clock.now = 4e9  # the real clock decides about real sessions
    token = here.token("ann")
    session = Session.open(here.study.folder, token)
    assert session.next_task() is not None
    assert refused(lambda: Session.open(here.study.folder, token + "x")) == "invitation"
