"""Public checkpoints: found in order, refused by hash, fetched whole or not at all, and named when they are missing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evals import fetch
from evals.backbones import PUBLIC
from evals.checkpoints import CHECKPOINTS, Checkpoint
from evals.suites import PACKAGED, STANDARD, SUITES
from evals.suites.loading import Loader
from magicvideo.cli import main
from magicvideo.errors import InputError

CONTENT = b"weights" * 1000
NAME = "i3d"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and one checkpoint whose pinned hash is that of `CONTENT`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MAGICVIDEO_WEIGHTS", raising=False)
    monkeypatch.delenv(fetch.GIVEN, raising=False)
    monkeypatch.setenv("MAGICVIDEO_OFFLINE", "1")
    entry = replace(CHECKPOINTS[NAME], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(CHECKPOINTS, NAME, entry)
    return tmp_path


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CHECKPOINTS[NAME].file
    path.write_bytes(content)
    return path


def test_the_given_folder_comes_before_the_named_one_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch.locate(NAME) is None
    cached, named, given = put(fetch.cache_folder()), put(tmp_path / "named"), put(tmp_path / "given")
    assert fetch.ensure([NAME])[NAME].path == cached
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(named.parent))
    assert fetch.ensure([NAME])[NAME].path == named
    with fetch.searching(given.parent):
        assert fetch.ensure([NAME])[NAME].path == given
    assert fetch.ensure([NAME])[NAME].path == named
    with pytest.raises(InputError, match="no such folder"), fetch.searching(tmp_path / "absent"):
        pass


def test_a_changed_file_is_refused_not_passed_over(tmp_path: Path) -> None:
    put(fetch.cache_folder())
    path = put(tmp_path / "given", CONTENT[:-1] + b"?")
    with fetch.searching(path.parent), pytest.raises(InputError, match="damaged or another file"):
        fetch.locate(NAME)
    path.write_bytes(CONTENT + b"")  # mended in place: looked at again
    with fetch.searching(path.parent):
        found = fetch.locate(NAME)
        assert found is not None
        assert found.path == path


def test_where_only_the_hashs_beginning_is_published_that_is_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setitem(CHECKPOINTS, NAME, replace(CHECKPOINTS[NAME], sha256=whole[:8]))
    path = put(fetch.cache_folder())
    found = fetch.locate(NAME)
    assert found is not None
    assert found.sha256 == whole, "the file's own, whole"
    path.write_bytes(CONTENT[1:])
    with pytest.raises(InputError, match="damaged or another file"):
        fetch.locate(NAME)


def test_all_that_is_missing_is_named_at_once_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        STANDARD.only(["clip_score", "temporal_lpips"]).load()
    said = str(caught.value)
    for name in ("clip-vit-b32", "alexnet"):
        entry = CHECKPOINTS[name]
        assert all(word in said for word in (entry.file, entry.sha256, f"{entry.megabytes:g} MB", entry.source))
    assert str(fetch.cache_folder()) in said
    assert "--weights" in said
    assert "MAGICVIDEO_OFFLINE" in said
    assert CHECKPOINTS["i3d"].file not in said, "no metric asks for it"


def test_the_command_answers_missing_weights_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], noise_clip: object
) -> None:
    import numpy as np

    (tmp_path / "videos").mkdir()
    np.save(tmp_path / "videos" / "a.npy", noise_clip(1).frames)  # type: ignore[operator]
    words = ["evaluate", str(tmp_path / "videos"), "--suite", "standard", "--metrics", "temporal_lpips"]
    assert main(words) == 2
    assert "alexnet-owt-7be5be79.pth" in capsys.readouterr().err
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "alexnet-owt-7be5be79.pth").write_bytes(b"cut short")
    assert main([*words, "--weights", str(tmp_path / "weights")]) == 2
    assert "damaged or another file" in capsys.readouterr().err
    assert main([*words[:3], "standard", "--metrics", "flicker"]) == 0, "needs no weights"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A server on this machine: `served["body"]` is what it sends, `served["length"]` what it promises."""
    answer = {"body": CONTENT}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/i3d" else 404)
            self.send_header("Content-Length", answer.get("length", str(len(answer["body"])).encode()).decode())
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/i3d"
    monkeypatch.setitem(CHECKPOINTS, NAME, replace(CHECKPOINTS[NAME], source=address))
    monkeypatch.delenv("MAGICVIDEO_OFFLINE")
    yield answer
    server.shutdown()
    server.server_close()


def test_a_missing_file_is_fetched_once_into_the_cache(
    served: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    found = fetch.ensure([NAME])[NAME]
    assert found.path == fetch.cache_folder() / CHECKPOINTS[NAME].file
    assert found.path.read_bytes() == CONTENT
    assert "fetching i3d_torchscript.pt" in capsys.readouterr().err
    served["body"] = b"another file since"
    assert fetch.ensure([NAME])[NAME] == found


@pytest.mark.parametrize("kind", ["another", "cut"])
def test_a_wrong_or_broken_answer_leaves_nothing(served: dict[str, bytes], kind: str) -> None:
    served["body"] = CONTENT[:-100]
    if kind == "cut":
        served["length"] = str(len(CONTENT)).encode()
    with pytest.raises(InputError, match=r"not the pinned|cannot be reached"):
        fetch.ensure([NAME])
    assert [p for p in fetch.cache_folder().rglob("*") if p.is_file()] == []


def test_a_source_that_does_not_answer_is_asked_once(served: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on the port: the other files are not waited for."""
    entry = CHECKPOINTS[NAME]
    monkeypatch.setitem(CHECKPOINTS, NAME, replace(entry, source="http://127.0.0.1:9/i3d"))
    monkeypatch.setitem(CHECKPOINTS, "inception", replace(CHECKPOINTS["inception"], source=entry.source))
    with pytest.raises(InputError, match="2 file") as caught:
        fetch.ensure([NAME, "inception"])
    assert str(caught.value).count("cannot be reached") == 2


@pytest.mark.parametrize("entry", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_every_checkpoint_is_pinned_and_used(entry: Checkpoint) -> None:
    whole = len(entry.sha256) == 64
    assert whole or (len(entry.sha256) == 8 and f"-{entry.sha256}." in entry.file and entry.pinned_by == "publisher")
    assert int(entry.sha256, 16)
    assert entry.licence
    assert entry.source.startswith("https://") != (entry.package is not None)
    assert set(entry.suites) <= set(SUITES)


def test_the_table_and_the_suites_agree() -> None:
    used = {checkpoint for _, _, files in PUBLIC.values() for checkpoint in files}
    assert used == set(CHECKPOINTS)
    for suite in (STANDARD, PACKAGED):
        loaders = [loader for loader in suite.backbones.values() if isinstance(loader, Loader)]
        needed = {checkpoint for loader in loaders for checkpoint in loader.checkpoints}
        own = {name for name, entry in CHECKPOINTS.items() if suite.name in entry.suites}
        assert own <= needed
    assert fetch.locate("transnetv2") is None or fetch.locate("transnetv2").path.is_file()  # type: ignore[union-attr]
    with pytest.raises(InputError, match="did you mean 'inception'"):
        fetch.ensure(["inceptoin"])
