"""The sub-verbs from the command line: made, invited, looked at, exported, forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from annotation.session import Session
from annotation.terms import Answer, Watched
from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.files import write_jsonl


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("MAGICVIDEO_STUDY_DATABASE", raising=False)

    def run(*words: object) -> dict[str, Any]:
        assert main(["study", *map(str, words), "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_a_study_from_making_to_forgetting(call: Any, tmp_path: Path) -> None:
    for n, name in enumerate(("ours", "theirs")):
        frames = np.full((4, 3, 16, 16), 60 + 90 * n, np.uint8)
        write_lossless(tmp_path / name / "p0.mkv", VideoClip(frames, 8))
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": "p0", "prompt": "a plain colour"}])
    study, systems = tmp_path / "study", [f"{name}={tmp_path / name}" for name in ("ours", "theirs")]
    made = call("create", *systems, "--prompts", tmp_path / "prompts.jsonl", "--out", study, "--criteria", "none")
    assert (made["pairs"], made["rounds"], made["systems"]) == (1, 3, ["ours", "theirs"])

    (invited,) = call("invite", study, "ann@example.org", "--url", "https://votes.example.org/")["invitations"]
    assert invited["link"].startswith("https://votes.example.org/?invite=")
    session = Session.open(study, invited["token"])
    assert [question.id for question in session.questions] == ["overall"]
    task = session.next_task()
    assert task is not None
    session.vote(task.id, "one", {"overall": Answer("left")}, Watched(1, 1), 4)

    status = call("status", study)
    assert [one["annotator"] for one in status["annotators"]] == [invited["annotator"]]
    assert status["broken_media"] == []
    exported = call("export", study, "--out", tmp_path / "votes.csv")
    assert exported["answers"] == 1
    assert list(pd.read_csv(tmp_path / "votes.csv")["choice"]) == ["left"]
    assert call("forget", study, "ANN@example.org")["removed"]["votes"] == 1
    assert call("status", study)["annotators"] == []


def test_a_study_is_planned(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """7.85 (1 - .3 - .01) / .01 votes; three on a prompt that resemble each other by .5 count for one and a half."""
    (one,) = call("plan", "--net", "0.1", "--raters", "1")["plans"]
    assert one["prompts"] == one["votes"] == pytest.approx(7.85 * 0.69 / 0.01, abs=1)
    (three,) = call("plan", "--net", "0.1", "--raters", "3", "--prompt-icc", "0.5")["plans"]
    assert three["prompts"] == pytest.approx(one["prompts"] * (1 + 2 * 0.5) / 3, abs=1)
    assert main(["study", "plan", "--net", "0.1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert main(["study", "plan", "--net", "0.1", "--annotators", "5"]) == 2
    assert "5 annotators cannot show it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--net", "0"],
        ["plan", "--net", "0.9", "--ties", "0.3"],
        ["plan", "--net", "0.1", "--power", "2"],
        ["status", "nowhere"],
        ["create", "a=x", "b=y", "--out", "s"],
        ["create", "a=x", "--out", "s", "--criteria", "structur"],
        ["create", "a=x", "--out", "s", "--min-watched", "3"],
        ["invite", "nowhere", "--count", "-1"],
    ],
)
def test_mistakes_are_answered_with_exit_code_2(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study", *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")
