"""The report of an evaluation: scores, how they spread over prompts, what is missing, some videos, methods."""

from __future__ import annotations

import base64
import csv
import io
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evals.decode import Decoder
from evals.states import Unscored
from magicvideo.clip import write_preview
from reports import charts, methods
from reports.ablation import as_typed
from reports.charts.runs import Named
from reports.document import Block, Clip, Command, Document, Drawing, Section, Words, table
from reports.evaluation import EvaluationRun, Total
from reports.folder import Metric
from reports.tables import decimals, harmless, interval, number
from reports.words import plural

ARROWS = {True: "↑", False: "↓", None: "↕"}
MOST_VIDEOS, BUDGET = 12, 10_000_000
MOST_MISSING = 200
EXTREMES = 5
"""Prompts shown at each end of a metric."""


def document(run: EvaluationRun, videos: bool = True) -> Document:
    """Everything the report says; `videos` False leaves out the clips, which only HTML shows."""
    prompts = len({video.prompt_id for video in run.videos})
    return Document(
        kind="evaluation report",
        name=run.name,
        title=f"Scores of {run.record.get('folder') or run.name}",
        headline=_headline(run),
        basis=f"{plural(len(run.videos), 'video')} of {plural(prompts, 'prompt')}; 95\u00a0% intervals over prompts.",
        points=tuple(_points(run)),
        banners=() if run.complete else ("This evaluation is not complete: the command that started it continues it.",),
        sections=tuple(s for s in _sections(run, videos) if s.blocks),
        command=f"magicvideo report {shlex.quote(as_typed(run.path))}",
    )


def csv_of(run: EvaluationRun) -> str:
    """One line a metric, full precision."""
    buffer = io.StringIO()
    out = csv.writer(buffer, lineterminator="\n")
    out.writerow(["metric", "unit", "higher_is_better", "protocol", "value", "low", "high", "n", "unscored"])
    for name, metric in run.metrics.items():
        t = run.totals.get(name, Total(None, None, None, 0, 0))
        head = [name, metric.unit, metric.higher_is_better, metric.protocol]
        out.writerow(harmless([*head, t.value, t.low, t.high, t.n, t.unscored]))
    return buffer.getvalue()


def _headline(run: EvaluationRun) -> str:
    scored = sum(total.value is not None for total in run.totals.values())
    if not run.complete:
        return "Nothing has been scored yet." if not run.scores else f"{plural(len(run.scores), 'score')} so far."
    return f"{plural(scored, 'metric')} scored" + (
        f", {len(run.totals) - scored} without a value." if scored < len(run.totals) else "."
    )


def _points(run: EvaluationRun) -> Iterator[str]:
    for name, total in run.totals.items():
        metric = run.metrics.get(name)
        if metric is None or total.value is None:
            continue
        places = _places(total)
        span = "" if total.low is None else f", 95\u00a0% interval {interval(total.low, total.high, places)}"
        yield f"{metric.title} {ARROWS[metric.higher_is_better]} {number(total.value, places)}{span}"


def _sections(run: EvaluationRun, videos: bool) -> Iterator[Section]:
    yield Section("scores", "Scores", (_scores(run),) if run.totals else ())
    yield Section(
        "spread", "From prompt to prompt", tuple(_spread(run)), "Each line is a video; the bar is the middle half."
    )
    yield Section("extremes", "Lowest and highest", tuple(_extremes(run)))
    if videos:
        yield Section(
            "videos", "Videos", tuple(_clips(run)), "The first videos in the folder's order, not picked by result."
        )
    yield Section("missing", "What could not be scored", tuple(_missing(run)))
    yield Section("methods", "Methods", (*methods.of_evaluation(run), _protocols(run)))
    command = f"magicvideo report {shlex.quote(as_typed(run.path))}"
    made = str((run.record.get("environment") or {}).get("command") or "")
    forms = "\n".join([command, f"{command} --md", f"{command} --csv", f"{command} --latex"])
    again: tuple[Block, ...] = (Words("The report again, and its other forms:"), Command(forms))
    if made:
        again += (Words("The scores again:"), Command(made))
    yield Section("again", "Every number again", again)


