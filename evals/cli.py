"""The verb `evaluate`: a folder of videos in, a table (or JSON) and a run folder out.

RUN/run.json       what was asked: folder, suite, metrics, clips and prompts, environment
RUN/scores.jsonl   one line per (item, metric): value or reason
RUN/summary.json   scores, written last: its presence means the run is whole
RUN/cache/         features, so that a second evaluation costs only what is new
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.prompts import Found, Matched, find_clips, match
from evals.runner import Evaluation, Item, evaluate
from evals.suite import Suite
from evals.suites import SUITES, find
from evals.table import table
from magicvideo.clip import IMAGE_SUFFIXES
from magicvideo.errors import InputError
from magicvideo.files import write_json, write_jsonl
from magicvideo.prompts import Prompt, read_prompts
from magicvideo.runs import environment


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        help="holds mp4, mkv, webm, gif or .npy files, folders of pictures, or what `magicvideo generate` wrote",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help='.jsonl or .csv with "prompt" and "id" (a video\'s name without suffix) or "file"; or .txt, one a line in '
        "the videos' order",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FOLDER",
        help="pictures or clips that the videos should resemble, matched by name; clips also serve fvd_pocket",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FOLDER",
        help="clips that the videos should be frame by frame, matched by name; for the metrics of the suite truth",
    )
    parser.add_argument("--suite", default="pocket", help=f"metrics and their backbones: {', '.join(SUITES)}")
    parser.add_argument("--metrics", metavar="A,B", help="only these of the suite")
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="damage the clips in known ways, at five strengths each, and say what each metric answers",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="keep numbers and features in this folder")


def run(arguments: Namespace) -> dict[str, Any]:
    """Score the folder. Raises `InputError` for bad input, and if not one clip could be scored."""
    named = None if arguments.metrics is None else [m.strip() for m in arguments.metrics.split(",") if m.strip()]
    if named == []:
        raise InputError("--metrics names none; give some of the suite's, or leave it out for all")
    suite = find(arguments.suite).only(named)
    if arguments.truth is not None and not suite.truthful:
        raise InputError("--truth serves metrics that need it, and none is asked for; add --suite truth")
    items, matched = _items(arguments.folder, arguments.prompts, arguments.reference, arguments.truth)
    asked = _asked(arguments, suite, items)
    if arguments.sensitivity:
        from evals import sensitivity_cli

        return sensitivity_cli.run(items, suite, arguments.out, arguments.json)
    if arguments.out is not None:
        write_json(arguments.out / "run.json", asked | {"status": "running"})
    references = _reference_clips(arguments.reference)
    cache = None if arguments.out is None else arguments.out / "cache"
    evaluation = evaluate(items, suite, cache=cache, reference_set=references)
    result = _result(evaluation, arguments.out, matched)
    if arguments.out is not None:
        _write(arguments.out, asked, evaluation, result)
    print(table(evaluation), file=sys.stderr if arguments.json else sys.stdout)
    if all(score.value is None for score in evaluation.scores.values()):
        reason = next((row.reason for row in evaluation.rows), "no clip")
        raise InputError(f"{arguments.folder}: nothing could be scored; the first reason: {reason}")
    return result


def _items(
    folder: Path, prompts: Path | None, reference: Path | None, truth: Path | None
) -> tuple[list[Item], Matched]:
    clips, left_out = find_clips(folder)
    for path in left_out:
        _say(f"{path.name}: left out, a less compressed file has the same name")
    matched = Matched(tuple((clip, None) for clip in clips), ())
    if prompts is not None:
        matched = match(clips, read_prompts(prompts), prompts)
        _report_unmatched(matched, prompts)
    references, truths = _by_name(reference), _by_name(truth)
    items = [
        _item(clip, prompt, references.get(clip.name, clip.reference), truths.get(clip.name))
        for clip, prompt in matched.pairs
    ]
    for folder_given, others, what in ((reference, references, "reference"), (truth, truths, "truth")):
        if others and not any(clip.name in others for clip in clips):
            _say(f"{folder_given}: no {what} has the name of a video, so nothing is compared to a {what} one by one")
    return items, matched


def _item(clip: Found, prompt: Prompt | None, reference: Path | None, truth: Path | None) -> Item:
    """A clip that no line is about keeps the prompt it was made from; without one it is a cluster of its own."""
    if prompt is not None:
        return Item(clip.name, clip.path, prompt.prompt, prompt.cluster, reference, truth=truth)
    return Item(clip.name, clip.path, clip.prompt, clip.prompt or f"video {clip.name}", reference, truth=truth)


def _by_name(reference: Path | None) -> dict[str, Path]:
    return {} if reference is None else {clip.name: clip.path for clip in find_clips(reference, images=True)[0]}


def _reference_clips(reference: Path | None) -> list[Path] | None:
    """The reference folder's clips for the distance between sets; None if it holds only single pictures."""
    paths = _by_name(reference).values()
    return [path for path in paths if path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES] or None


def _report_unmatched(matched: Matched, prompts: Path) -> None:
    bare = [clip.path.name for clip, prompt in matched.pairs if prompt is None and clip.prompt is None]
    if bare:
        _say(f"{len(bare)} video(s) without a prompt in {prompts}: {_some(bare)}; only metrics without text score them")
    if matched.without_clip:
        names = [p.file or p.id or p.prompt for p in matched.without_clip]
        _say(f"{len(names)} prompt(s) of {prompts} without a video: {_some(names)}; the scores know nothing of them")


def _some(names: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _asked(arguments: Namespace, suite: Suite, items: Sequence[Item]) -> dict[str, Any]:
    return {
        "kind": "evaluation",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "folder": str(arguments.folder),
        "prompts": None if arguments.prompts is None else str(arguments.prompts),
        "reference": None if arguments.reference is None else str(arguments.reference),
        "truth": None if arguments.truth is None else str(arguments.truth),
        "suite": suite.name,
        "metrics": {metric.name: metric.describe() for metric in suite.metrics},
        "items": [{"item": i.name, "clip": str(i.clip), "prompt_id": i.prompt_id, "prompt": i.prompt} for i in items],
        "environment": environment(),
    }


def _result(evaluation: Evaluation, out: Path | None, matched: Matched) -> dict[str, Any]:
    return {
        "run": None if out is None else str(out),
        "metrics": {name: score.to_dict() for name, score in evaluation.scores.items()},
        "figures": evaluation.figures,
        "unscored": unscored(evaluation),
        "prompts_without_video": [p.file or p.id or p.prompt for p in matched.without_clip],
    }


def unscored(evaluation: Evaluation) -> list[dict[str, Any]]:
    """{"item", "reason", "metrics"}: one entry for each reason of each item, with the metrics that it cost."""
    found = dict[tuple[str, str], list[str]]()
    for row in evaluation.rows:
        if row.reason is not None:
            found.setdefault((row.item, row.reason), []).append(row.metric)
    return [{"item": item, "reason": reason, "metrics": metrics} for (item, reason), metrics in found.items()]


def _write(out: Path, asked: dict[str, Any], evaluation: Evaluation, result: dict[str, Any]) -> None:
    protocols = {name: score.protocol for name, score in evaluation.scores.items()}
    metrics = {name: about | {"protocol": protocols[name]} for name, about in asked["metrics"].items()}
    write_jsonl(out / "scores.jsonl", [asdict(row) for row in evaluation.rows])
    write_json(out / "run.json", asked | {"metrics": metrics, "status": "complete"})
    write_json(out / "summary.json", result)


def _say(message: str) -> None:
    print(f"note: {message}", file=sys.stderr)
