"""The verb `compare`: did a candidate get worse than a base? Reads two runs, without torch; exit 1 if it did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from magicvideo.errors import GateFailed, InputError
from magicvideo.files import write_text
from reports import compare_forms as forms
from reports.baselines import baseline_of, pin, store_of
from reports.compare import compare
from reports.gate import Gate, load_gate
from reports.sides import read_side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "base",
        metavar="BASE",
        help="what `magicvideo evaluate --out` wrote, or an arm of an ablation: RUN:ARM",
    )
    parser.add_argument(
        "candidate", metavar="CANDIDATE", nargs="?", help="likewise. With --baseline or --pin it may stand alone"
    )
    parser.add_argument("--gate", type=Path, metavar="FILE", help="gate.yaml: margins and directions by metric")
    parser.add_argument("--metrics", metavar="A,B", help="compare only these")
    parser.add_argument("--md", type=Path, metavar="FILE", help="also write Markdown, for a pull request")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write JUnit XML, for a CI system")
    parser.add_argument("--baseline", metavar="BRANCH", help="the base is the run that is pinned for this branch")
    parser.add_argument(
        "--pin", metavar="BRANCH", help="if it passes (or stands alone), pin the candidate as this branch's baseline"
    )
    parser.add_argument(
        "--store", type=Path, metavar="FOLDER", help="of runs and their baselines.json; default: the candidate's parent"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare, write what was asked for, pin. Raises `GateFailed` on a regression, `InputError` for bad input."""
    base, candidate = _sides(arguments)
    store = arguments.store or store_of(candidate)
    if arguments.baseline is not None:
        base = baseline_of(store, arguments.baseline)
    result: dict[str, Any] = {"base": None, "candidate": candidate, "passed": True}
    if base is not None:
        result = _compared(arguments, base, candidate)
    if arguments.pin is not None and result["passed"]:
        pinned = pin(store, arguments.pin, candidate)
        print(f"pinned {pinned.run} as the baseline of {pinned.branch}", file=sys.stderr)
        result["pinned"] = {"branch": pinned.branch, "run": pinned.run}
    if not result["passed"]:
        raise GateFailed("; ".join(f"{f['metric']} {f['text']}" for f in result["failures"]), result)
    return result


def _sides(arguments: argparse.Namespace) -> tuple[str | None, str]:
    """(base, candidate) as they were named; the base is None where only the candidate is."""
    alone = arguments.baseline is not None or arguments.pin is not None
    if arguments.candidate is None and not alone:
        raise InputError(f"compare {arguments.base} with what? Give BASE and CANDIDATE, or --baseline BRANCH")
    if arguments.candidate is not None and arguments.baseline is not None:
        raise InputError("--baseline names the base; give only CANDIDATE beside it")
    if arguments.candidate is None:
        return None, arguments.base
    return arguments.base, arguments.candidate


def _compared(arguments: argparse.Namespace, base: str, candidate: str) -> dict[str, Any]:
    gate = Gate() if arguments.gate is None else load_gate(arguments.gate)
    metrics = None if arguments.metrics is None else [m.strip() for m in arguments.metrics.split(",") if m.strip()]
    if metrics == []:
        raise InputError("--metrics names none; give some that both runs have, or leave it out for all")
    found = compare(read_side(base), read_side(candidate), gate, metrics)
    if arguments.md is not None:
        write_text(arguments.md, forms.markdown(found))
    if arguments.junit is not None:
        write_text(arguments.junit, forms.junit(found))
    print(forms.table(found), file=sys.stderr if arguments.json else sys.stdout)
    return forms.as_json(found)
