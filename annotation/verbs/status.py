"""`magicvideo study status`: how far a study is, how carefully people work, and whether to stop."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from annotation.verbs.common import add_database


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="the study's folder")
    add_database(parser)


def run(arguments: Namespace) -> dict[str, Any]:
    from annotation.owner import live
    from annotation.session import opened

    study, votes = opened(arguments.study, arguments.database)
    found = live(study, votes)
    result = {
        "study": str(arguments.study),
        "id": study.id,
        "title": study.bundle.title,
        "systems": list(study.bundle.systems),
        **{name: getattr(found, name) for name in ("votes", "wanted", "leased", "invited")},
        "annotators": [asdict(one) for one in found.annotators],
        "advice": asdict(found.advice),
        "skips": dict(found.skips),
        "broken_media": study.check_media(),
    }
    print(_told(result), file=sys.stderr if arguments.json else sys.stdout)
    return result


def _told(result: dict[str, Any]) -> str:
    lines = [
        f"{result['study']}: {result['title']} (study {result['id']})",
        f"{result['votes']} of {result['wanted']} votes, {result['leased']} pairs with somebody now, "
        f"{result['invited']} annotators invited",
        result["advice"]["text"],
    ]
    for one in result["annotators"]:
        lines.append(f"{one['annotator']}: {one['votes']} votes, {one['skips']} skips, {one['faults']} faults")
        lines += [f"  look at {flag['rule']}: {flag['evidence']}" for flag in one["flags"]]
    lines += [f"skipped {count} times: {reason}" for reason, count in result["skips"].items()]
    if result["broken_media"]:
        lines.append(f"{len(result['broken_media'])} videos are missing or changed: take media/ from a backup")
    return "\n".join(lines)
