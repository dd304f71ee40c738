"""Other tools' files in and out: true formats, missing that stays missing, and the real packages reading back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stores

from evals.stats import interval
from magicvideo.cli import main
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl, write_json
from reports.interop.hand_out import hand_out
from reports.interop.take_in import take_in
from reports.sides import read_side
from reports.write import text

VBENCH: dict[str, Any] = {
    "subject_consistency": [
        0.91,
        [
            {"video_path": f"out/{prompt}-{n}.mp4", "video_results": 0.8 + 0.01 * k + 0.001 * n}
            for k, prompt in enumerate(("a cat", "a dog", "a bird"))
            for n in range(2)
        ],
    ],
    "dynamic_degree": [
        0.5,
        [
            {"video_path": "out/a cat-0.mp4", "video_results": True},
            {"video_path": "out/a dog-0.mp4", "video_results": False},
        ],
    ],
    "scene": [0.42, []],
}  # fmt: skip
"""As Vchitect/VBench writes NAME_eval_results.json; the set's score of the first is weighted by frames."""
FASTVIDEO: list[dict[str, Any]] = [
    {
        "video": f"gen/clip{n}.mp4",
        "scores": {
            "common.ssim": {"name": "common.ssim", "score": 0.7 + 0.1 * n, "details": {}},
            "common.lpips": {"name": "common.lpips", "score": 0.3, "details": {}},
            "audio.wer": {"name": "audio.wer", "score": None, "details": {"skipped": "no audio"}},
        },
    }
    for n in range(3)
]
"""As `fastvideo eval run --output` writes it."""


def test_vbench_s_videos_get_intervals_by_prompt_and_its_sets_none(tmp_path: Path) -> None:
    write_json(tmp_path / "r.json", VBENCH)
    found = take_in(tmp_path / "r.json", "vbench", tmp_path / "run")
    score = found["metrics"]["subject_consistency"]
    videos = VBENCH["subject_consistency"][1]
    expected = interval([v["video_results"] for v in videos], ["a cat", "a cat", "a dog", "a dog", "a bird", "a bird"])
    assert (score["value"], score["low"], score["high"], score["n"]) == (
        expected.value,
        expected.low,
        expected.high,
        6,
    )
    assert found["figures"]["subject_consistency"] == {"as VBench gives it": 0.91}
    scene = found["metrics"]["scene"]
    assert (scene["value"], scene["low"], scene["high"], scene["n"]) == (0.42, None, None, 0)
    assert "no interval" in read_json(tmp_path / "run" / "run.json")["metrics"]["scene"]["reads"]
    assert found["metrics"]["dynamic_degree"]["value"] == 0.5


def test_fastvideo_s_skipped_metrics_keep_their_reason(tmp_path: Path) -> None:
    write_json(tmp_path / "r.json", FASTVIDEO)
    found = take_in(tmp_path / "r.json", "fastvideo", tmp_path / "run")
    assert found["metrics"]["audio.wer"]["value"] is None
    assert found["metrics"]["audio.wer"]["unscored"] == 3
    assert {line["reason"] for line in read_jsonl(tmp_path / "run" / "scores.jsonl") if line["value"] is None} == {
        "no audio"
    }
    directions = {name: score["higher_is_better"] for name, score in found["metrics"].items()}
    assert directions == {"common.ssim": True, "common.lpips": False, "audio.wer": False}


def test_fastvideo_s_full_form_has_set_scores(tmp_path: Path) -> None:
    corpus = {"common.fvd": {"name": "common.fvd", "score": 210.5, "details": {}}}
    write_json(tmp_path / "r.json", {"samples": FASTVIDEO, "corpus": corpus})
    found = take_in(tmp_path / "r.json", "fastvideo", tmp_path / "run")
    assert found["metrics"]["common.fvd"] | {"protocol": ""} == {
        "value": 210.5,
        "low": None,
        "high": None,
        "n": 0,
        "unscored": 0,
        "unit": "",
        "higher_is_better": False,
        "protocol": "",
    }


def test_an_import_is_a_run_like_others(tmp_path: Path) -> None:
    """It can be compared with another import, and reported in every form."""
    from reports.compare import compare

    write_json(tmp_path / "r.json", VBENCH)
    for name in ("a", "b"):
        assert main(["import", str(tmp_path / "r.json"), "--format", "vbench", "--out", str(tmp_path / name)]) == 0
    lines = compare(read_side(tmp_path / "a"), read_side(tmp_path / "b")).lines
    assert {line.name: line.verdict for line in lines}["subject_consistency"] == "equivalent"
    for form in ("html", "md", "csv", "latex"):
        assert "0.42" in text(tmp_path / "a", form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("vbench", [], "no object of dimensions"),
        ("vbench", {"scene": "good"}, "scene: 'good' is no number"),
        ("vbench", {"scene": [0.5, [{"video": "x"}]]}, "'video_path'"),
        ("fastvideo", {}, "samples: expected a list"),
        ("fastvideo", [], "holds no scores"),
        ("fastvideo", [3], "sample 0 is no object"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, form: str, content: Any, message: str) -> None:
    write_json(tmp_path / "r.json", content)
    with pytest.raises(InputError, match=message):
        take_in(tmp_path / "r.json", form, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tensorboard_reads_what_was_written(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """By TensorBoard's own reader, in a process of its own: its import warns on this Python."""
    stores.evaluation(tmp_path / "run", videos=False)
    hand_out(tmp_path / "run", "tensorboard", tmp_path / "boards")
    assert len(hand_out(make_run(), "tensorboard", tmp_path / "arms")) == 3
    program = (
        "import json, sys\n"
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "found = EventAccumulator(sys.argv[1], size_guidance={'tensors': 0}); found.Reload()\n"
        "from tensorboard.util.tensor_util import make_ndarray\n"
        "print(json.dumps({t: [float(make_ndarray(e.tensor_proto)) for e in found.Tensors(t)]"
        " for t in found.Tags()['tensors']}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "boards" / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    read = json.loads(done.stdout)
    score = read_json(tmp_path / "run" / "summary.json")["metrics"]["clip_score"]
    assert read["scores/clip_score"] == pytest.approx([score["value"]], rel=1e-6)
    assert read["scores/clip_score/low"] == pytest.approx([score["low"]], rel=1e-6)
    assert len(read["videos/clip_score"]) == 12


def test_mlflow_reads_what_was_written(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", minversion="3")
    stores.evaluation(tmp_path / "run", videos=False)
    hand_out(tmp_path / "run", "mlflow", tmp_path / "runs")
    client = mlflow.tracking.MlflowClient(tracking_uri=(tmp_path / "runs").as_uri())
    experiment = client.get_experiment_by_name("magicvideo")
    (found,) = client.search_runs([experiment.experiment_id])
    score = read_json(tmp_path / "run" / "summary.json")["metrics"]["clip_score"]
    assert found.data.metrics["clip_score"] == score["value"]
    assert found.data.metrics["clip_score.low"] == score["low"]
    assert len(client.get_metric_history(found.info.run_id, "videos/clip_score")) == 12
    assert found.data.tags["branch"] == "main"
    assert {a.path for a in client.list_artifacts(found.info.run_id)} == {"run.json", "summary.json"}


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.evaluation(tmp_path / "run", videos=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(InputError, match=r"pip install 'magicvideo\[mlflow\]'"):
        hand_out(tmp_path / "run", "mlflow", tmp_path / "runs")
