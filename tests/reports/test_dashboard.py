"""Every page on every kind of store, without a browser: nothing is thrown, and what is wrong is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import stores
import streamlit as st
from streamlit.testing.v1 import AppTest

from magicvideo.errors import InputError
from reports.baselines import pin
from reports.dashboard import load, navigation, state
from reports.dashboard.videos import Videos

PAGES = tuple(navigation.PAGES)
STORES = ("empty", "one", "broken", "writing", "full", "hostile")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path]) -> Path:
    """A store of each kind, by name."""
    root = tmp_path_factory.mktemp("stores")
    (root / "empty").mkdir()
    stores.evaluation(root / "one" / "first", videos=False)
    stores.broken(root / "broken")
    stores.evaluation(root / "writing" / "half", whole=False, videos=False)
    for n in range(5):
        day = f"2026-11-0{n + 1}T12:00:00+00:00"
        shifts = {"clip_score": -0.05} if n == 4 else {}
        stores.evaluation(root / "full" / "nightly" / f"run-{n}", seed=n, created=day, shifts=shifts, videos=n > 2)
    shutil.copytree(make_run(), root / "full" / "ablation")
    stores.study(root / "full" / "study")
    hostile = {f"p{n}": text for n, text in enumerate(stores.HOSTILE)}
    for n in range(2):
        about = {"branch": stores.HOSTILE[2], "commit": stores.HOSTILE[0]}
        path = root / "hostile" / f"r{n} <b>x **y**"
        stores.evaluation(path, prompts=hostile, about=about, seed=n, videos=False)
    arms = tuple((text[:40], text) for text in stores.HOSTILE)
    run = make_run(prompts=hostile, seeds=(0,), switches=(), extra_arms=arms, question=stores.HOSTILE[0])
    shutil.copytree(run, root / "hostile" / "ablation")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(st, "page_link", lambda *_, **__: None)  # needs a running navigation
    yield
    state.close()


def script(name: str) -> None:
    from importlib import import_module

    from reports.dashboard.common import guarded

    guarded(import_module(f"reports.dashboard.views.{name}").page)


def opened(store: Path, name: str, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    monkeypatch.setenv(state.STORE, str(store))
    state.index().entries(fresh=True)
    app = AppTest.from_function(script, default_timeout=60, args=(name,))
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


@pytest.mark.parametrize("store", STORES)
def test_every_page_bears_every_store(made: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is thrown, nothing is written there, and what reads Markdown is given nothing of a user's to read."""
    before = files(made / store)
    for name in PAGES:
        app = opened(made / store, name, monkeypatch)
        assert not app.exception, (name, [e.value for e in app.exception])
        assert not app.error, (name, [e.value for e in app.error])
        for kind in (app.markdown, app.caption, app.info, app.warning):
            assert not any("[link](" in str(e.value) or "<script" in str(e.value) for e in kind), name
        assert not any("<script" in str(e.proto.body) for e in app.get("html")), name
    assert files(made / store) == before


def files(folder: Path) -> dict[str, Any]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def words(app: AppTest) -> str:
    return "\n".join(str(element.value) for kind in (app.text, app.caption, app.info, app.warning) for element in kind)


