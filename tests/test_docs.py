"""The documents agree with the code: every command, switch, metric, link and example in them is tried.

Commands are read by the verbs' own parsers, and names by the functions that read them in earnest.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from evaluation_run import Evaluation, write_evaluation

from ablations.effects import Effect
from ablations.grid import load_grid
from ablations.shipped import find_grid, shipped_grids
from evals.suites import POCKET, SUITES, find
from magicvideo.cli import VERBS
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.generate import configuration
from magicvideo.runs import StageRecord
from magicvideo.stage_config import STAGES, SWITCHES
from magicvideo.train import table
from magicvideo.train.cli import PARTS
from magicvideo.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, in_video_data, is_held_out
from reports.compare import Verdict
from reports.gate import load_gate

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHELL = ("sh", "bash", "console")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced code blocks of a page in one of the languages."""
    return [body for kind, body in re.findall(r"^ *```(\w*)\n(.*?)^ *```", page, re.M | re.S) if kind in languages]


def commands(page: str) -> Iterator[list[str]]:
    """The words of every `magicvideo VERB ...` in the page's shell blocks, without the command's name."""
    for block in blocks(page, *SHELL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].rpartition("/")[2] == "magicvideo":
                yield words[1:]


def mentions(page: str) -> Iterator[list[str]]:
    """The words of every `magicvideo VERB ...` in the running text, where arguments may be left out."""
    prose = re.sub(r"^ *```.*?^ *```", "", page, flags=re.M | re.S)
    yield from (span.split() for span in re.findall(r"`magicvideo ([^`]+)`", prose))


def parser(verb: str) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog=f"magicvideo {verb}", allow_abbrev=False, exit_on_error=False)
    import_module(VERBS[verb].module).add_arguments(found)
    found.add_argument("--json", action="store_true")
    return found


def options(verb: str) -> set[str]:
    """The long options of the verb and of its sub-verbs."""
    return {name for name in _options(parser(verb)) if name.startswith("--")} - {"--help", "--json"}


def _options(found: argparse.ArgumentParser) -> Iterator[str]:
    for action in found._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _options(sub)


def section(page: str, title: str) -> str:
    """What stands under a heading of that title, up to the next one of its level."""
    found = re.search(rf"^(#+) {re.escape(title)}$\n(.*?)(?=^\1 |\Z)", page, re.M | re.S)
    assert found, title
    return found[2]


