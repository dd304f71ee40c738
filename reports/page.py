"""The report as one HTML page that opens offline: arranges findings for the template in `assets/`.

Text is escaped by the template engine; drawings, style and script are ours. A content security policy in the page
forbids every network address and every script but ours.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ablations.effects import Effect, prompts_needed
from ablations.readings import sections
from reports import methods
from reports.ablation_latex import groups
from reports.charts import forest, inline, waterfall
from reports.findings import Findings
from reports.folder import AblationRun, Arm, Metric
from reports.media import Scene, scenes
from reports.stages import all_scores, earlier_effects, levels
from reports.tables import Look, interval, look, number
from reports.templates import ASSETS, environment

STAGE_WORDS = {
    "t2i": ("Text to image", "One picture of the prompt: the reference for all that follows."),
    "i2v": ("Image to video", "The picture starts to move: a few small keyframes."),
    "v2v": ("Video to video", "The keyframes, enlarged and mended."),
    "vfi": ("Frame interpolation", "Frames in between make the motion smooth."),
}
DIRECTION = {True: "higher is better ↑", False: "lower is better ↓", None: "neither side is better ↕"}
SHOWN_UNSCORED = 200


@dataclass(frozen=True)
class Cell:
    """One effect, ready to print."""

    effect: Effect
    arm: Arm
    metric: Metric
    look: Look
    places: int

    @property
    def difference(self) -> str:
        return number(self.effect.difference, self.places, signed=True)

    @property
    def span(self) -> str:
        return interval(self.effect.low, self.effect.high, self.places, signed=True)

    @property
    def said(self) -> str:
        """The whole cell in one line, for a tooltip and a screen reader."""
        text = f"{self.arm.title}, {self.metric.title}: {self.look.words}, difference {self.difference}"
        return text if self.effect.low is None else f"{text}, 95 % interval {self.span}"


@dataclass(frozen=True)
class Step:
    """Something to try next, and the command for it."""

    what: str
    command: str


def render(found: Findings) -> str:
    """The whole page. The same run folder gives the same bytes."""
    script = (ASSETS / "report.js").read_text(encoding="utf-8")
    page = (
        environment()
        .get_template("report.html.jinja")
        .render(
            **_context(found),
            style=Markup((ASSETS / "report.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    return page.encode("utf-8", errors="replace").decode()


def _context(found: Findings) -> dict[str, Any]:
    run = found.run
    cells = _cells(found, found.effects)
    lines = all_scores(run)
    shown = scenes(run)
    return {
        "found": found,
        "run": run,
        "words": found.summary,
        "others": [arm for arm in run.arms if arm != run.base],
        "columns": [arm for arm in run.arms if any(cell.arm == arm for cell in cells)],
        "cells": _sorted(cells),
        "matrix": {name: {cell.arm.name: cell for cell in cells if cell.metric.name == name} for name in run.metrics},
        "looks": list({cell.look.words: cell.look for cell in cells}.values()),
        "charts": list(_charts(found)),
        "scores": {(score.metric, score.arm): score for score in found.scores},
        "common_n": {name: _common_n(found, name) for name in run.metrics},
        "span": interval,
        "groups": {name: _sorted(_cells(found, effects)) for name, effects in groups(found).items()},
        "stages": {s: _sorted(_cells(found, effects)) for s, effects in earlier_effects(run, lines).items()},
        "waterfalls": list(_waterfalls(found, lines)),
        "readings": sections(lines, run.items, run.record),
        "methods": methods.of_ablation(found),
        "scenes": shown,
        "viewer": _viewer(found, shown),
        "stage_words": STAGE_WORDS,
        "direction": DIRECTION,
        "changes": {arm.name: changed(run.base.config, arm.config) for arm in run.arms},
        "longest": max((cost.seconds for cost in found.costs), default=0.0),
        "saved": _saved(run),
        "unscored": found.unscored[:SHOWN_UNSCORED],
        "provenance": _provenance(found),
        "steps": list(next_steps(found)),
    }


def _cells(found: Findings, effects: Iterable[Effect]) -> list[Cell]:
    run = found.run
    return [
        Cell(e, run.arm(e.arm), run.metrics[e.metric], look(e, run.metrics[e.metric]), found.places[e.metric])
        for e in effects
    ]


def _sorted(cells: Iterable[Cell]) -> list[Cell]:
    """What stands out first."""
    return sorted(cells, key=_prominence)


def _waterfalls(found: Findings, lines: list[dict[str, Any]]) -> Iterator[tuple[Metric, Markup]]:
    """The base's levels stage by stage, where earlier stages' clips were scored too."""
    for name, metric in found.run.metrics.items():
        stages = levels(lines, found.run.base.name, name)
        if len(stages) > 1:
            drawn = waterfall(stages, metric.title, metric.unit, metric.higher_is_better, found.places[name])
            yield metric, Markup(inline(drawn, f"{metric.title} of {found.run.base.title}, stage by stage"))


def _charts(found: Findings) -> Iterator[tuple[Metric, Markup]]:
    for name, metric in found.run.metrics.items():
        mine = [e for e in found.effects if e.metric == name]
        if any(e.difference is not None for e in mine):
            yield metric, Markup(forest(found.run, metric, mine, found.places[name]))


def _prominence(cell: Cell) -> tuple[int, float]:
    """Sort key: found differences, then hints, then the rest; the largest (standardised) first."""
    rank = {"better": 0, "worse": 0, "different": 0, "same": 2, "unclear": 3}.get(cell.look.style, 4)
    size = cell.effect.standardised
    return (1 if cell.look.hint else rank), 0 if cell.effect.difference is None else -abs(size or 0)


def _common_n(found: Findings, metric: str) -> int | None:
    """The number of scored videos where all arms share it."""
    counts = {score.n for score in found.scores if score.metric == metric}
    return counts.pop() if len(counts) == 1 else None


def _viewer(found: Findings, shown: list[Scene]) -> dict[str, Any]:
    """What the page's script needs to compare two clips: names and the scores of each video."""
    run = found.run
    return {
        "base": run.base.name,
        "arms": [{"name": arm.name, "title": arm.title} for arm in run.arms],
        "stages": [{"name": stage, "title": words[0]} for stage, words in STAGE_WORDS.items()],
        "prompts": [scene.prompt for scene in shown],
        "scores": [_scene_scores(found, scene) for scene in shown],
    }


