"""`magicvideo study report`: from files to JSON and text; criteria, strata, flags, calibration, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from simulate import frame, study
from small_study import freeze

from annotation.invitations import invite
from annotation.report import Options, from_votes
from annotation.scores import read_scores
from annotation.session import Session, opened
from annotation.table import tidy
from annotation.terms import Answer, Watched
from magicvideo.cli import main
from magicvideo.errors import InputError

PAPER = Path(__file__).with_name("paper.csv")


def rows(votes: int = 900, **design: Any) -> pd.DataFrame:
    found = frame(study(np.random.default_rng(0), votes=votes, strengths=(0.8, 0.2, -0.6), **design))
    found["criterion"] = np.where(np.arange(votes) % 3 == 0, "motion", "overall")
    found["stratum"] = np.where(found["prompt"] < "p0020", "people", "")
    return found


def test_counts_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "report", "--counts", str(PAPER), "--json"]) == 0
    caught = capsys.readouterr()
    found = json.loads(caught.out)
    assert list(found["systems"]) == ["MoonValley", "Pika 1.0", "Morph", "Gen-2", "SVD-XT"]
    named = {"good", "same", "bad", "gsb_ratio", "net", "half_tie", "decisive", "tie_rate", "intervals"}
    assert all(named <= set(system) for system in found["systems"].values())
    assert any("30,500" in warning for warning in found["warnings"])
    assert "67.20%" in caught.err


def test_votes_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "votes.csv", tmp_path / "result.json"
    rows().to_csv(path, index=False)
    assert main(["study", "report", "--votes", str(path), "--draws", "50", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    for word in ("600 votes of 30 annotators", "s00", "== criterion: motion", "== stratum: people", "Krippendorff"):
        assert word in text
    found = json.loads(out.read_text())
    assert [place["system"] for place in found["ranking"]["systems"]] == ["s00", "s01", "s02"]
    assert found["criteria"]["motion"]["votes"] == 300
    assert sum(block["votes"] for block in found["strata"].values()) == found["votes"] == 600


def test_a_base_sees_good_as_votes_for_itself(tmp_path: Path) -> None:
    everything = from_votes(tidy(rows()), Options(draws=20))
    based = from_votes(tidy(rows()), Options(draws=20, base="s00"))
    assert list(based["systems"]) == ["s01", "s02"]
    won = sum(system["good"] for system in based["systems"].values())
    assert won == everything["systems"]["s00"]["good"]
    with pytest.raises(InputError, match="s00"):
        from_votes(tidy(rows()), Options(base="s0"))


def test_p_values_are_adjusted_over_systems_and_criteria() -> None:
    found = from_votes(tidy(rows()), Options(draws=20))
    family = [*found["systems"].values(), *found["criteria"]["motion"]["systems"].values()]
    smallest = min(family, key=lambda system: system["p"])
    assert smallest["p_adjusted"] == pytest.approx(6 * smallest["p"])
    assert all(system["p_adjusted"] >= system["p"] for system in family)


def test_results_come_with_and_without_flagged_annotators() -> None:
    """Ten people who always vote for the weakest system turn the order; leaving them out is shown, not done."""
    votes = rows(300, annotators=10).drop(columns=["criterion", "stratum"])
    trolls = rows(300, annotators=10).drop(columns=["criterion", "stratum"])
    trolls["annotator"] = "t" + trolls["annotator"]
    trolls["choice"] = np.where(trolls["left"] > trolls["right"], "left", "right")
    both = pd.concat([votes.assign(flagged="no"), trolls.assign(flagged="yes")], ignore_index=True)
    found = from_votes(tidy(both), Options(draws=20))
    assert found["votes"] == 600
    assert found["without_flagged"]["votes"] == 300
    assert found["without_flagged"]["left_out"] == sorted(trolls["annotator"].unique())
    assert any("without flagged annotators the order by net win changes" in warning for warning in found["warnings"])
    assert from_votes(tidy(votes), Options(draws=20))["without_flagged"] is None


def test_a_handful_of_votes_gives_a_result_with_warnings() -> None:
    few = pd.DataFrame(
        [["a", f"p{n}", "x", "y", "left"] for n in range(10)],
        columns=["annotator", "prompt", "left", "right", "choice"],
    )
    found = from_votes(tidy(few), Options(draws=20))
    json.dumps(found, allow_nan=False)
    assert found["systems"]["x"]["net"] == 1
    assert found["systems"]["x"]["gsb_ratio"] is None
    assert found["ranking"] is None
    text = " / ".join(found["warnings"])
    assert "no ranking: some systems won or lost every vote" in text
    assert "one annotator only" in text


def test_a_study_is_reported_from_its_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two people vote for the left side on every pair; checks and repeats are asked but not counted."""
    folder = tmp_path / "study"
    freeze(folder)
    study, votes = opened(folder)
    assert main(["study", "report", str(folder)]) == 2
    assert "no votes yet" in capsys.readouterr().err
    for person in ("ann@example.org", "bob@example.org"):
        session = Session.open(folder, invite(study, votes, person, "annotator", 1)[1])
        task = session.next_task()
        while task is not None:
            answers = {q.id: Answer("left") for q in session.questions}
            task = session.vote(task.id, f"c-{task.id}", answers, Watched(1, 1), 5.0).next
    assert main(["study", "report", str(folder), "--json", "--draws", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["systems"]) == {"ours", "theirs", "third"}
    assert found["votes"] == len(study.bundle.units) * int(study.bundle.design["raters"])
    assert len(found["criteria"]) == len(session.questions) - 1
    assert found["annotators"] == 2


def test_doubled_votes_are_noticed() -> None:
    votes = rows(60)
    again = pd.concat([votes, votes[:5]], ignore_index=True)
    before, after = (from_votes(tidy(f), Options(draws=20))["warnings"] for f in (votes, again))

    def doubled(warnings: list[str]) -> int:
        found = [w for w in warnings if "repeat the annotator's own" in w]
        return int(found[0].split()[0]) if found else 0

    assert doubled(after) == doubled(before) + 5


def scores(tmp_path: Path, votes: pd.DataFrame) -> Path:
    """What an ablation writes of three metrics: one knows the truth, one its opposite and says so, one is noise."""
    rng, known = np.random.default_rng(1), {"s00": 0.8, "s01": 0.2, "s02": -0.6}
    lines = []
    for system, strength in known.items():
        for prompt in sorted(votes["prompt"].unique()):
            value = strength + 0.1 * rng.normal()
            for metric, shown in (("good", value), ("error", -value), ("noise", rng.normal())):
                lines.append({"arm": system, "prompt_id": prompt, "seed": 0, "metric": metric, "value": shown})
    lines.append({"arm": "s00", "prompt_id": None, "metric": "fvd", "value": 3.0})
    lines.append({"arm": "s00", "prompt_id": "p0000", "seed": 1, "metric": "good", "value": None, "reason": "broken"})
    run = tmp_path / "run"
    run.mkdir()
    (run / "scores.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    directions = {"good": True, "error": False, "noise": None}
    record = {"metrics": {name: {"higher_is_better": direction} for name, direction in directions.items()}}
    (run / "run.json").write_text(json.dumps(record))
    return run


def test_metrics_are_held_against_votes(tmp_path: Path) -> None:
    votes = rows(annotator_sd=0.0, prompt_sd=0.0)
    run = scores(tmp_path, votes)
    found = from_votes(tidy(votes), Options(draws=100, scores=read_scores([str(run)]), style=["noise"]))
    good, error, noise = (next(c for c in found["calibration"] if c["metric"] == m) for m in ("good", "error", "noise"))
    assert good["agreement"] == error["agreement"], "the direction is part of a metric"
    assert good["agreement"]["interval"][0] > 0.55
    assert good["spearman"]["value"] == pytest.approx(1)
    assert noise["agreement"]["interval"][0] < 0.5 < noise["agreement"]["interval"][1]
    assert noise["higher_is_better"] is None
    effect = found["style"]["controlled"]["covariates"]["noise"]["interval"]
    assert effect[0] < 0 < effect[1]
    with pytest.raises(InputError, match="did you mean 'noise'"):
        from_votes(tidy(votes), Options(draws=20, scores=read_scores([str(run)]), style=["nose"]))


def test_agreement_of_a_metric_is_a_share_of_decided_votes(tmp_path: Path) -> None:
    """Five votes by hand: agrees, agrees, says equal, disagrees, Same: (1 + 1 + 1/2 + 0) / 4."""
    table = tmp_path / "scores.csv"
    table.write_text("system,prompt,metric,value\nx,p,m,2\ny,p,m,1\nx,q,m,1\ny,q,m,1\n")
    choices = [("a", "p", "left"), ("b", "p", "left"), ("c", "q", "left"), ("d", "p", "right"), ("e", "p", "same")]
    votes = pd.DataFrame([{"annotator": a, "prompt": p, "left": "x", "right": "y", "choice": c} for a, p, c in choices])
    found = from_votes(tidy(votes), Options(draws=20, scores=read_scores([str(table)])))["calibration"][0]
    assert found["agreement"]["value"] == pytest.approx(2.5 / 4)
    assert found["votes"] == 4
    assert found["spearman"]["value"] is None, "two systems are always in line"


def test_evaluations_are_named_by_system(tmp_path: Path) -> None:
    for name, value in (("one", 1.0), ("two", 2.0)):
        (tmp_path / name).mkdir()
        row = {"item": "v", "prompt_id": "p", "metric": "m", "value": value}
        (tmp_path / name / "scores.jsonl").write_text(json.dumps(row) + "\n")
    found = read_scores([f"x={tmp_path / 'one'}", f"y={tmp_path / 'two'}"])
    assert found.matrix("m", ["x", "y"], ["p", "q"])[:, 0].tolist() == [1, 2]
    assert np.isnan(found.matrix("m", ["x"], ["q"])).all()
    with pytest.raises(InputError, match="name an evaluation as SYSTEM=FOLDER"):
        read_scores([str(tmp_path / "one")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--counts", str(PAPER), "--base", "Morph"], "--base needs --votes"),
        (["--counts", str(PAPER), "--scores", "x"], "--scores needs --votes"),
        (["--counts", "none.csv"], "no such file: none.csv"),
        (["--votes", str(PAPER)], "no column 'annotator'"),
        (["--votes", str(PAPER), "--style", "flicker"], "--style needs --scores"),
    ],
)
def test_bad_input_exits_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "report", *words, "--json"]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert message in caught.err


def test_a_report_needs_no_torch_and_no_streamlit() -> None:
    code = (
        "import sys; from magicvideo.cli import main\n"
        f"assert main(['study', 'report', '--counts', {str(PAPER)!r}, '--json']) == 0\n"
        "found = {'torch', 'streamlit', 'diffusers'} & sys.modules.keys()\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]
