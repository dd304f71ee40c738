"""The command `magicvideo`: a table of verbs, each in a module imported only when called.

A verb's module has `add_arguments(parser)` and `run(arguments) -> dict | None`, the result that `--json` prints. It
raises `InputError` (exit code 2) or `GateFailed` (exit code 1). Only `--json` results go to standard output; progress
logs go to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from magicvideo import __version__
from magicvideo.errors import GateFailed, InputError


@dataclass(frozen=True)
class Verb:
    module: str
    help: str
    example: str


VERBS = {
    "demo": Verb(
        "ablations.demo", "a small ablation with the shipped weights, ending in a report", "magicvideo demo --out demo"
    ),
    "generate": Verb(
        "magicvideo.generate",
        "make videos from prompts",
        'magicvideo generate "a red star bouncing on a striped background" --seed 7',
    ),
    "presets": Verb(
        "magicvideo.presets.cli",
        "which models there are, and what of their weights is here",
        "magicvideo presets paper-sd15",
    ),
    "train": Verb(
        "magicvideo.train.cli", "train a part and write its weights", "magicvideo train autoencoder --resume"
    ),
    "evaluate": Verb(
        "evals.cli", "score a folder of videos, ours or not", "magicvideo evaluate outputs --prompts prompts.jsonl"
    ),
    "ablate": Verb(
        "ablations.cli", "run or continue an ablation grid", "magicvideo ablate mechanisms --out runs/mechanisms"
    ),
    "cost": Verb(
        "magicvideo.cost",
        "time, memory and operations, stage by stage, on this machine",
        "magicvideo cost --arms",
    ),
    "report": Verb(
        "reports.cli", "write the report of a run or study again, without torch", "magicvideo report runs/mechanisms"
    ),
    "compare": Verb(
        "reports.compare_cli",
        "say whether a run got worse than another, and fail if it did",
        "magicvideo compare runs/main runs/new --gate gate.yaml",
    ),
    "history": Verb(
        "reports.history_cli",
        "a branch's metrics over its runs, and since when they are there",
        "magicvideo history runs",
    ),
    "dashboard": Verb(
        "reports.dashboard.cli", "pages over a folder of runs and studies, in the browser", "magicvideo dashboard runs"
    ),
    "import": Verb(
        "reports.interop.import_cli",
        "another evaluator's results as a run folder",
        "magicvideo import results.json --format vbench --out runs/theirs",
    ),
    "import-videos": Verb(
        "evals.systems.cli",
        "another system's videos, ready to be scored, compared and voted on",
        "magicvideo import-videos gen2 --system gen-2 --prompts prompts.jsonl --out theirs/gen-2",
    ),
    "export": Verb(
        "reports.interop.export_cli",
        "a run in MLflow's or TensorBoard's own files",
        "magicvideo export runs/first --to tensorboard --out boards",
    ),
    "study": Verb(
        "annotation.cli", "preference studies and what their votes say", "magicvideo study report --counts counts.csv"
    ),
    "doctor": Verb("magicvideo.doctor", "check environment, weights and golden values", "magicvideo doctor"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (0 success, 1 a gate failed, 2 bad input)."""
    words = list(sys.argv[1:] if words is None else words)
    overview = _overview()
    if not words or words[0] in ("-h", "--help", "help"):
        overview.print_help()
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    if words[0] not in VERBS:
        overview.error(f"unknown verb {words[0]!r}; known: {', '.join(VERBS)}")
    name, verb = words[0], VERBS[words[0]]
    module = import_module(verb.module)
    parser = argparse.ArgumentParser(
        prog=f"magicvideo {name}",
        description=verb.help[0].upper() + verb.help[1:] + ".",
        epilog=f"example:\n  {verb.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return _call(module.run, parser.parse_args(words[1:]))


def _call(run: Any, arguments: argparse.Namespace) -> int:
    code, result = 0, None
    try:
        result = run(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except GateFailed as failed:
        print(f"failed: {failed}", file=sys.stderr)
        code, result = 1, failed.result
    except KeyboardInterrupt:
        print("\nstopped; finished work is kept, the same command continues", file=sys.stderr)
        return 130
    if arguments.json and result is not None:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        print(text.encode("utf-8", "backslashreplace").decode())  # file names may hold bytes that are no UTF-8
    return code


def _overview() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<13} {verb.help}" for name, verb in VERBS.items())
    return argparse.ArgumentParser(
        prog="magicvideo",
        usage="magicvideo VERB ... (magicvideo VERB --help for each)",
        description=f"Know whether a video generator got better.\n\nverbs:\n{lines}",
        epilog="start here:\n  magicvideo demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