def test_what_is_broken_comes_first(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(made / "broken", "overview", monkeypatch)
    told = [text.value for text in app.text]
    assert len(told) == 3
    assert all(text.startswith("✕") for text in told)
    assert any("cut-short" in text and "JSON" in text for text in told)


def test_a_loss_is_noticed_and_compared(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "▼  nightly/run-4 looks worse than nightly/run-3: CLIP score" in words(
        opened(made / "full", "overview", monkeypatch)
    )
    app = opened(made / "full", "compare", monkeypatch)
    table = app.dataframe[0].value
    verdicts = dict(zip(table["metric"], table["verdict"], strict=True))
    assert verdicts["CLIP score ↑"] == "▼ regressed"
    assert verdicts["Motion ↕"] != "▼ regressed"


def test_history_says_since_when_and_how_it_stands_to_the_baseline(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that shows prompt by prompt only: single intervals, of prompts unlike each other, hide it."""
    folder = tmp_path / "store" / "nightly"
    for n in range(8):
        shifts = {"clip_score": -0.006} if n >= 5 else {}
        day = f"2026-11-0{n + 1}T12:00:00+00:00"
        stores.evaluation(folder / f"run-{n}", seed=n, created=day, shifts=shifts, videos=False)
    pin(folder, "main", str(folder / "run-2"))
    app = opened(tmp_path / "store", "history", monkeypatch, metric="clip_score")
    assert not app.exception
    assert "▼  Worse since nightly/run-5 (5aaaaaa, 2026-11-06): CLIP score" in words(app)
    assert "Baseline of main: nightly/run-2, pinned" in words(app)
    marks = dict(zip(app.dataframe[0].value["run"], app.dataframe[0].value["mark"], strict=True))
    assert {run: mark for run, mark in marks.items() if mark} == {
        "nightly/run-5": "▼ worse from here on",
        "nightly/run-2": "baseline",
    }
    app.toggle[0].set_value(False).run()
    assert held(app, "paired") == "off"
    assert "No change of level is shown" in words(app)
    (folder / "baselines.json").write_text("{}")
    app = opened(tmp_path / "store", "history", monkeypatch, metric="clip_score", paired="off")
    assert not app.exception
    assert app.toggle[0].value is False
    assert "not a list of baselines" in words(app)


def held(app: AppTest, key: str) -> str:
    """What the address says; the test's own address knows texts and lists."""
    found = app.query_params[key]
    return found if isinstance(found, str) else found[0]


def test_the_address_chooses_by_id_and_keeps_what_is_chosen(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"base": "nightly/run-0", "candidate": "nightly/run-2", "metric": "flicker"}
    app = opened(made / "full", "compare", monkeypatch, **asked)
    assert {key: held(app, key) for key in asked} == asked
    assert [box.value for box in app.selectbox][:3] == list(asked.values())
    app.selectbox[2].select("temporal_lpips").run()
    assert held(app, "metric") == "temporal_lpips"
    app = opened(made / "full", "compare", monkeypatch, base="../../etc/passwd")
    assert not app.exception
    assert app.selectbox[0].value == "nightly/run-3"


def test_a_video_is_found_behind_the_folders_name_in_the_path_of_its_record(made: Path, tmp_path: Path) -> None:
    """A run scored from another working folder, or copied with its videos."""
    root = made / "full" / "nightly" / "run-4"
    videos, there = Videos([root], tmp_path / "cache"), (root / "videos" / "v0.mp4").resolve()
    for named in ("run-4/videos/v0.mp4", "/gone/elsewhere/run-4/videos/v0.mp4"):
        assert videos.locate(Path(named)) == there
    assert Videos([root / "videos"], tmp_path / "cache").locate(Path("videos/v0.mp4")) == there
    for named in ("v0.mp4", "run-3/videos/v0.mp4", "run-4/../run-3/videos/v0.mp4", "run-4/nowhere.mp4"):
        assert videos.locate(Path(named)) is None, "another run's video of that name is another video"


def test_a_video_is_found_beside_its_run_in_a_store_that_was_moved(made: Path, tmp_path: Path) -> None:
    """Never another run's, whatever the working folder; a record cannot lead outside."""
    store = made / "full"
    run, other = store / "nightly" / "run-4", store / "nightly" / "run-3"
    videos, there = Videos([store], tmp_path / "cache"), (run / "videos" / "v0.mp4").resolve()
    for named in ("videos/v0.mp4", "run-4/videos/v0.mp4", "nightly/run-4/videos/v0.mp4"):
        with chdir(other):
            assert videos.locate(Path(named), run) == there
    for named in ("/gone/v0.mp4", "../../../secret.mp4", "videos/nowhere.mp4"):
        assert videos.locate(Path(named), run) is None


def test_videos_are_only_those_of_the_store(made: Path, tmp_path: Path) -> None:
    inside = made / "full" / "nightly" / "run-4" / "videos" / "v0.mp4"
    outside = tmp_path / "secret.mp4"
    shutil.copy(inside, outside)
    link = made / "full" / "nightly" / "run-4" / "videos" / "link.mp4"
    link.symlink_to(outside)
    videos = Videos([made / "full"], tmp_path / "cache")
    for path in (outside, link, inside.parent / ".." / ".." / ".." / ".." / "nowhere.mp4", Path("/etc/passwd")):
        with pytest.raises(InputError, match="outside the store"):
            videos.pair(inside, path)
    link.unlink()
    addresses, shape = videos.pair(inside, made / "full" / "nightly" / "run-3" / "videos" / "v0.mp4")
    assert (shape.frames, shape.fps, shape.width, shape.height) == (12, 12.0, 512, 512)
    videos.close()
    offered = addresses[0].rpartition("/")[2]
    assert videos.find(offered).read_bytes()[4:8] == b"ftyp"
    for name in ("../index.sqlite", "0" * 32 + ".mp4", videos.find(offered).name, ""):
        with pytest.raises(InputError, match="no such video"):
            videos.find(name)


def test_votes_are_read_from_a_copy(made: Path) -> None:
    address = load.copied_votes(made / "full" / "study")
    assert str(made) not in address