def _scene_scores(found: Findings, scene: Scene) -> list[dict[str, Any]]:
    """For each metric of single videos: title, direction and each arm's value for this prompt and seed, as text."""
    run = found.run
    values = {
        (line["metric"], line["arm"]): line["value"]
        for line in run.scores
        if line.get("prompt_id") == scene.prompt_id and line.get("seed") == scene.seed
    }
    rows = []
    for name, metric in run.metrics.items():
        texts = {a.name: number(values[name, a.name], found.places[name]) for a in run.arms if (name, a.name) in values}
        if texts:
            rows.append({"title": metric.title, "direction": DIRECTION[metric.higher_is_better], "values": texts})
    return rows


def changed(base: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> list[str]:
    """The settings in which two configurations differ: `v2v.steps: 6 → 12`."""
    lines = []
    for key in dict.fromkeys([*base, *other]):
        old, new, name = base.get(key), other.get(key), f"{path}{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            lines += changed(old, new, f"{name}.")
        elif old != new:
            lines.append(f"{name.removeprefix('mechanisms.')}: {_setting(old)} → {_setting(new)}")
    return lines


def _setting(value: Any) -> str:
    return {True: "on", False: "off", None: "–"}[value] if isinstance(value, bool | None) else str(value)


def _saved(run: AblationRun) -> float:
    """Seconds of computing that reuse of stages saved."""
    records = [record for item in run.by_place.values() for record in (item.get("stages") or {}).values()]
    return sum(float(record.get("seconds") or 0) for record in records if record.get("reused"))


def _provenance(found: Findings) -> list[tuple[str, str]]:
    run, about = found.run, found.run.record.get("environment") or {}
    packages = ", ".join(f"{name} {version}" for name, version in (about.get("packages") or {}).items())
    commit = str(about.get("commit") or "unknown") + (" with uncommitted changes" if about.get("dirty") else "")
    lines = [
        ("Run", f"{run.name} ({run.record.get('status', 'unknown')})"),
        ("Started", str(run.record.get("created") or "unknown")),
        ("Command", str(about.get("command") or "unknown")),
        ("Seeds", ", ".join(str(seed) for seed in run.seeds)),
        ("Metric suite", str(run.record.get("suite") or "unknown")),
        ("Commit", commit),
        ("Python", str(about.get("python") or "unknown")),
        ("Machine", " · ".join(str(about[key]) for key in ("platform", "processor") if about.get(key)) or "unknown"),
        ("Versions", packages or "unknown"),
    ]
    return lines


def next_steps(found: Findings) -> Iterator[Step]:
    run = found.run
    first = next(iter(run.prompts.values()), "a red star")
    seed = run.seeds[0] if run.seeds else 0
    if not run.complete:
        yield Step("Let this run finish; it continues where it stopped:", str(_environment(run, "command")))
    yield from _more_prompts(found)
    yield Step("Make one of these videos yourself:", f"magicvideo generate {shlex.quote(first)} --seed {seed}")
    if switch := _loudest(found):
        command = f"magicvideo generate {shlex.quote(first)} --seed {seed} --without {shlex.quote(switch)}"
        yield Step("The same video without the mechanism that mattered most here:", command)
    yield Step("Take the numbers into a table or a pull request:", f"{found.command} --csv\n{found.command} --md")
    yield Step("Score videos of your own with the same metrics:", "magicvideo evaluate FOLDER --prompts prompts.jsonl")


def _more_prompts(found: Findings) -> Iterator[Step]:
    """How to make open questions certain; nothing when none is open."""
    run = found.run
    tested = sum(e.p is not None for e in found.effects)
    if not any(e.verdict == "inconclusive" and e.p is not None for e in found.effects):
        return
    if (run.record.get("grid") or {}).get("name") == "demo":
        what = "Turn hints into answers: the same question with more prompts and seeds."
        yield Step(what, "magicvideo ablate mechanisms")
        return
    least = max(prompts_needed(tested), 2 * len(run.prompts))
    yield Step(
        f"Narrow what is open: raise the grid’s prompts from {len(run.prompts)} to {least} or more and run it into a "
        "new folder. More prompts help more than more seeds.",
        "magicvideo ablate GRID.yaml --out runs/larger",
    )


def _loudest(found: Findings) -> str | None:
    """The switch with the most differences found, or hinted at when none is found."""
    counts: dict[str, int] = {}
    for e in found.effects:
        shown = look(e, found.run.metrics[e.metric])
        if e.switch and e.switch != "vfi" and (shown.hint or shown.word in ("worse", "better", "different")):
            counts[e.switch] = counts.get(e.switch, 0) + (1 if shown.hint else 100)
    return max(counts, key=lambda name: counts[name]) if counts else None


def _environment(run: AblationRun, key: str) -> Any:
    return (run.record.get("environment") or {}).get(key) or f"magicvideo ablate {run.name}"
