"""`magicvideo study forget`: delete what is known of a person."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from annotation.verbs.common import add_database


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="the study's folder")
    parser.add_argument("annotator", help="the id that `study status` shows, or the name or address that was invited")
    add_database(parser)


def run(arguments: Namespace) -> dict[str, Any]:
    """Delete and tell how much. Raises `InputError` for somebody who is not in the study."""
    from annotation.invitations import pseudonym
    from annotation.session import opened

    study, votes = opened(arguments.study, arguments.database)
    ids = [arguments.annotator, pseudonym(study, arguments.annotator)]
    known = next((name for name in ids if votes.person(name, ended=True) is not None), arguments.annotator)
    removed = votes.forget(known)
    told = ", ".join(f"{count} {name}" for name, count in removed.items())
    print(f"removed {told}; their pairs are open again", file=sys.stderr if arguments.json else sys.stdout)
    return {"study": str(arguments.study), "removed": removed}
