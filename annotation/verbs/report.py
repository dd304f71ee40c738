"""`magicvideo study report`: what the votes say, under every convention at once."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.verbs.common import add_database
from magicvideo.errors import InputError
from magicvideo.files import write_json

if TYPE_CHECKING:
    import pandas as pd


def add_arguments(parser: ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("study", type=Path, nargs="?", metavar="STUDY", help="a study's folder, with the votes so far")
    source.add_argument("--votes", type=Path, metavar="FILE", help=".csv, .jsonl, .parquet or Label Studio's .json")
    source.add_argument("--counts", type=Path, metavar="CSV", help="columns system, good, same, bad")
    parser.add_argument("--base", metavar="SYSTEM", help="rate the others against this one: Good is a vote for it")
    parser.add_argument(
        "--scores",
        action="append",
        default=[],
        metavar="WHERE",
        help="automatic metrics to hold against votes: an ablation's run folder, SYSTEM=FOLDER of an evaluation, or a "
        ".csv or .jsonl table of system, prompt, metric, value; may be repeated",
    )
    parser.add_argument("--style", metavar="A,B", help="metrics of --scores that a second ranking holds equal")
    parser.add_argument("--raters", type=_positive, metavar="N", help="planned votes on each prompt, for stopping")
    parser.add_argument("--draws", type=_positive, default=1000, metavar="N", help="of the bootstrap (default: 1000)")
    add_database(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the results to this .json file")


def run(arguments: Namespace) -> dict[str, Any]:
    """Derive and print. Raises `InputError` for files, systems and metrics that are not as they should be."""
    from annotation import words

    result = _counts(arguments) if arguments.counts is not None else _votes(arguments)
    if arguments.out is not None:
        write_json(arguments.out, result)
    print(words.text(result), file=sys.stderr if arguments.json else sys.stdout)
    return result


def _counts(arguments: Namespace) -> dict[str, Any]:
    from annotation.exchange import read_counts
    from annotation.report import from_counts

    for name in ("base", "style", "raters"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name} needs --votes: counts do not say who voted on what")
    if arguments.scores:
        raise InputError("--scores needs --votes: counts do not say who voted on what")
    return from_counts(read_counts(arguments.counts))


def _votes(arguments: Namespace) -> dict[str, Any]:
    from annotation.report import Options, from_votes
    from annotation.scores import read_scores

    style = [name.strip() for name in (arguments.style or "").split(",") if name.strip()]
    if style and not arguments.scores:
        raise InputError("--style needs --scores with the metrics that it names")
    scores = read_scores(arguments.scores) if arguments.scores else None
    frame, raters = _frame(arguments)
    return from_votes(frame, Options(arguments.base, raters, arguments.draws, scores=scores, style=style))


def _frame(arguments: Namespace) -> tuple[pd.DataFrame, int | None]:
    """The votes, and how many were planned on each prompt of a pair. A study knows the order in which they came."""
    from annotation.exchange import read_votes

    if arguments.votes is not None:
        return read_votes(arguments.votes), arguments.raters
    from annotation.owner import export
    from annotation.session import opened
    from annotation.table import tidy

    study, votes = opened(arguments.study, arguments.database)
    found = export(study, votes)
    if found.empty:
        raise InputError(f"{arguments.study}: no votes yet; `magicvideo study status` shows how far it is")
    arrived = found.sort_values("at", kind="stable").reset_index(drop=True)
    return tidy(arrived, where=str(arguments.study)), arguments.raters or int(study.bundle.design["raters"])


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
