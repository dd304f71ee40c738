"""Files that are missing, cut, of another kind, or not the pinned ones: each a clear error before any work."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_weights import configured, dump

from magicvideo import checkpoints, presets
from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_image
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.models import public
from magicvideo.pipeline import Pipeline
from magicvideo.presets import files
from magicvideo.presets.cli import add_arguments
from magicvideo.runs import Store

MOTION = "guoyww/animatediff-motion-adapter-v1-5-3"
MOTION_FILE = f"{MOTION}/diffusion_pytorch_model.fp16.safetensors"
UNET = "stable-diffusion-v1-5/stable-diffusion-v1-5/unet/diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture
def weights(tiny_presets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tiny weights of this test's own, in force."""
    folder = tmp_path / "weights"
    shutil.copytree(tiny_presets.parent / "weights", folder, symlinks=True, copy_function=link)
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(folder))
    return folder


def link(source: str, target: str) -> None:
    Path(target).symlink_to(source)


def replace(path: Path, content: bytes) -> Path:
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def tiny(tiny_presets: Path, tmp_path: Path) -> PipelineConfig:
    """The preset `images` with a picture, so that no work is done before what is tested."""
    picture = VideoClip(np.full((1, 3, 32, 32), 99, np.uint8), 1.0)
    write_image(tmp_path / "pictures" / "a-red-star.png", picture)
    return configured(tiny_presets, "images", t2i__folder=str(tmp_path / "pictures"))


