"""Any number of processes gives the same scores, and one that dies costs nothing that was finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evals import Item, evaluate, workers
from evals.metrics import flicker
from evals.suite import Suite
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.errors import InputError
from magicvideo.world import render_clip, sample_scene

Make = Callable[..., VideoClip]
LIGHT = ["flicker", "motion_magnitude"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path, noise_clip: Make) -> list[Item]:
    """12 clips of 4 prompts, one of them broken."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for n in range(12):
        write_lossless(folder / f"{n}.mkv", noise_clip(n, frames=3 + n % 3, size=(24, 20 + 4 * (n % 4))))
    (folder / "5.mkv").write_bytes(b"no video")
    return [Item(str(n), folder / f"{n}.mkv", f"prompt {n % 4}", f"p{n % 4}") for n in range(12)]


@pytest.mark.parametrize("count", [2, 8])
def test_any_number_of_workers_gives_the_same_evaluation(files: list[Item], count: int) -> None:
    one = evaluate(files, metrics=LIGHT, progress=False)
    assert evaluate(files, metrics=LIGHT, progress=False, workers=count) == one
    assert (one.scores["flicker"].n, one.scores["flicker"].unscored) == (11, 1)


def test_two_workers_score_the_whole_pocket_suite_as_one_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [render_clip(sample_scene(rng), frames=6, size=32) for _ in range(12)]
    prompt = "a red star bouncing on a striped background"
    items = [Item(str(n), clip, prompt, f"p{n % 5}", clip) for n, clip in enumerate(clips)]
    one, two = evaluate(items, progress=False), evaluate(items, progress=False, workers=2, cache=tmp_path)
    assert [row.item for row in two.rows] == [row.item for row in one.rows]
    for name, score in one.scores.items():
        assert (two.scores[name].value is None) == (score.value is None)
        if score.value is not None:
            assert two.scores[name].value == pytest.approx(score.value, rel=1e-5, abs=1e-6)
        assert two.scores[name].protocol == score.protocol
        assert (two.scores[name].n, two.scores[name].unscored) == (score.n, score.unscored)
    assert evaluate(items, progress=False, cache=tmp_path).scores == two.scores, "the workers' features were kept"


def test_a_worker_that_dies_costs_nothing(files: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    one = evaluate(files, metrics=LIGHT, progress=False)
    killed = list[int]()
    start = workers._Worker._start

    def start_and_kill(worker: workers._Worker) -> None:
        start(worker)
        if len(killed) < 2:
            assert worker.process is not None
            killed.append(worker.process.pid)
            os.kill(worker.process.pid, signal.SIGKILL)

    monkeypatch.setattr(workers._Worker, "_start", start_and_kill)
    assert evaluate(files, metrics=LIGHT, progress=False, workers=2) == one
    assert len(killed) == 2


def test_an_item_that_takes_every_worker_with_it_is_unscored_alone(
    files: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real network that ends its process on one clip, as native code can."""
    (tmp_path / "deadly_backbone.py").write_text(
        "import os\n"
        "from evals.metrics.flicker import Pixels\n"
        "class Deadly(Pixels):\n"
        "    def observe(self, clips):\n"
        "        if any(len(c) == 5 and c.size == (24, 28) for c in clips): os._exit(9)\n"
        "        return super().observe(clips)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from deadly_backbone import Deadly  # type: ignore[import-not-found]

    found = evaluate(files, Suite("deadly", (flicker.METRIC,), {"pixels": Deadly}), progress=False, workers=2)
    one = {row.item: row for row in evaluate(files, metrics=["flicker"], progress=False).rows}
    died = {row.item for row in found.rows if row.reason and "process that scored it died (exit code 9)" in row.reason}
    assert died == {"2"}
    assert all(row.value == one[row.item].value for row in found.rows if row.item not in died)


def test_what_is_wrong_with_the_work_is_told_as_without_workers(files: list[Item], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        evaluate(files, metrics=["flicker"], cache=tmp_path / "file", progress=False, workers=2)
    with pytest.raises(InputError, match="at least 1"):
        evaluate(files, progress=False, workers=0)
    with pytest.raises(InputError, match="cannot be handed to other processes"):
        evaluate(files, Suite("own", (flicker.METRIC,), {"pixels": lambda: None}), progress=False, workers=2)


def finished(cache: Path) -> list[Path]:
    return [path for path in cache.glob("*/*/*.npz") if not path.name.startswith(".")]


def command(folder: Path, out: Path, *more: str) -> list[str]:
    words = ["evaluate", str(folder), "--metrics", ",".join(LIGHT), "--out", str(out), "--json", *more]
    return [sys.executable, "-m", "magicvideo.cli", *words]


@pytest.mark.parametrize("more", [(), ("--workers", "2")])
def test_a_killed_run_goes_on_and_says_the_same(tmp_path: Path, noise_clip: Make, more: tuple[str, ...]) -> None:
    """The short form of tests/benchmarks/kill_evaluations.py."""
    folder, out = tmp_path / "videos", tmp_path / "run"
    folder.mkdir()
    for n in range(24):
        write_lossless(folder / f"{n}.mkv", noise_clip(n, frames=12, size=(96, 128)))
    features = out / "cache"
    with subprocess.Popen(command(folder, out, *more), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 100
        while not finished(features) and time.monotonic() < deadline and first.poll() is None:
            time.sleep(0.02)
        first.kill()
    kept = {path: path.stat().st_mtime_ns for path in finished(features)}
    assert kept, "something was finished before the kill"
    assert not (out / "summary.json").exists()
    half = features / "dis-medium-v1-old" / "ab" / ".partial-xyz.npz"
    half.parent.mkdir(parents=True)
    half.touch()
    os.utime(half, (0, 0))
    again = subprocess.run(command(folder, out, *more), capture_output=True, text=True, check=True)
    fresh = evaluate(folder, metrics=LIGHT, progress=False)
    assert {name: score.to_dict() for name, score in fresh.scores.items()} == _json(again.stdout)["metrics"]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "nothing was computed twice"
    assert not half.exists(), "what was half written goes"


def _json(text: str) -> dict[str, dict[str, object]]:
    import json

    return dict(json.loads(text))


def test_ctrl_c_ends_everything_and_says_how_to_go_on(tmp_path: Path, noise_clip: Make) -> None:
    folder, out = tmp_path / "videos", tmp_path / "run"
    folder.mkdir()
    for n in range(60):
        write_lossless(folder / f"{n}.mkv", noise_clip(n, frames=16, size=(96, 128)))
    run = subprocess.Popen(
        command(folder, out, "--workers", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    with run:
        deadline = time.monotonic() + 100
        while not finished(out / "cache") and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert b"the same command continues" in told
    assert b"Traceback" not in told
