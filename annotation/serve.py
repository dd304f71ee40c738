"""Serve a study: Streamlit's pages, the study's videos and the door for invitations, in one process on one port.

Behind several processes share the votes by a database address (PostgreSQL); with SQLite one process serves.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from annotation.access import DATABASE, FOLDER, INVITE
from annotation.invitations import invite
from annotation.session import opened
from annotation.terms import Role
from magicvideo.errors import InputError

APP = Path(__file__).parent / "app.py"
FIRST_PORT, PORTS = 8501, 100
OWNER_DAYS = 30.0
CONFIG = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "logger.hideWelcomeMessage": True,
    "theme.light.primaryColor": "#2463c9",
    "theme.dark.primaryColor": "#3577d8",
}
"""A server for people, not for the app's makers: nothing leaves the machine, and errors are logged, not shown. Blue,
since Streamlit's red looks like an error."""


@dataclass(frozen=True)
class Place:
    """Where a study is served. `url` is what people open, when that is not this machine's own address and port."""

    host: str = "localhost"
    port: int = FIRST_PORT
    url: str | None = None

    @property
    def base(self) -> str:
        return (self.url or f"http://{self.host}:{self.port}").rstrip("/")


def invitation_link(folder: Path, database: str | None, base: str, people: dict[Role, str]) -> str:
    """A link that lets in the named people at once: an owner may vote beside. Renews invitations of the same names."""
    study, votes = opened(folder, database)
    tokens = [invite(study, votes, who, role, OWNER_DAYS)[1] for role, who in people.items()]
    return f"{base}/?{urlencode([(INVITE, token) for token in tokens])}"


def application(folder: Path, database: str | None) -> Any:
    """The whole tool as an ASGI application."""
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from annotation.web import Doorman, clip_routes

    os.environ[FOLDER] = str(folder.absolute())
    if database is not None:
        os.environ[DATABASE] = database
    door = Middleware(Doorman, folder=folder, database=database)
    return App(APP, routes=clip_routes(folder, database), middleware=[door])


def serve(folder: Path, database: str | None, place: Place, announce: Callable[[], None]) -> None:
    """Blocks until it is stopped. Raises `InputError` for a study that is not whole, or a port that is taken."""
    opened(folder, database)
    if not is_free(place.host, place.port):
        raise InputError(f"port {place.port} of {place.host} is taken; choose another with --port")
    app = application(folder, database)
    announce()
    with redirect_stdout(sys.stderr):
        app.run(config={**CONFIG, "server.address": place.host, "server.port": place.port})


def free_port(host: str, first: int = FIRST_PORT) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, first + PORTS):
        if is_free(host, port):
            return port
    raise InputError(f"no port of {host} is free from {first} to {first + PORTS - 1}; choose one with --port")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there. Raises `InputError` for a host that is not this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--host {host}: {error}; localhost is this machine alone, 0.0.0.0 all its addresses"
        ) from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError:
                return False
    return True
