"""Serve a store: Streamlit's pages and the store's videos, in one process on one port."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from annotation.serve import CONFIG, is_free
from magicvideo.errors import InputError
from reports.dashboard import state
from reports.dashboard.videos import routes

APP = Path(__file__).parent / "app.py"


def application(store: Path, videos: Sequence[Path] = ()) -> Any:
    """The whole dashboard as an ASGI application. Raises `InputError` for a folder that is not there."""
    from streamlit.starlette import App

    from reports.dashboard.navigation import PAGES

    for folder in (store, *videos):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    os.environ[state.STORE] = str(store.absolute())
    os.environ[state.VIDEOS] = os.pathsep.join(str(folder.absolute()) for folder in videos)
    state.index().entries()
    for name in PAGES:  # now, so that the first visitor does not wait for pandas and Altair
        import_module(f"reports.dashboard.views.{name}")
    return App(APP, routes=routes(state.videos()))


def serve(store: Path, videos: Sequence[Path], host: str, port: int, announce: Callable[[], None]) -> None:
    """Blocks until it is stopped. Raises `InputError` for a folder that is not there, or a port that is taken."""
    if not is_free(host, port):
        raise InputError(f"port {port} of {host} is taken; choose another with --port")
    app = application(store, videos)
    announce()
    with redirect_stdout(sys.stderr):
        app.run(config={**CONFIG, "server.address": host, "server.port": port})
