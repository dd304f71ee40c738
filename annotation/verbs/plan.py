"""`magicvideo study plan`: how many prompts and votes show an effect, for several numbers of votes a prompt."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from magicvideo.errors import InputError

RATERS = (1, 2, 3, 5, 10)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--net", type=float, required=True, metavar="X", help="the net win to be shown, e.g. 0.1")
    parser.add_argument("--ties", type=float, default=0.3, metavar="X", help="share of Same votes (default: 0.3)")
    parser.add_argument("--raters", type=int, metavar="N", help="votes on each prompt; without it several are shown")
    parser.add_argument("--annotators", type=int, metavar="N", help="how many people; without it, as many as votes")
    parser.add_argument(
        "--prompt-icc", type=float, default=0.2, metavar="X", help="how alike votes on one prompt are (default: 0.2)"
    )
    parser.add_argument(
        "--annotator-icc", type=float, default=0.02, metavar="X", help="and votes of one person (default: 0.02)"
    )
    parser.add_argument("--power", type=float, default=0.8, metavar="X", help="default: 0.8")
    parser.add_argument("--alpha", type=float, default=0.05, metavar="X", help="default: 0.05")


def run(arguments: Namespace) -> dict[str, Any]:
    """Raises `InputError` for shares that cannot be, and where no number of votes is enough."""
    from annotation.planning import plan

    _check(arguments)
    settings = {
        "prompt_icc": arguments.prompt_icc,
        "annotators": arguments.annotators,
        "annotator_icc": arguments.annotator_icc if arguments.annotators else 0.0,
        "power": arguments.power,
        "alpha": arguments.alpha,
    }
    raters = (arguments.raters,) if arguments.raters else RATERS
    try:
        plans = [plan(arguments.net, arguments.ties, raters=n, **settings) for n in raters]
    except ValueError as error:
        raise InputError(f"no such study: {error}") from None
    print(
        f"a net win of {arguments.net:+g} with {arguments.ties:.0%} ties, for each pair of systems:",
        file=_out(arguments),
    )
    print("votes a prompt   prompts   votes   design effect", file=_out(arguments))
    for found in plans:
        row = f"{found.raters:14d}   {found.prompts:7,d}   {found.votes:5,d}   {found.design_effect:13.2f}"
        print(row, file=_out(arguments))
    return {"net": arguments.net, "ties": arguments.ties, **settings, "plans": [asdict(found) for found in plans]}


def _out(arguments: Namespace) -> Any:
    return sys.stderr if arguments.json else sys.stdout


def _check(arguments: Namespace) -> None:
    for name in ("prompt_icc", "annotator_icc"):
        if not 0 <= getattr(arguments, name) <= 1:
            raise InputError(f"--{name.replace('_', '-')} is a correlation from 0 to 1")
    for name in ("power", "alpha"):
        if not 0 < getattr(arguments, name) < 1:
            raise InputError(f"--{name} is above 0 and below 1")
    for name in ("raters", "annotators"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise InputError(f"--{name} is at least 1")
