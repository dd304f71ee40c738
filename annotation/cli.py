"""The verb `study`: a table of sub-verbs, each in a light module of its own under `annotation/verbs/`.

A sub-verb's module has `add_arguments(parser)` and `run(arguments) -> dict | None`, as a verb's has. All of them are
imported to know their options, so they load pandas, SQLAlchemy or Streamlit inside `run` only.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class SubVerb:
    module: str
    help: str
    example: str


SUBVERBS = {
    "plan": SubVerb(
        "annotation.verbs.plan",
        "how many prompts and votes show an effect",
        "magicvideo study plan --net 0.1 --annotators 30",
    ),
    "create": SubVerb(
        "annotation.verbs.create",
        "freeze a study from two or more systems' videos",
        "magicvideo study create ours=outputs theirs=videos --prompts prompts.jsonl --out studies/first",
    ),
    "invite": SubVerb(
        "annotation.verbs.invite", "links that let people in", "magicvideo study invite studies/first --count 10"
    ),
    "status": SubVerb(
        "annotation.verbs.status",
        "progress, annotators' quality, stopping advice",
        "magicvideo study status studies/first",
    ),
    "export": SubVerb(
        "annotation.verbs.export", "all votes as a table", "magicvideo study export studies/first --out votes.csv"
    ),
    "forget": SubVerb(
        "annotation.verbs.forget",
        "delete what is known of a person",
        "magicvideo study forget studies/first 3f9a1c77b2d04e58",
    ),
    "report": SubVerb(
        "annotation.verbs.report",
        "win rates, intervals, ranking and agreement from votes or counts",
        "magicvideo study report --counts counts.csv",
    ),
    "serve": SubVerb(
        "annotation.verbs.serve", "the annotation tool for a study, in the browser", "magicvideo study serve STUDY"
    ),
    "demo": SubVerb("annotation.verbs.demo", "a study to try at once, in the browser", "magicvideo study demo"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(metavar="SUBVERB", required=True, parser_class=_parser_class(parser))
    for name, verb in SUBVERBS.items():
        sub = parsers.add_parser(
            name,
            help=verb.help,
            description=verb.help[0].upper() + verb.help[1:] + ".",
            epilog=f"example:\n  {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module = import_module(verb.module)
        module.add_arguments(sub)
        # The parser above has --json too, and its default must outlive a sub-verb called without it.
        sub.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object on standard output"
        )
        sub.set_defaults(run_subverb=module.run)


def run(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Call the sub-verb that was named."""
    result: dict[str, Any] | None = arguments.run_subverb(arguments)
    return result


def _parser_class(parser: argparse.ArgumentParser) -> Any:
    """Sub-parsers raise or exit on errors as the parser above them does."""

    def make(**settings: Any) -> argparse.ArgumentParser:
        return argparse.ArgumentParser(exit_on_error=parser.exit_on_error, **settings)

    return make
