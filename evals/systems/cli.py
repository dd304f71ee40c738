"""The verb `import-videos`: a folder of another system's videos, made ready to be scored, compared and voted on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evals.systems import Box, find, known
from evals.systems.take_in import SUFFIX, TakenIn, Wish, take_in
from evals.table import one_line
from magicvideo.errors import InputError

MOST_REASONS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the videos of one system")
    parser.add_argument("--system", required=True, metavar="NAME", help=f"whose they are: {', '.join(known())}")
    parser.add_argument(
        "--prompts", type=Path, metavar="FILE", help="the prompts they were made from: .jsonl, .csv or .txt"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--seconds", type=float, metavar="S", help="cut to the first S seconds")
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second of all (default: as each has)")
    parser.add_argument("--size", metavar="WxH", help="pixels of all, such as 1024x576 (default: as each has)")
    parser.add_argument(
        "--crop",
        metavar="L,T,R,B",
        help="the part to keep, as shares from 0 to 1, such as 0,0,1,0.9 (default: the system's)",
    )
    parser.add_argument("--codec", choices=list(SUFFIX), default="lossless", help="default: lossless (FFV1)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    system = find(arguments.system)
    crop = system.box if arguments.crop is None else _box(arguments.crop)
    size = None if arguments.size is None else _size(arguments.size)
    wish = Wish(crop, arguments.seconds, arguments.fps, size, arguments.codec)
    found = take_in(arguments.folder, arguments.out, arguments.system, system, wish, arguments.prompts, _bar)
    _tell(arguments.out, found)
    return {
        "out": str(arguments.out),
        "system": arguments.system,
        "prompts": str(arguments.out / "prompts.jsonl"),
        "videos": len(found.rows),
        "imported": len(found.done),
        "kept": found.kept,
        "failed": [{"source": row["source"], "reason": row["reason"]} for row in found.failed],
        "without_prompt": [
            {"source": r["source"], "reason": r["why_no_prompt"]} for r in found.done if r["prompt"] is None
        ],
        "prompts_without_video": list(found.prompts_without_video),
        "notes": list(found.notes),
    }


def _bar(work: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(work, total=total, unit="video", file=sys.stderr, disable=None)


def _tell(out: Path, found: TakenIn) -> None:
    say = [f"{out}: {len(found.done)} of {len(found.rows)} videos ({found.kept} were there), prompts in prompts.jsonl"]
    say += [f"note: {note}" for note in found.notes]
    if found.prompts_without_video:
        say.append(f"note: {len(found.prompts_without_video)} prompt(s) without a video")
    say += [f"left out: {row['reason']}" for row in found.failed[:MOST_REASONS]]
    if len(found.failed) > MOST_REASONS:
        say.append(f"... and {len(found.failed) - MOST_REASONS} more: imported.jsonl")
    for line in say:
        print(one_line(line), file=sys.stderr)


def _box(text: str) -> Box:
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--crop {text}: needs four numbers left,top,right,bottom from 0 to 1") from None
    return left, top, right, bottom


def _size(text: str) -> tuple[int, int]:
    width, times, height = text.partition("x")
    if not (times and width.isdecimal() and height.isdecimal()):
        raise InputError(f"--size {text}: write WIDTHxHEIGHT, such as 1024x576")
    return int(width), int(height)
