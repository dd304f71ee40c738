"""Votes in and out in every form, unchanged; and wrong rows named with file, line, field and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulate import again, frame, study

from annotation.exchange import read_counts, read_votes, write_votes
from annotation.table import REQUIRED, by_pair, by_system, coded, counted
from magicvideo.errors import InputError

HEAD = "annotator,prompt,left,right,choice"


def rows(n: int = 60) -> pd.DataFrame:
    found = frame(study(np.random.default_rng(0), votes=n, strengths=(0.5, 0.0, -0.5)))
    found.loc[3, "prompt"] = 'a "quoted" prompt, with\nline break and ü'
    found["criterion"] = np.where(np.arange(n) % 2, "motion", "overall")
    found["seconds"] = 4.25
    return found


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".json"])
def test_votes_come_back_as_they_went(tmp_path: Path, suffix: str) -> None:
    wanted = rows()
    write_votes(tmp_path / f"votes{suffix}", wanted)
    found = read_votes(tmp_path / f"votes{suffix}")
    columns = [*REQUIRED, "criterion"]
    known, read = (f[columns].astype(str).sort_values(columns).to_numpy().tolist() for f in (wanted, found))
    assert read == known


def test_codes_do_not_depend_on_names_of_other_rows() -> None:
    votes = study(np.random.default_rng(1), votes=50)
    back = again(votes)
    names = [np.array(v.prompts)[v.prompt].tolist() for v in (votes, back)]
    assert names[0] == names[1]
    assert back.choice.tolist() == votes.choice.tolist()
    assert len(back.prompts) == len(set(names[0]))


def test_pairs_and_systems_see_each_vote_from_their_side() -> None:
    votes = study(np.random.default_rng(2), votes=300, strengths=(0.0, 0.0, 0.0))
    for (first, second), outcomes in by_pair(votes):
        i, j = votes.systems.index(first), votes.systems.index(second)
        won = ((votes.left == i) & (votes.right == j) & (votes.choice == 1)).sum()
        won += ((votes.left == j) & (votes.right == i) & (votes.choice == -1)).sum()
        assert (outcomes.outcome == 1).sum() == won
    systems = dict(by_system(votes))
    assert sum(len(outcomes) for outcomes in systems.values()) == 600
    assert sum(int(outcomes.outcome.sum()) for outcomes in systems.values()) == 0


def test_gold_and_repeats_do_not_count_and_may_show_a_system_twice(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(
        f"{HEAD},gold,repeat_of,flagged\n"
        "a,p,x,y,left,,,\na,p,x,x,same,identical,,false\na,p,y,x,right,,7,True\nb,q,y,x,same,,,1\n"
    )
    found = counted(read_votes(path))
    assert found["annotator"].tolist() == ["a", "b"]
    assert found["flagged"].tolist() == [False, True]
    assert coded(found).systems == ("x", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("annotator,prompt,left,right\na,p,x,y\n", "no column 'choice'"),
        (f"{HEAD}\n", "no votes"),
        ("", "votes.csv"),
        (f"{HEAD}\na,p,x,y,left\na,p,x,y,Left\n", "line 3: choice 'Left' is none of left, same, right; write one"),
        (f"{HEAD}\na,p,x,y,left\n\n,p,x,y,left\n", "line 4: 'annotator' is empty; fill it in"),
        (f"{HEAD}\na,p, ,y,left\n", "line 2: 'left' is empty"),
        (f'{HEAD}\na,"p\nq",x,y,left\na,p,x,x,left\n', "line 4: left and right are both 'x'"),
        (f"{HEAD}\na,p,x,y,left\na,p,x,y\n", "line 3: 4 fields where the header has 5; mend the commas"),
        (f"{HEAD},choice\na,p,x,y,left,left\n", "two columns 'choice'"),
        (f"{HEAD},flagged\na,p,x,y,left,perhaps\n", "line 2: flagged 'perhaps' is neither true nor false"),
    ],
)
def test_a_wrong_csv_is_named_by_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_votes(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_wrong_lines_of_other_forms_are_named_too(tmp_path: Path) -> None:
    vote = {"annotator": 1, "prompt": "p", "left": "x", "right": "y", "choice": "left"}
    lines = tmp_path / "votes.jsonl"
    for wrong, message in (
        ({**vote, "choice": "both"}, "choice 'both'"),
        ({**vote, "left": None}, "'left' is missing"),
    ):
        lines.write_text(json.dumps(vote) + "\n\n" + json.dumps(wrong) + "\n")
        with pytest.raises(InputError, match=f"line 3: {message}"):
            read_votes(lines)
    (tmp_path / "votes.parquet").write_bytes(b"no")
    (tmp_path / "votes.xlsx").write_bytes(b"no")
    for name, message in (("votes.parquet", "as Parquet"), ("votes.xlsx", "convert it"), ("none.csv", "no such file")):
        with pytest.raises(InputError, match=message):
            read_votes(tmp_path / name)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_bytes(HEAD.encode() + b"\n\xff,p,x,y,left\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_votes(path)


def test_an_export_of_label_studios_pairwise_template_is_read(tmp_path: Path) -> None:
    """In the form of Label Studio's own pages (guide/task_format: all fields of tasks and annotations) and of the tag's
    code (src/tags/control/Pairwise.js of 0.4.0: `selected`, and the older form of `to_name` and `pairwise`)."""
    path = Path(__file__).with_name("label_studio.json")
    found = read_votes(path)
    seen = found[["annotator", "prompt", "left", "right", "choice", "criterion"]].astype(str).to_numpy().tolist()
    assert seen == [
        ["1", "a red star bouncing", "ours", "theirs", "left", "overall"],
        ["2", "a red star bouncing", "ours", "theirs", "same", "overall"],
        ["1", "a blue ring", "theirs", "ours", "right", "overall"],
    ]
    tasks = json.loads(path.read_text())
    tasks[1]["annotations"][0]["result"][0]["value"] = {"selected": None}
    (tmp_path / "untouched.json").write_text(json.dumps(tasks))
    with pytest.raises(InputError, match="task 2: a pairwise result without 'selected'"):
        read_votes(tmp_path / "untouched.json")


def test_label_studios_export_is_read(tmp_path: Path) -> None:
    """Both tags, a cancelled annotation, a comment beside the choice, an annotator as number and as object."""
    data = {"prompt": "p1", "left_system": "x", "right_system": "y"}
    pairwise = {"from_name": "pw", "to_name": "a,b", "type": "pairwise", "value": {"selected": "left"}}
    choices = {"from_name": "motion", "to_name": "a", "type": "choices", "value": {"choices": ["same"]}}
    comment = {"from_name": "why", "to_name": "a", "type": "textarea", "value": {"text": ["x"]}}
    tasks = [
        {
            "id": 1,
            "data": data,
            "annotations": [
                {"completed_by": 7, "lead_time": 3.5, "result": [pairwise, choices, comment]},
                {"completed_by": {"id": 8, "email": "a@b"}, "result": [{**pairwise, "value": {"selected": "none"}}]},
                {"completed_by": 9, "was_cancelled": True, "result": [pairwise]},
            ],
        }
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    found = read_votes(path)
    seen = found[["annotator", "choice", "criterion"]].astype(str).to_numpy().tolist()
    assert seen == [["7", "left", "overall"], ["7", "same", "motion"], ["8", "same", "overall"]]
    tasks[0]["data"] = {"prompt": "p1"}
    path.write_text(json.dumps(tasks))
    with pytest.raises(InputError, match=r"task 1: data has no 'left_system'"):
        read_votes(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system,good,same\nx,1,2\n", "line 1: no column 'bad'"),
        ("system,good,same,bad\n", "no counts"),
        ("system,good,same,bad\nx,1,2,3\nx,1,2,3\n", "line 3: 'x' was on an earlier line"),
        ("system,good,same,bad\nx,1,-2,3\n", "line 2: same is '-2'; write a whole number"),
        ("system,good,same,bad\nx,1,2.5,3\n", "line 2: same is '2.5'"),
        ('system,good,same,bad\nx,"4,099",2,3\n', "good is '4,099'"),
        ("system,good,same,bad\nx,0,0,0\n", "no votes at all"),
        ("system,good,same,bad\n,1,2,3\n", "'system' is empty"),
        ("system,good,same,bad\nx,1,2\n", "line 2: not 4 fields"),
        ("system,good,same,bad\nx,1,2,3,4\n", "line 2: not 4 fields"),
    ],
)
def test_wrong_counts_are_named_by_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_counts(path)


def test_counts_of_a_spreadsheet_with_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_bytes("\ufeffSystem,Bad,Same,Good\r\nour model,3,2,1\r\n".encode())
    assert read_counts(path) == {"our model": (1, 2, 3)}
