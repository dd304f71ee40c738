"""The report's numbers, its words and its behaviour on runs in any state."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ablations.effects import effects
from evals.stats import interval
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl, write_json, write_jsonl
from reports.ablation import derive, write_report
from reports.folder import read_run
from reports.page import next_steps
from reports.tables import look, number, p_value

MakeRun = Callable[..., Path]


class Cells(HTMLParser):
    """Rows of the table of effects and cells of the table of scores, as attribute dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[dict[str, str | None], list[dict[str, str | None]]]] = []
        self.scores: dict[tuple[str | None, str | None], str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "tr" and "data-verdict" in found:
            self.rows.append((found, []))
        if tag == "td" and "data-sort" in found:
            self.rows[-1][1].append(found)
        if tag == "td" and "data-metric" in found:
            self.scores[found["data-metric"], found["data-arm"]] = found["data-value"]


def cells(page: str) -> Cells:
    parser = Cells()
    parser.feed(page)
    return parser


def test_effects_in_the_page_are_those_derived_from_the_scores(shifted_run: Path) -> None:
    parsed = cells(write_report(shifted_run).read_text())
    derived = effects(read_jsonl(shifted_run / "scores.jsonl"), read_json(shifted_run / "run.json"))
    expected = {(e.arm, e.metric): e for e in derived}
    assert len(parsed.rows) == len(expected) == 2 * 4
    for row, (_, difference, span, p, values, detectable, n) in parsed.rows:
        e = expected[str(row["data-arm"]), str(row["data-metric"])]
        shown = [difference["data-sort"], span["data-sort"], span["data-high"], p["data-sort"], values["data-sort"]]
        assert [float(str(x)) for x in shown] == [e.difference, e.low, e.high, e.p_adjusted, e.base]
        assert float(str(values["data-value"])) == e.value
        assert float(str(detectable["data-sort"])) == e.detectable
        assert n["data-sort"] == str(e.n) == "9"
        assert str(row["data-verdict"]).startswith(e.verdict)


def test_scores_in_the_page_are_means_of_the_scores(shifted_run: Path) -> None:
    parsed = cells(write_report(shifted_run).read_text())
    lines = read_jsonl(shifted_run / "scores.jsonl")
    assert len(parsed.scores) == 3 * 4
    for (metric, arm), value in parsed.scores.items():
        values = [line["value"] for line in lines if line["arm"] == arm and line["metric"] == metric]
        assert float(str(value)) == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_intervals_of_scores_are_clustered_by_prompt(shifted_run: Path) -> None:
    found = derive(read_run(shifted_run))
    lines = [x for x in read_jsonl(shifted_run / "scores.jsonl") if (x["arm"], x["metric"]) == ("full", "flicker")]
    expected = interval([x["value"] for x in lines], [x["prompt_id"] for x in lines])
    score = next(s for s in found.scores if (s.arm, s.metric) == ("full", "flicker"))
    assert (score.value, score.low, score.high, score.n) == (expected.value, expected.low, expected.high, 9)


def test_a_planted_difference_is_told_and_others_are_not(shifted_run: Path) -> None:
    summary = derive(read_run(shifted_run)).summary
    assert summary.headline == "1 of 2 changes made a certain difference."
    first = summary.points[0]
    assert (first.arm, first.style, first.mark, first.hint) == ("without the ControlNet:", "worse", "▼", False)
    assert first.text.startswith("CLIP score gets worse, ")
    assert "Also higher: motion." in first.text
    assert not any("V2V" in p.arm for p in summary.points if not p.hint)


def test_with_too_few_prompts_nothing_is_called_certain(make_run: MakeRun) -> None:
    run = make_run(shifts={"without controlnet": {"clip_score": -0.2}})
    summary = derive(read_run(run)).summary
    assert summary.headline.startswith("No difference is certain yet; ")
    assert "With 3 prompts nothing can pass that correction, however large it is" in summary.certainty
    assert summary.points[0].text.startswith("CLIP score seems to get worse")
    assert all(p.hint or p.style not in ("worse", "better") for p in summary.points)


def test_costs_are_mean_seconds_per_video_and_reuse_is_counted(shifted_run: Path) -> None:
    costs = {cost.arm.name: cost for cost in derive(read_run(shifted_run)).costs}
    items = [item for item in read_jsonl(shifted_run / "items.jsonl") if item["arm"] == "without v2v"]
    expected = sum(s["seconds"] for item in items for s in item["stages"].values()) / 9
    cost = costs["without v2v"]
    assert cost.seconds == pytest.approx(expected)
    assert [(s.stage, s.computed, s.reused) for s in cost.stages] == [
        ("t2i", 0, 9),
        ("i2v", 0, 9),
        ("v2v", 9, 0),
        ("vfi", 9, 0),
    ]


def test_a_price_on_a_busy_machine_says_so(shifted_run: Path) -> None:
    calm = derive(read_run(shifted_run)).summary.points[-1]
    assert calm.arm == "One video costs"
    assert "other work" not in calm.text
    items = read_jsonl(shifted_run / "items.jsonl")
    for item in items:
        if item["arm"] == "full":
            item["stages"]["vfi"]["seconds"] *= 3
    write_jsonl(shifted_run / "items.jsonl", items)
    assert derive(read_run(shifted_run)).summary.points[-1].text.endswith("other work: on a free one it is less.")


def test_unscored_items_are_counted_and_carry_their_reason(make_run: MakeRun) -> None:
    run = make_run(unscored=(("without v2v", "p1", "flicker"),))
    found = derive(read_run(run))
    score = next(s for s in found.scores if (s.arm, s.metric) == ("without v2v", "flicker"))
    assert (score.n, score.unscored) == (4, 2)
    page = write_report(run).read_text()
    assert page.count("the clip has fewer than 2 frames") == 2
    assert "2 values missing" in page


def test_a_metric_that_no_variant_has_is_named_once_and_alarms_nobody(make_run: MakeRun) -> None:
    run = read_run(make_run())
    places = {(arm, prompt) for arm, prompt, _ in run.by_place}
    page = write_report(make_run(unscored=tuple((*place, "flicker") for place in places))).read_text()
    assert f"No variant has a value of {run.metrics['flicker'].title}; the reasons are listed below." in page
    assert "are missing." not in page
    assert "values missing;" not in page


def test_a_set_level_metric_keeps_its_interval_and_is_not_tested(make_run: MakeRun) -> None:
    metrics = {"fvd_pocket": ("FVD", "distance", False, 60.0, 0.0), "flicker": ("Flicker", "levels", False, 2.0, 0.3)}
    found = derive(read_run(make_run(metrics=metrics, shifts={"without v2v": {"fvd_pocket": 8.0}})))
    score = next(s for s in found.scores if (s.arm, s.metric) == ("without v2v", "fvd_pocket"))
    assert (score.value, score.low, score.high, score.n) == (68.0, 59.0, 82.0, 6)
    effect = next(e for e in found.effects if (e.arm, e.metric) == ("without v2v", "fvd_pocket"))
    assert effect.difference == 8.0
    assert look(effect, found.run.metrics["fvd_pocket"]).words == "not tested"


@pytest.mark.parametrize("form", ["html", "md", "csv"])
def test_a_run_that_is_still_running_renders_with_a_banner(make_run: MakeRun, tmp_path: Path, form: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(make_run(), run)
    record = read_json(run / "run.json")
    write_json(run / "run.json", {**record, "status": "running"})
    lines = (run / "items.jsonl").read_text().splitlines(keepends=True)
    (run / "items.jsonl").write_text("".join(lines[:7]) + lines[7][:40])
    (run / "scores.jsonl").unlink()
    text = write_report(run, form).read_text()  # type: ignore[arg-type]
    if form != "csv":
        assert "This run is not complete: 7 of 18 videos are made." in text
        assert "Nothing has been scored yet." in text
    if form == "html":
        assert "not made yet" in text


def test_a_run_that_has_just_begun_renders(make_run: MakeRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(make_run(), run)
    write_json(run / "run.json", {**read_json(run / "run.json"), "status": "running"})
    (run / "items.jsonl").unlink()
    (run / "scores.jsonl").write_text("")
    page = write_report(run).read_text()
    assert "No videos are made yet." in page
    assert "There is nothing to compare yet." in page


def test_an_arm_without_scores_is_named_as_missing(make_run: MakeRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(make_run(), run)
    kept = [x for x in (run / "scores.jsonl").read_text().splitlines() if '"without v2v"' not in x]
    (run / "scores.jsonl").write_text("\n".join(kept) + "\n")
    page = write_report(run).read_text()
    assert "4 of 12 scores (variant × metric) are missing." in page
    assert "no score" in page


def test_clips_missing_from_the_store_are_named_not_fatal(make_run: MakeRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(make_run(), run)
    shutil.rmtree(run / "store")
    assert "the clip is not in the store" in write_report(run).read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no run.json"),
        ("{", "as JSON"),
        ("[]", "kind is 'list'"),
        ('{"kind": "study"}', "expected 'ablation'"),
        ('{"kind": "ablation"}', "'arms' is missing"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(message)):
        write_report(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_report(tmp_path / "nowhere")


def test_next_steps_name_real_prompts_and_switches(shifted_run: Path) -> None:
    commands = [step.command for step in next_steps(derive(read_run(shifted_run)))]
    assert "magicvideo generate 'prompt number 0' --seed 0 --without controlnet" in commands
    assert "magicvideo ablate GRID.yaml --out runs/larger" in commands


def test_a_broken_line_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(make_run(), run)
    lines = (run / "scores.jsonl").read_text().splitlines()
    (run / "scores.jsonl").write_text("\n".join([lines[0], "{broken", *lines[2:]]))
    with pytest.raises(InputError, match=r"scores\.jsonl, line 2: not JSON"):
        write_report(run)


def test_csv_holds_every_effect_and_score_in_full_precision(shifted_run: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(write_report(shifted_run, "csv", tmp_path / "r.csv").read_text())))
    found = derive(read_run(shifted_run))
    told = {(r["arm"], r["metric"]): r for r in rows if r["kind"] == "effect"}
    assert len(told) == len(found.effects)
    assert len(rows) == len(found.effects) + len(found.scores)
    for e in found.effects:
        row = told[e.arm, e.metric]
        assert (float(row["value"]), float(row["p_adjusted"]), row["verdict"]) == (
            e.difference,
            e.p_adjusted,
            e.verdict,
        )


def test_markdown_shows_what_stands_out_and_folds_the_rest(shifted_run: Path, tmp_path: Path) -> None:
    text = write_report(shifted_run, "md", tmp_path / "r.md").read_text()
    head, folded = text.split("<details>")
    found = derive(read_run(shifted_run))
    effect = next(e for e in found.effects if (e.arm, e.metric) == ("without controlnet", "clip_score"))
    line = next(x for x in head.splitlines() if x.startswith("| ▼ | without the ControlNet | CLIP score |"))
    assert number(effect.difference, found.places["clip_score"], signed=True) in line
    assert p_value(effect.p_adjusted) in line
    assert "| inconclusive |" in folded
    assert "| inconclusive |" not in head


def test_the_verb_writes_without_torch(shifted_run: Path, tmp_path: Path) -> None:
    """In a process where importing torch fails, the report holds the same bytes as here."""
    here = write_report(shifted_run, "html", tmp_path / "here.html").read_bytes()
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'diffusers', 'streamlit'):\n"
        "            raise AssertionError('imported ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from magicvideo.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    out = tmp_path / "there.html"
    words = ["report", str(shifted_run), "--html", "--out", str(out), "--json"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"report": str(out)}
    assert out.read_bytes() == here


def test_the_verb_answers_bad_input_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from magicvideo.cli import main

    assert main(["report", str(tmp_path)]) == 2
    assert "holds no run.json" in capsys.readouterr().err
