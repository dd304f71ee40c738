"""The verb `report`: the report of a run or study again, from its numbers, without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of an ablation, an evaluation or a study")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--html", dest="form", action="store_const", const="html", help="one page that opens offline (default)"
    )
    form.add_argument("--md", dest="form", action="store_const", const="md", help="Markdown for a pull request")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="all numbers as a table")
    form.add_argument(
        "--latex", dest="form", action="store_const", const="latex", help="tables and methods for a paper"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="where to write (default: RUN/report.html, .md, .csv, .tex)"
    )
    parser.set_defaults(form="html")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the report; the result names it."""
    from reports.write import write

    path = write(arguments.run, arguments.form, arguments.out)
    print(f"wrote {path}", file=sys.stderr)
    return {"report": str(path)}
