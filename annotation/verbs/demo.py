"""`magicvideo study demo`: a study to try, served at once."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from annotation.verbs.serve import add_place, place


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, default=Path("demo"), metavar="DIR", help="an ablation run (default: demo)")
    parser.add_argument("--out", type=Path, default=Path("study-demo"), metavar="DIR", help="default: study-demo")
    add_place(parser)


def run(arguments: Namespace) -> dict[str, Any]:
    """Blocks until it is stopped."""
    from annotation import demo, serve

    demo.build(arguments.out, arguments.run, say)
    chosen = place(arguments)
    link = serve.invitation_link(arguments.out, None, chosen.base, {"annotator": "demo voter", "owner": "demo owner"})

    def announce() -> None:
        say(f"\nopen this link, vote on some pairs, then look at Live results:\n\n  {link}\n\nCtrl-C stops.\n")

    serve.serve(arguments.out, None, chosen, announce)
    return {"study": str(arguments.out), "address": chosen.base}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
