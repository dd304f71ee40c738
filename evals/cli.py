"""The verb `evaluate`: a folder of videos in, a table (or JSON) and a run folder out.

RUN/run.json       what was asked: folder, suite, metrics, clips and prompts, environment
RUN/scores.jsonl   one line per (item, metric): value or reason
RUN/summary.json   scores, written last: its presence means the run is whole
RUN/cache/         features, so that a second evaluation costs only what is new
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.fetch import searching
from evals.inputs import item_of
from evals.layouts import LAYOUTS, Listing, by_number, find_videos
from evals.measure import Item
from evals.prompts import Matched, find_clips, match
from evals.runner import Evaluation, evaluate
from evals.suite import Suite
from evals.suites import SUITES, find
from evals.table import one_line, table
from magicvideo.clip import IMAGE_SUFFIXES
from magicvideo.errors import InputError
from magicvideo.files import write_json, write_jsonl
from magicvideo.prompts import read_prompts
from magicvideo.runs import environment

STALE_SECONDS = 600


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        help="holds mp4, mkv, webm, gif or .npy files, folders of pictures, or what `magicvideo generate` wrote",
    )
    parser.add_argument(
        "--layout",
        default="auto",
        metavar="NAME",
        help=f"how the folder is laid out: {', '.join(LAYOUTS)}; by default found out from the names",
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
        help="pictures or clips that the videos should resemble, matched by name; clips also serve distances of sets",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FOLDER",
        help="clips that the videos should be frame by frame, matched by name; for the metrics that need "
        "the truth (suites truth, standard, packaged)",
    )
    parser.add_argument("--suite", default="pocket", help=f"metrics and their backbones: {', '.join(SUITES)}")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help="look for the checkpoints of the suites standard and packaged here first",
    )
    parser.add_argument("--metrics", metavar="A,B", help="only these of the suite")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the videos")
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="damage the clips in known ways, at five strengths each, and say what each metric answers",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="keep numbers and features in this folder")


def run(arguments: Namespace) -> dict[str, Any]:
    """Score the folder. Raises `InputError` for bad input, and if not one clip could be scored."""
    with searching(arguments.weights):
        return _run(arguments)


def _run(arguments: Namespace) -> dict[str, Any]:
    named = None if arguments.metrics is None else [m.strip() for m in arguments.metrics.split(",") if m.strip()]
    if named == []:
        raise InputError("--metrics names none; give some of the suite's, or leave it out for all")
    suite = find(arguments.suite).only(named)
    if arguments.truth is not None and not suite.truthful:
        raise InputError(
            "--truth serves metrics that need it, and none is asked for; add --suite truth, standard or packaged"
        )
    if arguments.workers < 1:
        raise InputError(f"--workers must be at least 1, got {arguments.workers}")
    listing = find_videos(arguments.folder, arguments.layout)
    items, matched = _items(listing, arguments.prompts, arguments.reference, arguments.truth)
    asked = _asked(arguments, suite, items, {clip.name: clip.made for clip, _ in matched.pairs if clip.made})
    if arguments.sensitivity:
        from evals import sensitivity_cli

        return sensitivity_cli.run(items, suite, arguments.out, arguments.json)
    if arguments.out is not None:
        _begin(arguments.out, asked)
    references = _reference_clips(arguments.reference)
    cache = None if arguments.out is None else arguments.out / "cache"
    evaluation = evaluate(items, suite, cache=cache, reference_set=references, workers=arguments.workers)
    result = _result(evaluation, arguments.out, matched)
    if arguments.out is not None:
        _write(arguments.out, asked, evaluation, result)
    print(table(evaluation), file=sys.stderr if arguments.json else sys.stdout)
    if all(score.value is None for score in evaluation.scores.values()):
        reason = next((row.reason for row in evaluation.rows), "no clip")
        raise InputError(f"{arguments.folder}: nothing could be scored; the first reason: {reason}")
    return result


def _items(
    listing: Listing, prompts: Path | None, reference: Path | None, truth: Path | None
) -> tuple[list[Item], Matched]:
    clips = listing.clips
    for path in listing.left_out:
        _say(f"{path.name}: left out, a less compressed file has the same name")
    if listing.layout != "plain":
        _say(f"read as {listing.layout}'s layout, prompts included; --layout plain takes names for nothing but names")
    matched = Matched(tuple((clip, None) for clip in clips), ())
    if prompts is not None:
        matched = _matched(listing, prompts)
        _report_unmatched(matched, prompts)
    references, truths = _by_name(reference), _by_name(truth)
    items = [
        item_of(
            clip,
            prompt.prompt if prompt else clip.prompt,
            prompt.cluster if prompt else None,
            reference=references.get(clip.name, clip.reference),
            truth=truths.get(clip.name),
        )
        for clip, prompt in matched.pairs
    ]
    for folder_given, others, what in ((reference, references, "reference"), (truth, truths, "truth")):
        if others and not any(clip.name in others for clip in clips):
            _say(f"{folder_given}: no {what} has the name of a video, so nothing is compared to a {what} one by one")
    return items, matched


def _matched(listing: Listing, prompts: Path) -> Matched:
    """By number where EvalCrafter's videos meet a plain list, else by names, words or order."""
    read = read_prompts(prompts)
    if listing.layout == "evalcrafter" and all(p.id is None and p.file is None for p in read):
        return Matched(by_number(listing.clips, read, prompts), ())
    return match(listing.clips, read, prompts)


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


def _asked(
    arguments: Namespace, suite: Suite, items: Sequence[Item], made: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "kind": "evaluation",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "folder": str(arguments.folder),
        "prompts": None if arguments.prompts is None else str(arguments.prompts),
        "reference": None if arguments.reference is None else str(arguments.reference),
        "truth": None if arguments.truth is None else str(arguments.truth),
        "layout": arguments.layout,
        "suite": suite.name,
        "metrics": {metric.name: metric.describe() for metric in suite.metrics},
        "items": [
            {"item": i.name, "clip": str(i.clip), "prompt_id": i.prompt_id, "prompt": i.prompt}
            | ({"made": made[i.name]} if i.name in made else {})
            for i in items
        ],
        "environment": environment(),
    }


def _begin(out: Path, asked: dict[str, Any]) -> None:
    """The run is not whole until its summary is there again. What killed runs left half written goes in time."""
    write_json(out / "run.json", asked | {"status": "running"})
    (out / "summary.json").unlink(missing_ok=True)
    for left in out.rglob(".partial-*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:  # younger ones may be another process's
                left.unlink()


def _result(evaluation: Evaluation, out: Path | None, matched: Matched) -> dict[str, Any]:
    return {
        "run": None if out is None else str(out),
        "metrics": {name: score.to_dict() for name, score in evaluation.scores.items()},
        "figures": evaluation.figures,
        "notes": evaluation.notes,
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
    print(f"note: {one_line(message)}", file=sys.stderr)
