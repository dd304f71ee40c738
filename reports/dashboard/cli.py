"""The verb `dashboard`: pages over a store of runs and studies, in the browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", type=Path, help="folder that holds runs and studies, such as runs/")
    parser.add_argument(
        "--videos",
        metavar="FOLDER",
        type=Path,
        action="append",
        default=[],
        help="further folder whose videos may be shown, such as the one that was evaluated; may be repeated",
    )
    parser.add_argument("--host", default="localhost", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 8501)")


def run(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Serve until stopped."""
    from annotation.serve import free_port
    from reports.dashboard.serve import serve

    port = arguments.port or free_port(arguments.host)
    address = f"http://{arguments.host}:{port}"

    def announce() -> None:
        print(f"{arguments.store}: {address} (Ctrl-C stops)", file=sys.stderr)

    serve(arguments.store, arguments.videos, arguments.host, port, announce)
    return {"address": address}