def _scores(run: EvaluationRun) -> Block:
    rows = []
    for name, total in run.totals.items():
        metric = run.metrics.get(name) or Metric(name, name, "", None, "", "")
        places = _places(total)
        cells = [f"{metric.title} {ARROWS[metric.higher_is_better]}", number(total.value, places)]
        rows.append([*cells, interval(total.low, total.high, places), metric.unit, total.n, total.unscored])
    columns = ["metric", "value", "95 % interval", "unit", "n", "unscored"]
    caption = f"Scores of {run.name}: means with 95 % intervals over prompts; arrows show which way is better"
    return table(caption, columns, rows, ["value", "95 % interval", "n", "unscored"], key="scores")


def _spread(run: EvaluationRun) -> Iterator[Block]:
    for name, found in run.values.items():
        metric = run.metrics.get(name)
        if metric is not None and len(found) > 1:
            drawn = charts.distribution(
                {"all videos": list(found.values())}, Named(metric.title, metric.unit, metric.higher_is_better)
            )
            yield Drawing(metric.title, charts.inline(drawn, f"{metric.title} of each video"))


def _extremes(run: EvaluationRun) -> Iterator[Block]:
    for name, found in run.values.items():
        metric = run.metrics.get(name)
        if metric is None or len(found) <= EXTREMES:
            continue
        order = sorted(found, key=lambda item: (found[item], item))
        shown = order if len(order) <= 2 * EXTREMES else [*order[:EXTREMES], *order[-EXTREMES:]]
        rows = [
            [item, (run.video[item].prompt if item in run.video else "") or "", f"{found[item]:.4g}"] for item in shown
        ]
        yield table(
            f"{metric.title}: lowest and highest",
            ["video", "prompt", metric.title],
            rows,
            [metric.title],
            f"extremes-{name}",
        )


def _clips(run: EvaluationRun) -> Iterator[Block]:
    """Videos that are still where they were, decoded in a child process, within the page's budget."""
    spent = 0
    with Decoder() as decoder, tempfile.TemporaryDirectory() as folder:
        for video in run.videos[:MOST_VIDEOS]:
            path = next((p for p in (run.path / video.clip, Path(video.clip)) if video.clip and p.exists()), None)
            found = Unscored("not there") if path is None else decoder.decode(path)
            if isinstance(found, Unscored) or spent > BUDGET:
                continue
            preview = Path(folder) / "preview.mp4"
            write_preview(preview, found.clip)
            uri = f"data:video/mp4;base64,{base64.b64encode(preview.read_bytes()).decode()}"
            spent += len(uri)
            height, width = found.clip.size
            facts = f"{len(found.clip)} frames · {width} × {height} · {found.clip.fps:g} fps"
            yield Clip(video.prompt or video.item, uri, facts)


def _missing(run: EvaluationRun) -> Iterator[Block]:
    lines = [line for line in run.scores if line["value"] is None]
    if lines:
        rows = [
            [line["item"], line["metric"], line.get("reason") or "no reason recorded"] for line in lines[:MOST_MISSING]
        ]
        more = f" (the first {MOST_MISSING} of {len(lines):,})" if len(lines) > MOST_MISSING else ""
        yield table(f"Values that are missing{more}", ["video", "metric", "reason"], rows, key="missing")


def _protocols(run: EvaluationRun) -> Block:
    rows = [[metric.title, metric.protocol or "not recorded yet"] for metric in run.metrics.values()]
    return table(
        "Protocols: numbers of unlike protocols are never compared", ["metric", "protocol"], rows, key="protocols"
    )


def _places(total: Total) -> int:
    spread = None if total.low is None or total.high is None else (total.high - total.low) / 2
    return decimals([spread], [total.value])
