"""Reports of evaluations and studies in all forms, LaTeX, methods, interactions, tags, notices, the index."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stores
from test_page import parse

from magicvideo.errors import InputError
from magicvideo.files import read_json, write_json, write_jsonl
from reports import tags
from reports.attention import notices
from reports.folder import read_run
from reports.latex import tex
from reports.stages import doses, earlier_effects, levels, swept
from reports.store import Index
from reports.write import text, write

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stores.study(tmp_path_factory.mktemp("study") / "study", prompts=3)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stores.evaluation(tmp_path_factory.mktemp("scored") / "run")


def test_an_evaluation_s_page_is_closed_plays_and_says_what_was_done(scored: Path) -> None:
    page = text(scored, "html")
    parsed = parse(page)
    assert not re.search(r"https?:", re.sub(r"data:[\w/]+;base64,[A-Za-z0-9+/=]+", "", page))
    assert sum(tag == "video" and str(a["src"]).startswith("data:video/mp4;") for tag, a in parsed.tags) == 12
    for words in ("12 videos of 12 prompts were scored by 4 metrics of the suite pocket", "Every video has every score",
                  "clip_score|test 1", f"magicvideo report {scored} --latex"):  # fmt: skip
        assert words in parsed.text
    assert all("scope" in a for tag, a in parsed.tags if tag == "th")


def test_an_evaluation_s_numbers_are_the_summary_s(scored: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(text(scored, "csv"))))
    summary = read_json(scored / "summary.json")["metrics"]
    assert {row["metric"]: float(row["value"]) for row in rows} == {name: s["value"] for name, s in summary.items()}
    assert "| CLIP score ↑ |" in text(scored, "md")


def test_an_unfinished_evaluation_says_so(tmp_path: Path) -> None:
    half = stores.evaluation(tmp_path / "half", whole=False, videos=False)
    for form in ("html", "md"):
        assert "This evaluation is not complete" in text(half, form)  # type: ignore[arg-type]


def test_a_study_s_page_has_the_paper_s_form_beside_the_corrected_one(study: Path) -> None:
    page = parse(text(study, "html")).text
    assert "In the paper's form (arXiv 2401.04468, table 1)" in page
    assert "Corrected: every convention with its 95 % interval" in page
    assert "Davidson" in page
    rows = list(csv.DictReader(io.StringIO(text(study, "csv"))))
    assert {row["convention"] for row in rows} == {"gsb_ratio", "net", "half_tie", "decisive", "tie_rate"}
    ours = [row for row in rows if row["system"] == "ours"]
    good, same, bad = (int(ours[0][key]) for key in ("good", "same", "bad"))
    net = next(float(row["value"]) for row in ours if row["convention"] == "net")
    assert net == pytest.approx((good - bad) / (good + same + bad))


def test_latex_prints_any_text_as_text(make_run: MakeRun, scored: Path, study: Path) -> None:
    assert tex("a_b & 50 % of {x} \\ $y$ ^~#") == (
        r"a\_b \& 50 \% of \{x\} \textbackslash{} \$y\$ \textasciicircum{}\textasciitilde{}\#"
    )
    assert tex("\U0001f680") == "[rocket]"
    hostile = {f"p{n}": text for n, text in enumerate(stores.HOSTILE)}
    arms = tuple((t[:40], t) for t in stores.HOSTILE)
    run = make_run(prompts=hostile, seeds=(0,), switches=(), extra_arms=arms, question=stores.HOSTILE[0])
    for folder in (run, scored, study):
        written = text(folder, "latex")
        for environment in ("table", "tabular"):
            begun = written.count(rf"\begin{{{environment}}}")
            assert begun == written.count(rf"\end{{{environment}}}") > 0
        assert written.isascii() or all(ord(sign) < 0x250 for sign in written)
        depth = 0
        for sign in re.sub(r"\\[\\{}]", "", written):
            depth += (sign == "{") - (sign == "}")
            assert depth >= 0
        assert depth == 0
        for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", written, re.DOTALL):
            cells = {len(re.findall(r"(?<!\\)&", line)) for line in body.strip().splitlines()}
            assert len(cells) == 1


def staged(run: Path, to: Path) -> Path:
    """A copy whose base arm loses 0.2 of every accuracy from T2I to the video, with two groups of prompts."""
    shutil.copytree(run, to)
    record = read_json(to / "run.json")
    for n, prompt in enumerate(record["prompts"]):
        prompt["stratum"] = "seen" if n % 2 else "unseen <b>"
    write_json(to / "run.json", record)
    lines = [line for line in (to / "scores.jsonl").read_text().splitlines() if line]
    import json

    rows = [json.loads(line) for line in lines]
    rows += [{**row, "stage": "t2i", "value": row["value"] + 0.2} for row in rows]
    write_jsonl(to / "scores.jsonl", rows)
    return to


def test_earlier_stages_and_groups_are_in_the_page(make_run: MakeRun, tmp_path: Path) -> None:
    plain = make_run()
    run = read_run(staged(plain, tmp_path / "run"))
    lines: list[dict[str, Any]] = list(map(dict, _lines(run.path)))
    found = levels(lines, "full", "clip_score")
    assert [stage.name for stage in found] == ["T2I", "VFI"]
    assert found[0].value - found[1].value == pytest.approx(0.2)
    assert list(earlier_effects(run, lines)) == ["t2i"]
    page = parse(text(run.path, "html")).text
    for words in ("Stage by stage", "By group of prompts", "unseen <b>", "Methods", "made the same 3 prompts"):
        assert words in page
    assert "Stage by stage" not in text(plain, "html")


def _lines(path: Path) -> list[dict[str, Any]]:
    from magicvideo.files import read_jsonl

    return read_jsonl(path / "scores.jsonl")


def test_a_sweep_is_found_by_its_configurations(make_run: MakeRun, tmp_path: Path) -> None:
    from reports.ablation import derive

    shutil.copytree(make_run(), tmp_path / "run")
    record = read_json(tmp_path / "run" / "run.json")
    for arm, strength in zip(record["arms"], (1.0, 0.0, 4.0), strict=True):
        arm["config"] = {"noise_prior": {"strength": strength}, "compute": "float32"}
    write_json(tmp_path / "run" / "run.json", record)
    found = derive(read_run(tmp_path / "run"))
    ((setting, arms),) = swept(found.run).items()
    assert (setting, list(arms.values())) == ("noise_prior.strength", [1.0, 0.0, 4.0])
    assert [(d.dose, d.base) for d in doses(found, arms, "clip_score")] == [(1.0, True), (0.0, False), (4.0, False)]


def test_the_index_follows_the_folder_and_never_writes_there(tmp_path: Path) -> None:
    store, cache = tmp_path / "store", tmp_path / "cache"
    stores.evaluation(store / "group" / "a", videos=False)
    stores.broken(store / "bad")
    index = Index(store, cache)
    assert {e.id: e.status for e in index.entries()} == {
        "group/a": "complete",
        **dict.fromkeys(("bad/cut-short", "bad/foreign", "bad/odd"), "broken"),
    }
    assert index.entries()[0].metrics["clip_score"]["n"] == 12
    stores.evaluation(store / "b", videos=False, whole=False)
    shutil.rmtree(store / "bad")
    assert {e.id: e.status for e in index.entries(fresh=True)} == {"group/a": "complete", "b": "running"}
    assert index.entries() == Index(store, cache).entries()
    (index.file).write_bytes(b"not a database")
    assert len(Index(store, cache).entries()) == 2
    for id in ("../..", "/etc", "b/../b", ""):
        with pytest.raises(InputError, match="no such run"):
            index.path(id)
    assert {p.name for p in store.iterdir()} == {"group", "b"}


def test_an_index_reads_a_record_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reports import store as module

    stores.evaluation(tmp_path / "store" / "a", videos=False)
    stores.evaluation(tmp_path / "store" / "b", videos=False)
    Index(tmp_path / "store", tmp_path / "cache").entries()
    read: list[str] = []
    real = module.read_entry
    monkeypatch.setattr(module, "read_entry", lambda id, *rest: read.append(id) or real(id, *rest))
    os.utime(tmp_path / "store" / "b" / "summary.json", (1, 1))
    Index(tmp_path / "store", tmp_path / "cache").entries()
    assert read == ["b"]


def test_notices_put_the_gravest_first(tmp_path: Path) -> None:
    store = tmp_path / "store"
    stores.evaluation(store / "old", videos=False)
    stores.evaluation(store / "new", videos=False, seed=1, created="2026-11-02T00:00:00+00:00",
                      shifts={"clip_score": -0.1, "motion_magnitude": 3.0, "flicker": 0.1})  # fmt: skip
    stores.evaluation(store / "half", videos=False, whole=False)
    stores.broken(store / "bad")
    found = Index(store, tmp_path / "cache").entries()
    told = notices(found, now=max(e.touched for e in found) + 7200)
    assert [notice.mark for notice in told] == ["✕", "✕", "✕", "▼", "◷"]
    assert "new looks worse than old: CLIP score" in told[3].text
    assert "Motion" not in told[3].text
    assert "Absence" not in told[3].text


def test_runs_of_unlike_protocols_are_not_called_worse(tmp_path: Path) -> None:
    stores.evaluation(tmp_path / "s" / "old", videos=False)
    stores.evaluation(tmp_path / "s" / "new", videos=False, created="2026-11-02T00:00:00+00:00",
                      shifts={"clip_score": -0.1}, protocol="test 2")  # fmt: skip
    assert not notices(Index(tmp_path / "s", tmp_path / "cache").entries(), now=0)


def test_tags_are_kept_and_taken_away(tmp_path: Path) -> None:
    tags.change(tmp_path, ["a", "b"], {"baseline", " \u202ex "}, set())
    assert tags.read(tmp_path) == {"a": ["baseline", "x"], "b": ["baseline", "x"]}
    tags.change(tmp_path, ["a"], set(), {"baseline", "x"})
    assert tags.read(tmp_path) == {"b": ["baseline", "x"]}
    (tmp_path / tags.FILE).write_text("[")
    assert tags.read(tmp_path) == {}


def test_the_verb_finds_out_what_lies_there(study: Path, scored: Path, tmp_path: Path) -> None:
    assert write(study, "md", tmp_path / "s.md").read_text().startswith("### study: ")
    assert write(scored, "latex", tmp_path / "r.tex").read_text().startswith("% evaluation report of run")
    with pytest.raises(InputError, match="no such folder"):
        write(tmp_path / "nowhere")


def test_a_metric_s_page_comes_without_links_into_the_repository(tmp_path: Path) -> None:
    from reports import guide

    (tmp_path / "x.md").write_text("# X\n![chart](x.svg)\n<!-- made\nby us -->\n## See [y](y.md), [z](https://z)\n")
    assert guide.page("x", tmp_path) == "### X\n\n\n#### See y, [z](https://z)\n"
    assert guide.page("../x", tmp_path) is None
    assert "Sensitivity" in str(guide.page("flicker"))
