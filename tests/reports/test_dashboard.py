"""Every page on every kind of store, without a browser: nothing is thrown, and what is wrong is told."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json
from reports.dashboard import load, pages, state
from reports.dashboard.videos import Videos
from reports.store import Index

from . import stores
from .conftest import build_run, Plan

PAGES = tuple(pages.PAGES)
Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder
