"""What all pages and all visitors of one process share: the index of the store, and its videos.

Where the store lies comes from the environment, because Streamlit runs the pages' file by itself.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from magicvideo.errors import InputError
from reports.dashboard.videos import Videos
from reports.store import Index

STORE = "MAGICVIDEO_DASHBOARD_STORE"
VIDEOS = "MAGICVIDEO_DASHBOARD_VIDEOS"
"""Further folders whose videos may be shown, separated as a search path is."""


def index() -> Index:
    return _index(_store())


def videos() -> Videos:
    return _videos(_store(), os.environ.get(VIDEOS, ""))


def close() -> None:
    """Forget this process's store, and end what was started for it."""
    if _videos.cache_info().currsize:
        videos().close()
    _index.cache_clear()
    _videos.cache_clear()


def _store() -> str:
    store = os.environ.get(STORE)
    if not store:
        raise InputError(f"no store to show: set {STORE} to its folder, or start with `magicvideo dashboard STORE`")
    return store


@lru_cache(maxsize=1)
def _index(store: str) -> Index:
    return Index(Path(store))


@lru_cache(maxsize=1)
def _videos(store: str, further: str) -> Videos:
    return Videos([Path(store), *(Path(folder) for folder in further.split(os.pathsep) if folder)])
