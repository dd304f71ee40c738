"""Who is there: an invitation in a cookie or an address, or a sign-in by OpenID Connect. Decided here alone.

Pages are handed a session and do not know where it came from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from annotation.session import Session
from annotation.terms import Refused, Role
from magicvideo.errors import InputError

INVITE = "invite"
ROLES: tuple[Role, Role] = ("annotator", "owner")
FOLDER = "MAGICVIDEO_STUDY"
DATABASE = "MAGICVIDEO_STUDY_DATABASE"


def study() -> tuple[Path, str | None]:
    """Folder and database of the study that this process serves, from its environment."""
    folder = os.environ.get(FOLDER)
    if not folder:
        raise InputError(f"no study to serve: set {FOLDER} to its folder, or start with `magicvideo study serve`")
    return Path(folder), os.environ.get(DATABASE)


def cookie_name(folder: Path, role: Role) -> str:
    """One cookie a study and role: browsers share cookies between the ports of a machine."""
    return f"magicvideo_{role}_{hashlib.sha256(folder.name.encode()).hexdigest()[:10]}"


def identify(folder: Path, database: str | None, token: str | None) -> Session | None:
    """The session of a token, or None for one that is not good."""
    try:
        return Session.open(folder, token, database) if token else None
    except Refused:
        return None


def identify_any(folder: Path, database: str | None, cookies: Mapping[str, str]) -> Session | None:
    """The session of any of the invitations among the cookies."""
    tokens = (cookies.get(cookie_name(folder, role)) for role in ROLES)
    return next((session for token in tokens if (session := identify(folder, database, token))), None)


def identify_cookies(folder: Path, database: str | None, cookies: Mapping[str, str]) -> Session | None:
    """The session of any invitation among the cookies, or of a sign-in by OpenID Connect."""
    return identify_any(folder, database, cookies) or identify_claims(folder, database, claims_of(cookies))


def claims_of(cookies: Mapping[str, str]) -> dict[str, object]:
    """What Streamlit's own signed cookie says of somebody who signed in by `st.login`; empty for anybody else.

    A video is fetched by the browser itself, where `st.user` is not known.
    """
    from streamlit.auth_util import get_cookie_with_chunks
    from streamlit.web.server.server_util import AUTH_COOKIE_NAME, get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

    if AUTH_COOKIE_NAME not in cookies:
        return {}
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        value = cookies.get(name)
        return None if value is None else decode_signed_value(secret, name, value.encode("latin-1"))

    try:
        found = json.loads(get_cookie_with_chunks(one, AUTH_COOKIE_NAME) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("is_logged_in") is True else {}


def identify_claims(folder: Path, database: str | None, claims: Mapping[str, object]) -> Session | None:
    """The session of somebody who signed in by OpenID Connect, or None for somebody who is not invited."""
    try:
        return Session.open_claims(folder, claims, database)
    except Refused:
        return None