def refused(config: PipelineConfig, tmp_path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Pipeline(config, Store(tmp_path / "store")).run("a red star", 1)
    assert not list((tmp_path / "store").rglob("*.mkv")), "an error before any work"


def test_what_is_missing_is_listed_with_sizes_places_and_licences(
    weights: Path, tiny: PipelineConfig, tmp_path: Path
) -> None:
    size = (weights / UNET).stat().st_size
    (weights / UNET).unlink()
    (weights / MOTION_FILE).unlink()
    refused(tiny, tmp_path, rf"(?s)2 file\(s\) of weights are missing.*Open RAIL-M.*{UNET.partition('/unet')[0]}")
    refused(tiny, tmp_path, rf"(?s)unet/diffusion_pytorch_model.*{size / 1e6:,.0f} MB, sha256 [0-9a-f]{{64}}")
    refused(tiny, tmp_path, rf"(?s)must lie in {weights / MOTION}\nfetch them")


@pytest.mark.parametrize("folder", [None, "a folder"])
def test_remedies_are_commands_to_paste(
    folder: str | None, weights: Path, tiny: PipelineConfig, tmp_path: Path
) -> None:
    (weights / UNET).unlink()
    given = tmp_path / folder if folder else None
    if given:
        given.mkdir()
    with checkpoints.searching(given), pytest.raises(InputError) as missed:
        Pipeline(tiny, Store(tmp_path / "store")).run("a red star", 1)
    (line,) = re.findall(r"magicvideo presets .*?(?=   )", str(missed.value))
    name, verb, *words = shlex.split(line)
    assert (name, verb) == ("magicvideo", "presets")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    said = parser.parse_args(words)
    assert (said.preset, said.fetch, said.weights) == (tiny.preset, True, given)


def test_another_files_bytes_are_refused(weights: Path, tiny: PipelineConfig, tmp_path: Path) -> None:
    state = load_file(weights / MOTION_FILE)
    state[next(iter(state))] += 1
    (weights / MOTION_FILE).unlink()
    save_file(state, weights / MOTION_FILE)
    refused(tiny, tmp_path, r"has sha256 [0-9a-f]{64}, the preset pins [0-9a-f]{64}: it is damaged or another file")


def test_a_cut_file_is_refused(weights: Path, tiny: PipelineConfig, tmp_path: Path) -> None:
    whole = (weights / UNET).read_bytes()
    for kept in (len(whole) - 1, len(whole) // 2, 200, 4, 0):
        replace(weights / UNET, whole[:kept])
        refused(tiny, tmp_path, r"it was cut")


def test_a_pickle_is_refused_unread(weights: Path, tiny: PipelineConfig, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    for legacy in (False, True):
        (weights / UNET).unlink()
        torch.save({"weight": Trap()}, weights / UNET, _use_new_zipfile_serialization=not legacy)
        refused(tiny, tmp_path, r"is a pickle \(torch.save\), not .safetensors: unpickling runs whatever code")
    assert not (tmp_path / "ran").exists()
    replace(weights / UNET, b"<html>not found</html>")
    refused(tiny, tmp_path, r"is no whole .safetensors file")


def test_a_file_that_does_not_fit_its_architecture(weights: Path, tiny_presets: Path) -> None:
    part = presets.read(str(tiny_presets / "images.yaml")).part("i2v", "unet").part
    state = load_file(weights / UNET)
    lost = state.pop("conv_in.bias")
    save_file({**state, "conv_in.bias2": lost}, weights / "other.safetensors")
    with pytest.raises(InputError, match=r"lacks conv_in.bias \(1\); it has beside it conv_in.bias2 \(1\)"):
        public.load(part, [weights / "other.safetensors"])
    save_file({**state, "conv_in.bias": lost[:2].clone()}, weights / "other.safetensors")
    with pytest.raises(InputError, match=r"other shapes of conv_in.bias"):
        public.load(part, [weights / "other.safetensors"])


@pytest.fixture
def unpinned(tiny_presets: Path, tiny: PipelineConfig, tmp_path: Path) -> PipelineConfig:
    """The same preset where no hash of the motion modules is known."""
    own = tmp_path / "own"
    (own / "repositories").mkdir(parents=True)
    shutil.copy(tiny_presets / "images.yaml", own / "mine.yaml")
    for path in (tiny_presets / "repositories").glob("*.yaml"):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem == "animatediff-v3":
            data["parts"]["motion"]["files"][0]["sha256"] = None
        dump(own / "repositories" / path.name, data)
    return configured(own, "mine", t2i__folder=tiny.t2i.folder)


def test_a_file_without_a_published_hash_is_trusted_once(
    weights: Path, unpinned: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remedy = re.escape(f"magicvideo presets {unpinned.preset} --trust-new   ")
    refused(unpinned, tmp_path, rf"(?s)1 file\(s\):\n  {MOTION_FILE}\n.*{remedy}")
    assert main(["presets", unpinned.preset, "--trust-new", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["presets"][0]
    assert {f["state"] for f in shown["files"]} == {"ok"}
    records = Pipeline(unpinned, Store(tmp_path / "good")).run("a red star", 1, until="i2v")
    (recorded,) = files.trusted().values()
    assert recorded == checkpoints.hash_of(weights / MOTION_FILE)
    state = load_file(weights / MOTION_FILE)
    (weights / MOTION_FILE).unlink()
    save_file({k: v * 2 for k, v in state.items()}, weights / MOTION_FILE)
    refused(unpinned, tmp_path, r"trusted.json has recorded")
    assert main(["presets", unpinned.preset, "--trust-new"]) == 1, "a changed file is not trusted by asking again"
    assert Pipeline(unpinned, Store(tmp_path / "good")).run("a red star", 1, until="i2v") == records, "found by its key"


def test_the_hubs_own_cache_is_looked_through(
    weights: Path, tiny: PipelineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = next(w for w in files.wanted(tiny.public.parts_of()) if w.file.path.startswith("unet/"))  # type: ignore[union-attr]
    folder = tmp_path / "hub" / "models--stable-diffusion-v1-5--stable-diffusion-v1-5" / "snapshots"
    there = folder / str(unet.placed.revision) / unet.file.path
    there.parent.mkdir(parents=True)
    (weights / UNET).rename(there)
    assert unet.path is None
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert unet.path == there
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert unet.path == there


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as its client asks for one file."""

    folder: Path

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        repository, _, rest = self.path[1:].partition("/resolve/")
        revision, _, name = rest.partition("/")
        path = self.folder / repository / name
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if content else 404)
        self.send_header("X-Repo-Commit", revision)
        self.send_header("ETag", '"abc"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tiny_presets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub on this machine that serves what lies in a folder."""
    folder = tmp_path / "served"
    shutil.copytree(tiny_presets.parent / "weights", folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Hub,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv(checkpoints.OFFLINE)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_missing_is_fetched_at_its_revision(
    hub: Path, tiny: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "fetched"
    target.mkdir()
    assert main(["presets", tiny.preset, "--fetch", "--weights", str(target), "--json"]) == 0
    said = capsys.readouterr()
    assert {f["state"] for f in json.loads(said.out)["presets"][0]["files"]} == {"ok"}
    assert "Apache-2.0" in said.err
    assert (target / UNET).read_bytes() == (hub / UNET).read_bytes()


def test_a_fetched_file_that_is_another_is_thrown_away(
    hub: Path, tiny: PipelineConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(hub / UNET, (hub / UNET).read_bytes()[:-1])
    assert main(["presets", tiny.preset, "--fetch", "--weights", str(tmp_path)]) == 2
    assert "it was cut" in capsys.readouterr().err
    assert not (tmp_path / UNET).exists()


def test_nothing_is_fetched_offline(tiny: PipelineConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", tiny.preset, "--fetch"]) == 2
    assert "MAGICVIDEO_OFFLINE is set" in capsys.readouterr().err
