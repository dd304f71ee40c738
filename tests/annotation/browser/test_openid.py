"""Sign-in by OpenID Connect: a real provider, a real code flow, a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation import serve
from annotation.invitations import invite
from annotation.session import opened

from .bare import server
from .served import Served, begin_pages, open_pair, vote

pytest.importorskip("authlib", reason="needs Authlib, of the extra oidc")
pytest.importorskip("httpx", reason="needs httpx, of the extra oidc")

ACCOUNTS = {"ann@example.org": True, "boss@example.org": True, "eve@example.org": True, "unproven@example.org": False}


@pytest.fixture(scope="module")
def open_study(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The study with a sign-in configured; ann, boss and the unproven address are invited, eve is not."""
    from .provider import Provider

    home = tmp_path_factory.mktemp("openid")
    shutil.copytree(study, home / "study", ignore=shutil.ignore_patterns("votes.sqlite*"))
    known, votes = opened(home / "study")
    for who, role in (
        ("ann@example.org", "annotator"),
        ("boss@example.org", "owner"),
        ("unproven@example.org", "owner"),
    ):
        invite(known, votes, who, role, 30)  # type: ignore[arg-type]
    provider = Provider(ACCOUNTS)
    running = Served(home / "study", serve.free_port("localhost", 18_601), home=home)
    with server(provider.application()) as address:
        provider.address = address.replace("127.0.0.1", "localhost")
        (home / ".streamlit").mkdir()
        (home / ".streamlit" / "secrets.toml").write_text(
            f"""[auth]
redirect_uri = "{running.base}/oauth2callback"
cookie_secret = "{"k" * 40}"
client_id = "{provider.client}"
client_secret = "{provider.password}"
server_metadata_url = "{provider.address}/.well-known/openid-configuration"
"""
        )
        running.start()
        yield running
        running.kill()


def sign_in(page: Any, served: Served, account: str, path: str = "") -> None:
    page.goto(f"{served.base}/{path}")
    page.get_by_text("Sign in", exact=True).click()
    page.get_by_text(account).click()


def test_an_annotator_who_was_invited_signs_in_and_votes(person: Any, open_study: Served) -> None:
    sign_in(person, open_study, "ann@example.org")
    begin_pages(person)
    vote(person, "1")
    held = open_pair(person)
    assert open_study.votes() == 1
    person.reload()
    assert open_pair(person) == held, "signed in still"
    person.goto(f"{open_study.base}/live")
    person.get_by_text("This page is for the owner of the study.").wait_for()


def test_the_owner_signs_in(person: Any, open_study: Served) -> None:
    sign_in(person, open_study, "boss@example.org")
    person.get_by_text("Live results", exact=True).first.wait_for()


@pytest.mark.parametrize("account", ["eve@example.org", "unproven@example.org"])
def test_who_was_not_invited_or_gives_an_unverified_address_is_refused(
    person: Any, open_study: Served, account: str
) -> None:
    sign_in(person, open_study, account)
    person.get_by_text("this account was not invited").wait_for()
    clip = next((open_study.folder / "media").glob("*.mp4")).name
    assert person.request.get(f"{open_study.base}/clips/{clip}").status == 403
    person.goto(f"{open_study.base}/live")
    person.get_by_text("this account was not invited").wait_for()
    person.get_by_text("Sign out").click()
    person.get_by_text("Sign in", exact=True).wait_for()
