"""The verb `export`: a run in another tool's own files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

TARGETS = ("mlflow", "tensorboard")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of an evaluation or an ablation")
    parser.add_argument("--to", choices=TARGETS, required=True, help="which tool's files")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where to write them")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write; the result names the runs."""
    from reports.interop.hand_out import hand_out

    runs = hand_out(arguments.run, arguments.to, arguments.out)
    print(f"wrote {len(runs)} run{'' if len(runs) == 1 else 's'} to {arguments.out}", file=sys.stderr)
    return {"out": str(arguments.out), "to": arguments.to, "runs": runs}
