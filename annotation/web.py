"""Videos and invitations over HTTP: what a browser fetches beside Streamlit's own pages.

Why a route of our own, inside Streamlit's server: `st.video` reads, hashes and keeps whole files in memory and puts a
player of its own around them; Streamlit's static folder is open to anybody who knows an address, and lies beside the
app instead of in the study. A second server would need a second port and a sign-in of its own. The route runs in the
same process and answers ranges (for seeking) from the disk, in pieces of 64 KiB.

Nothing in an answer tells the system behind a video: names are opaque, and all files carry one date.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from annotation.access import INVITE, ROLES, cookie_name, identify, identify_cookies
from annotation.terms import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

CLIPS = "/clips"
"""Videos are at this address; Streamlit keeps /media for itself."""
HEADERS = {"cache-control": "private, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
"""A name stands for one content for ever; only the browser itself may keep it."""
COOKIE_SECONDS = 90 * 24 * 3600
"""The invitation inside ends earlier if it says so."""


def clip_routes(folder: Path, database: str | None) -> list[Route]:
    """The addresses of a study's videos: answers only somebody who was invited, and only with a video of the study."""

    def clip(request: Request) -> Response:
        session = identify_cookies(folder, database, request.cookies)
        if session is None:
            return PlainTextResponse("not invited", 403)
        try:
            path = session.media_path(request.path_params["name"])
        except Refused:
            return PlainTextResponse("no such video", 404)
        return FileResponse(path, media_type="video/mp4", headers=HEADERS)

    return [Route(f"{CLIPS}/{{name}}", clip, methods=["GET", "HEAD"])]


class Doorman:
    """Takes invitations out of the address (`/?invite=TOKEN`) and keeps each in a cookie that scripts cannot read.

    So the token stays out of screenshots and of other pages' addresses, and a reload or another page still knows who
    is there. One cookie a role: an owner may vote beside (`/?invite=ONE&invite=OTHER`). A token that is not good stays
    where it is, and the page says so.
    """

    def __init__(self, app: ASGIApp, folder: Path, database: str | None) -> None:
        self.app, self.folder, self.database = app, folder, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["method"] == "GET"
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get(INVITE) if asked else None
        answer = self.welcome(URL(scope=scope), tokens[: len(ROLES)]) if tokens else None
        await (answer or self.app)(scope, receive, send)

    def welcome(self, url: URL, tokens: list[str]) -> Response | None:
        """A redirection with cookies; None if one of the tokens is refused."""
        rest = {name: values for name, values in parse_qs(url.query).items() if name != INVITE}
        answer = RedirectResponse(f"{url.path}?{urlencode(rest, doseq=True)}".rstrip("?"), 303)
        answer.headers.update({"cache-control": "no-store", "referrer-policy": "no-referrer"})
        for token in tokens:
            session = identify(self.folder, self.database, token)
            if session is None:
                return None
            answer.set_cookie(
                cookie_name(self.folder, session.role),
                token,
                max_age=COOKIE_SECONDS,
                httponly=True,
                samesite="lax",
                secure=url.scheme == "https",
            )
        return answer
