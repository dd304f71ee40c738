"""The short form of `make fuzz`: damaged videos cost themselves alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from evals import evaluate


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "fuzz_videos.py"
    spec = importlib.util.spec_from_file_location("fuzz_videos", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_damaged_videos_have_reasons_and_good_ones_their_scores(fuzz: ModuleType, tmp_path: Path) -> None:
    good = fuzz.good_videos(tmp_path / "good")
    fuzz.good_videos(tmp_path / "videos")
    fuzz.mutations(good, tmp_path / "videos", 70, seed=1)
    fuzz.tiny_files(tmp_path / "videos", 20, seed=1)
    alone = evaluate(tmp_path / "good", metrics=fuzz.METRICS, progress=False)
    found = evaluate(tmp_path / "videos", metrics=fuzz.METRICS, cache=tmp_path / "cache", progress=False)
    assert fuzz.wrong(found, alone, tmp_path / "videos") == []
    reasons = {row.item: row.reason for row in found.rows if row.reason}
    for name in ("hls", "concat", "device", "pipe", "loop", "zero-frames", "floats", "folder"):
        assert name in reasons
    assert reasons["pipe"].endswith("not a regular file")
    assert "latin-\\xfc" in {row.item for row in found.rows}


def test_every_box_of_an_mp4_is_found(fuzz: ModuleType, tmp_path: Path) -> None:
    (mp4,) = [path for path in fuzz.good_videos(tmp_path) if path.suffix == ".mp4"]
    data = mp4.read_bytes()
    kinds = {data[at + 4 : at + 8] for at in fuzz.boundaries(data)}
    assert {b"ftyp", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", b"stts", b"mdat"} <= kinds