def first_cells(part: str) -> list[str]:
    """What stands in backquotes in the first column of a table's rows."""
    return [name for row in part.splitlines() for name in re.findall(r"^\| \[?`([^`]+)`\]?", row)]


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def check_values(verb: str, arguments: argparse.Namespace) -> None:
    """Names inside a command that only the verb itself would read. Raises `InputError` as the verb would."""
    if verb == "generate":
        configuration(arguments.without, arguments.set, arguments.preset)
    elif verb == "evaluate":
        find(arguments.suite).only(arguments.metrics.split(",") if arguments.metrics else None)
    elif verb == "train" and arguments.part not in (*PARTS, "all"):
        raise InputError(f"no such part: {arguments.part}")
    elif verb == "ablate" and not arguments.grid.endswith(".yaml"):
        find_grid(arguments.grid)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_command_of_a_page_is_one_that_the_command_line_takes(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    for verb, *words in commands(content):
        check_values(verb, parser(verb).parse_args(words))
    for verb, *words in mentions(content):
        if verb in ("VERB", "--version"):
            continue
        assert verb in VERBS
        assert {w.partition("=")[0] for w in words if w.startswith("--")} <= options(verb) | {"--help", "--json"}


@pytest.mark.parametrize(
    "line",
    [
        "magicvideo generate x --sed 7",
        "magicvideo generate x --until i3v",
        "magicvideo generate x --without control_net",
        "magicvideo generate x --set i2v.frame=16",
        "magicvideo evaluate videos --metrics flickr",
        "magicvideo train decoder",
        "magicvideo ablate mechanism",
    ],
)
def test_a_wrong_command_in_a_page_would_be_noticed(line: str) -> None:
    (words,) = commands(f"```sh\n{line}\n```\n")
    with pytest.raises((argparse.ArgumentError, SystemExit, InputError)):
        check_values(words[0], parser(words[0]).parse_args(words[1:]))


@pytest.mark.parametrize("verb", VERBS)
def test_the_examples_of_help_are_commands_too(verb: str) -> None:
    ((name, *words),) = commands(f"```sh\n{VERBS[verb].example}\n```\n")
    assert name == verb
    check_values(verb, parser(verb).parse_args(words))


@pytest.mark.parametrize("verb", VERBS)
def test_the_command_lines_page_lists_every_option(verb: str) -> None:
    part = section(text("docs/cli.md"), verb)
    assert {name for name in first_cells(part) if name.startswith("--")} == options(verb)
    assert "JSON:" in part
    assert list(commands(part)), "an example"


def test_the_tour_shows_every_verb() -> None:
    shown = {words[0] for words in commands(text("README.md"))}
    assert shown | {"demo"} == set(VERBS)
    assert first_cells(section(text("docs/cli.md"), "The command line"))[: len(VERBS)] == list(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    shown = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", shown):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.M))
    content = page.read_text(encoding="utf-8")
    asked = re.findall(r"`make ([a-z-]+)", content)
    asked += [name for block in blocks(content, *SHELL) for name in re.findall(r"^make ([a-z-]+)", block, re.M)]
    assert set(asked) <= targets


def test_continuous_integration_runs_what_the_readme_says() -> None:
    start = section(text("README.md"), "Start")
    assert [line for block in blocks(start, "sh") for line in block.split("\n") if line] == ["make demo", "make test"]
    assert "\nmake test\n" in text(".ci/run")


def test_the_readme_lists_switches_and_metrics() -> None:
    readme = text("README.md")
    assert first_cells(section(readme, "The mechanisms and their switches")) == list(SWITCHES)
    rows = re.findall(r"^\| \[`(\w+)`\]\(docs/metrics/(\w+)\.md\) \| (\w+) \|", readme, re.M)
    words = {True: "higher", False: "lower", None: "neither"}
    known = [(m.name, m.name, words[m.higher_is_better]) for m in POCKET.metrics]
    assert rows == [row for row in known if row in rows], "a metric may do without a row, a row not without a metric"
    assert len(rows) > 10


def test_the_pipelines_page_knows_stages_and_switches() -> None:
    page = text("docs/pipeline.md")
    config = PipelineConfig()
    shapes = {
        "t2i": f"{config.t2i.size} × {config.t2i.size} | latent diffusion, {config.t2i.steps} steps",
        "i2v": f"{config.i2v.frames} keyframes {config.i2v.size} × {config.i2v.size} at {config.i2v.fps:g} frames/s",
        "v2v": f"{config.v2v.size} × {config.v2v.size} | a redone share of the diffusion, {config.v2v.steps} steps",
        "vfi": f"{config.vfi.factor}(n-1)+1 frames",
    }
    assert first_cells(section(page, "Stages")) == list(STAGES) == list(shapes)
    for stage, words in shapes.items():
        assert re.search(rf"^\| `{stage}` .*{re.escape(words)}", page, re.M), stage
    behind = section(page, "What a switch changes")
    assert all(f"`{switch}`" in behind for switch in SWITCHES)


def test_the_pipelines_page_gives_the_shapes_of_the_code() -> None:
    """Read from the source as text, so that no network library has to be loaded for two numbers."""
    page = text("docs/pipeline.md")
    (latents,) = re.findall(r"^LATENT_CHANNELS = (\d+)$", text("magicvideo/models/autoencoder.py"), re.M)
    ((outer, inner),) = re.findall(r"^CHANNELS = \((\d+), (\d+)\)$", text("magicvideo/models/unet.py"), re.M)
    assert f"latents [N,{latents},H/8,W/8]" in page
    assert f"(channels {outer} and {inner})" in page


def test_the_worlds_page_says_what_there_is() -> None:
    page = text("docs/world.md")
    for name, known in (("shape", SHAPES), ("colour", COLOURS), ("background", BACKGROUNDS), ("motion", MOTIONS)):
        assert f"| {name} | {', '.join(known)} |" in page
    pairs = [(s, c) for s in SHAPES for c in COLOURS]
    held_out, in_videos = (sum(rule(*p) for p in pairs) for rule in (is_held_out, in_video_data))
    assert re.findall(r"^\| (\d+)[^|]*\| (yes|no) \| (yes|no) \|", page, re.M) == [
        (str(in_videos), "yes", "yes"),
        (str(len(pairs) - held_out - in_videos), "yes", "no"),
        (str(held_out), "no", "no"),
    ]
    assert f"{in_videos} of the {len(pairs) - held_out} trained" in text("docs/pipeline.md")


def test_the_run_folders_page_names_every_field() -> None:
    page = text("docs/run-folder.md")
    assert all(f"`{field.name}`" in page for field in fields(StageRecord))
    shown = section(text("docs/cli.md"), "ablate")
    some = {"metric", "arm", "switch", "difference", "low", "high", "p", "p_adjusted", "standardised", "n", "verdict"}
    assert some <= {field.name for field in fields(Effect)}
    assert all(f"`{name}`" in shown for name in some)
    assert all(f"`{name}`" in shown for name in shipped_grids())


def test_grids_in_pages_load(tmp_path: Path) -> None:
    pages = [page for page in PAGES if page.name not in ("gate.md", "tutorial.md")]
    grids = [body for page in pages for body in blocks(page.read_text(encoding="utf-8"), "yaml")]
    assert grids
    for body in grids:
        path = tmp_path / "grid.yaml"
        path.write_text(body, encoding="utf-8")
        for arm in yaml.safe_load(body).get("arms", ()):
            (tmp_path / arm.get("videos", ".")).mkdir(parents=True, exist_ok=True)
        load_grid(path)


def test_the_tutorials_gate_loads(tmp_path: Path) -> None:
    (body,) = blocks(text("docs/tutorial.md"), "yaml")
    (tmp_path / "gate.yaml").write_text(body, encoding="utf-8")
    assert set(load_gate(tmp_path / "gate.yaml").named) <= {m.name for m in POCKET.metrics}


def test_the_gates_example_loads_and_its_page_knows_every_field(tmp_path: Path) -> None:
    (body,) = blocks(text("docs/gate.md"), "yaml")
    path = tmp_path / "gate.yaml"
    path.write_text(body, encoding="utf-8")
    gate = load_gate(path)
    assert gate.rule("motion_magnitude", None).direction == "same"
    assert set(gate.named) - {"seconds"} <= {m.name for m in POCKET.metrics}
    fields = set(first_cells(section(text("docs/gate.md"), "gate.yaml")))
    assert fields == {"default", "metrics", "margin", "direction", "gate", "alpha", "least_pairs", "inconclusive"}
    assert first_cells(section(text("docs/gate.md"), "Verdicts")) == [*get_args(Verdict)]


def test_the_workflows_commands_are_commands() -> None:
    jobs = [yaml.safe_load(body)["jobs"] for body in blocks(text("docs/gate.md"), "yml")]
    for job, verbs in zip(jobs, (["generate", "evaluate"], ["generate", "evaluate", "compare"]), strict=True):
        (steps,) = (about["steps"] for about in job.values())
        lines = "\n".join(step["run"] for step in steps if "run" in step)
        found = list(commands(f"```sh\n{lines}\n```\n"))
        assert [verb for verb, *_ in found] == verbs
        for verb, *words in found:
            check_values(verb, parser(verb).parse_args(words))


def test_the_historys_example_answers(tmp_path: Path) -> None:
    (code,) = blocks(text("docs/statistics.md"), "python")
    there: dict[str, Any] = {}
    exec(compile(code, "docs/statistics.md", "exec"), there)
    for n in range(2):
        write_evaluation(tmp_path / f"run{n}", Evaluation({"m": np.ones((3, 1))}))
    assert there["told"](tmp_path, "m") == "m: no change is seen in 2 run(s); a history starts at 4 runs"


def test_the_worlds_example_runs() -> None:
    (code,) = blocks(text("docs/world.md"), "python")
    exec(compile(code, "docs/world.md", "exec"), {})


def test_the_new_metrics_example_works_and_passes_its_own_tests() -> None:
    there: dict[str, Any] = {}
    for code in blocks(text("docs/adding-a-metric.md"), "python"):
        exec(compile(code, "docs/adding-a-metric.md", "exec"), there)
    tests = [function for name, function in there.items() if name.startswith("test_")]
    assert len(tests) == 3
    for function in tests:
        function()


def test_the_page_of_a_new_metric_lists_what_several_metrics_look_at() -> None:
    """A role of one metric alone is told on that metric's page."""
    shown = set(first_cells(text("docs/adding-a-metric.md")))
    metrics = {metric for suite in SUITES.values() for metric in suite.metrics}
    users = Counter(role for metric in metrics for role in {need.role for need in metric.needs})
    assert {role for role, count in users.items() if count > 1} <= shown <= set(users)


def test_the_page_of_weights_is_that_of_the_manifest() -> None:
    assert table.PAGE.read_text(encoding="utf-8") == table.page(table.shipped()), "run `make weights-table`"


def test_a_manifests_page_shows_figures_with_interval_and_n() -> None:
    figure = {"value": 0.98, "low": 0.96, "high": 0.99, "n": 512}
    recipe = {"data": "a | b", "steps": [2600, 800], "seconds": 61, "words": ["red"] * 9, "fusion": [[0.1], [0.2]]}
    part = {
        "file": "new.safetensors",
        "sha256": "ab" * 32,
        "bytes": 2_500_000,
        "licence": "Apache-2.0",
        "recipe": recipe,
        "figures": {"shape": figure, "codes_used": {"value": 410, "of": 512}, "reference_n": 512},
    }
    page = table.page({"new": part})
    assert "| [new](#new) | 2.50 MB | `abababababababab` | 2,600, 800 | 61 | Apache-2.0 |" in page
    assert "| shape | 0.98 | 0.96 to 0.99 | 512 |" in page
    assert "| codes_used | 410 of 512 |  |  |" in page
    assert "| reference_n | 512 |  |  |" in page
    assert "- words: 9 words" in page
    assert "- fusion: 0.1 / 0.2" in page
    assert "No part is trained yet" in table.page({})


def test_versions_are_pinned_and_plain() -> None:
    lines = [line for line in text("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    lists = re.findall(r"^(?:dependencies|dev) = \[(.*?)\]$", text("pyproject.toml"), re.M | re.S)
    wanted = {
        re.sub(r"[-_.]+", "-", name).lower() for part in lists for name in re.findall(r'"([A-Za-z0-9_.-]+)', part)
    }
    assert wanted <= pinned
