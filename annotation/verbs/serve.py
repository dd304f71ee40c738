"""`magicvideo study serve`: the annotation tool for one study."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from annotation.verbs.common import add_database


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's folder")
    add_database(parser)
    add_place(parser)


def add_place(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="localhost", metavar="NAME", help="0.0.0.0 for all (default: localhost)")
    parser.add_argument("--port", type=port, metavar="N", help="default: the first free one from 8501")
    parser.add_argument("--url", metavar="URL", help="the address people open, when a proxy stands in front")


def port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text!r} is no port: a number from 1 to 65535")
    return int(text)


def run(arguments: Namespace) -> dict[str, Any]:
    """Blocks until it is stopped. Raises `InputError` for a study that is not whole or a port that is taken."""
    from annotation import serve

    chosen = place(arguments)
    link = serve.invitation_link(arguments.study, arguments.database, chosen.base, {"owner": "owner"})

    def announce() -> None:
        text = f"\nopen as the owner:\n\n  {link}\n\ninvite others under Invite and export. Ctrl-C stops.\n"
        print(text, file=sys.stderr, flush=True)

    serve.serve(arguments.study, arguments.database, chosen, announce)
    return {"study": str(arguments.study), "address": chosen.base}


def place(arguments: Namespace) -> Any:
    from annotation import serve

    return serve.Place(arguments.host, arguments.port or serve.free_port(arguments.host), arguments.url)
