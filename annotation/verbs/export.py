"""`magicvideo study export`: all votes as a table."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from annotation.verbs.common import add_database


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="the study's folder")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".csv, .jsonl or .parquet (default: STUDY/votes.csv)")
    add_database(parser)


def run(arguments: Namespace) -> dict[str, Any]:
    """Write the table, with votes of flagged annotators marked. Raises `InputError` for no study or another suffix."""
    from annotation.exchange import write_votes
    from annotation.owner import export
    from annotation.session import opened

    found = export(*opened(arguments.study, arguments.database))
    out = arguments.out or arguments.study / "votes.csv"
    write_votes(out, found)
    print(f"{out}: {len(found)} answers", file=sys.stderr if arguments.json else sys.stdout)
    flagged = sorted(set(found.loc[found["flagged"], "annotator"]))
    return {"study": str(arguments.study), "votes": str(out), "answers": len(found), "flagged": flagged}
