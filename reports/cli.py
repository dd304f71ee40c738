"""The verb `report`: a run's report again, from its numbers, without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from reports.ablation import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder that `magicvideo ablate` wrote")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--html", dest="form", action="store_const", const="html", help="one page that opens offline (default)"
    )
    form.add_argument("--md", dest="form", action="store_const", const="md", help="Markdown for a pull request")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="effects and scores as a table")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to write (default: RUN/report.html, .md, .csv)")
    parser.set_defaults(form="html")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the report; the result names it."""
    path = write_report(arguments.run, arguments.form, arguments.out)
    print(f"wrote {path}", file=sys.stderr)
    return {"report": str(path)}
