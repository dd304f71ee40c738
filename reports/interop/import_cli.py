"""The verb `import`: another evaluator's results as a run folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

FORMATS = ("vbench", "fastvideo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the JSON file that the other tool wrote")
    parser.add_argument("--format", choices=FORMATS, required=True, help="whose file it is")
    parser.add_argument("--out", metavar="RUN", type=Path, required=True, help="the run folder to write")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the run folder; the result is its summary."""
    from reports.interop.take_in import take_in

    found = take_in(arguments.file, arguments.format, arguments.out)
    whole = [name for name, score in found["metrics"].items() if score["value"] is not None and score["low"] is None]
    print(f"wrote {arguments.out}: {len(found['metrics'])} metrics", file=sys.stderr)
    if whole:
        print(f"note: no interval for {', '.join(whole)}: too few videos in the file to judge by", file=sys.stderr)
    return found
