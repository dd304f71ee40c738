"""Style that `magicvideo evaluate --suite style` measured, held equal in a report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.files import write_jsonl

PROMPTS, VOTERS = 12, 12


def pattern(contrast: float) -> VideoClip:
    """Grey stripes; their contrast is their sharpness."""
    x = np.arange(32)
    frame = np.broadcast_to(np.rint(120 + contrast * (-1) ** (x // 4)).astype(np.uint8), (32, 32))
    return VideoClip(np.broadcast_to(frame, (3, 3, 32, 32)), 8.0)


@pytest.fixture
def sharper(tmp_path: Path) -> dict[tuple[str, int], float]:
    """Videos of two systems of which `a` is sharper on most prompts; (system, prompt) -> contrast."""
    rng = np.random.default_rng(0)
    contrasts = {(name, k): rng.uniform(20, 70) + 20 * (name == "a") for name in "ab" for k in range(PROMPTS)}
    for (name, k), contrast in contrasts.items():
        write_lossless(tmp_path / name / f"p{k}.mkv", pattern(contrast))
    write_jsonl(tmp_path / "prompts.jsonl", [{"id": f"p{k}", "prompt": f"stripes {k}"} for k in range(PROMPTS)])
    return contrasts


def test_a_lead_that_is_sharpness_is_taken_away(
    sharper: dict[tuple[str, int], float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """People who look at nothing but sharpness: `a` leads, and not with sharpness held equal."""
    rng = np.random.default_rng(1)
    votes = []
    for voter in range(VOTERS):
        for k in range(PROMPTS):
            left, right = rng.permutation(["a", "b"])
            pull = (sharper[left, k] - sharper[right, k]) / 10 + rng.logistic()
            choice = "same" if abs(pull) < 0.5 else "left" if pull > 0 else "right"
            row = {"annotator": f"v{voter}", "prompt": f"p{k}", "left": left, "right": right, "choice": choice}
            votes.append(row)
    pd.DataFrame(votes).to_csv(tmp_path / "votes.csv", index=False)
    words = ["study", "report", "--votes", str(tmp_path / "votes.csv"), "--draws", "50", "--json"]
    for name in "ab":
        evaluate = ["evaluate", str(tmp_path / name), "--prompts", str(tmp_path / "prompts.jsonl"), "--suite", "style"]
        assert main([*evaluate, "--out", str(tmp_path / f"style-{name}")]) == 0
        words += ["--scores", f"{name}={tmp_path / f'style-{name}'}"]
    capsys.readouterr()
    assert main([*words, "--style", "sharpness"]) == 0
    found = json.loads(capsys.readouterr().out)["style"]
    assert found["left_out"] == 0
    plain = {row["system"]: row["strength"]["interval"] for row in found["plain"]["systems"]}
    controlled = {row["system"]: row["strength"]["interval"] for row in found["controlled"]["systems"]}
    assert plain["a"][0] > 0
    assert controlled["a"][0] < 0 < controlled["a"][1]
    assert found["controlled"]["covariates"]["sharpness"]["interval"][0] > 0
    assert main([*words, "--style", "duration"]) == 0
    (reason,) = [w for w in json.loads(capsys.readouterr().out)["warnings"] if "style" in w]
    assert "duration is the same for every video" in reason
