"""`magicvideo study create`: freeze a study from two or more systems' videos."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from magicvideo.errors import InputError, unknown_name


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "systems",
        nargs="+",
        metavar="NAME=VIDEOS",
        help="a folder of videos, or what `generate` or `evaluate --out` wrote; RUN:ARM for an arm of an ablation run, "
        "an ablation RUN alone for all its arms",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="STUDY", help="the study's folder")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="of folders of videos, as for `evaluate`")
    parser.add_argument("--strata", type=Path, metavar="FILE", help=".csv or .jsonl with id (of a prompt) and stratum")
    parser.add_argument("--title", default="Which video is better?", help="shown on every page")
    parser.add_argument("--instructions", type=Path, metavar="FILE", help="plain text in the place of the usual one")
    parser.add_argument("--criteria", metavar="A,B", help="ask only these beside the overall question; none for none")
    parser.add_argument("--baseline", metavar="NAME", help="compare every system with this one only")
    parser.add_argument("--raters", type=int, default=3, metavar="N", help="votes on each pair (default: 3)")
    parser.add_argument("--block", type=int, default=20, metavar="N", help="pairs of one round (default: 20)")
    parser.add_argument("--repeats", type=float, default=0.08, metavar="SHARE", help="asked twice (default: 0.08)")
    parser.add_argument("--golds", type=int, default=1, metavar="N", help="of each kind in a round (default: 1)")
    parser.add_argument("--most-rounds", type=int, metavar="N", help="rounds that one person may do")
    parser.add_argument("--min-watched", type=float, default=0.9, metavar="SHARE", help="of both videos (default: 0.9)")
    parser.add_argument("--lease-minutes", type=float, default=30, metavar="M", help="until a pair moves on")
    parser.add_argument("--margin", type=float, default=0.05, metavar="NET", help="net win that counts as equal")
    parser.add_argument("--alpha", type=float, default=0.05, help="of the stopping rule (default: 0.05)")
    parser.add_argument("--seed", type=int, default=0, help="of the plan (default: 0)")


def run(arguments: Namespace) -> dict[str, Any]:
    """Create and tell. Raises `InputError` for bad sources and settings."""
    from annotation.create import create

    made = create(arguments.out, wish(arguments), lambda message: print(message, file=sys.stderr))
    bundle = made.study.bundle
    result = {
        "study": str(arguments.out),
        "id": made.study.id,
        "systems": list(bundle.systems),
        "prompts": len({item.prompt_id for item in bundle.items}),
        "pairs": len(bundle.units),
        "rounds": len(bundle.replicates),
        "tasks": len(bundle.slots),
        "left_out": list(made.left_out),
        "cut_seconds": round(made.cut_seconds, 3),
        "detectable_net": made.detectable,
    }
    print(_told(result, arguments.raters), file=sys.stderr if arguments.json else sys.stdout)
    return result


def wish(arguments: Namespace) -> Any:
    """The `annotation.create.Wish` of the command's arguments."""
    from pydantic import ValidationError

    from annotation.create import Wish
    from annotation.design import Settings
    from annotation.study import Rules

    design = Settings(
        raters=arguments.raters,
        block=arguments.block,
        repeats=arguments.repeats,
        golds=arguments.golds,
        baseline=arguments.baseline,
        seed=arguments.seed,
    )
    try:
        rules = Rules(
            min_watched=arguments.min_watched,
            lease_minutes=arguments.lease_minutes,
            most_rounds=arguments.most_rounds,
            margin=arguments.margin,
            alpha=arguments.alpha,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from None
    return Wish(
        tuple(arguments.systems),
        arguments.prompts,
        arguments.strata,
        arguments.title,
        _instructions(arguments.instructions),
        _questions(arguments.criteria),
        design,
        rules,
    )


def _instructions(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    if not 0 < len(text) <= 20_000:
        raise InputError(f"{path}: instructions have 1 to 20,000 characters")
    return text


def _questions(criteria: str | None) -> Any:
    from annotation.study import QUESTIONS

    if criteria is None:
        return QUESTIONS
    wanted = [name.strip() for name in criteria.split(",") if name.strip() not in ("", "none")]
    known = [question.id for question in QUESTIONS if not question.required]
    wrong = next((name for name in wanted if name not in known), None)
    if wrong is not None:
        raise unknown_name("criterion", wrong, known, "--criteria")
    return tuple(question for question in QUESTIONS if question.required or question.id in wanted)


def _told(result: dict[str, Any], raters: int) -> str:
    out = result["study"]
    lines = [
        f"{out}: study {result['id']} of {', '.join(result['systems'])}",
        f"{result['pairs']} pairs on {result['prompts']} prompts, {raters} votes each, in {result['rounds']} rounds",
        f"sees a net win of {result['detectable_net']:.2f} for a pair of systems (80 % power, 30 % ties)",
    ]
    if result["left_out"]:
        lines.append(f"{len(result['left_out'])} prompts are left out, a system has no video: {result['left_out'][:5]}")
    if result["cut_seconds"] > 0.1:
        lines.append(f"videos of a prompt were cut to the shortest one, by up to {result['cut_seconds']:.1f} s")
    lines.append(f"next: magicvideo study invite {out} --role owner")
    return "\n".join(lines)
