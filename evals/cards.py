"""Sensitivity cards: what `evals.sensitivity` found, as a table for people, as charts, and as sections of the pages.

    python -m evals.cards

writes docs/sensitivity.md and the section "Sensitivity" of each page in docs/metrics/ again, from
docs/metrics/sensitivity.json; nothing here knows a figure. Does not import torch.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from magicvideo.files import read_json, write_text

PAGES = Path(__file__).parents[1] / "docs" / "metrics"
OVERVIEW = PAGES.parent / "sensitivity.md"
HEADING = "## Sensitivity"
SHORT = {
    "worse": "worse",
    "better": "better",
    "down": "down",
    "up": "up",
    "blind": "-",
    "both ways": "both",
    "unscored": ".",
}
LEGEND = (
    "worse, better, down, up: what stronger damage does to it;  -: blind, no certain difference of a tenth of the "
    "clips' spread;  both: strengths disagree;  .: unscored;  *: not monotone;  =: saturated by the third of five "
    "strengths"
)
OF_SETS = (
    "A distance of whole sets is judged by both sets' own intervals as if they had nothing to do with each other, "
    "which is too wide: blind may mean too few clips there."
)


def record(found: Mapping[str, Any]) -> dict[str, Any]:
    """A `Sensitivity.to_dict()` made small for keeping: four significant digits, and lists over strengths."""
    cards = {name: _small(card) for name, card in found["cards"].items()}
    return {**{k: found[k] for k in ("suite", "clips", "prompts", "damages", "without")}, "cards": cards}


def _small(card: Mapping[str, Any]) -> dict[str, Any]:
    answers = {
        damage: {key: [_rounded(step[key]) for step in a["steps"]] for key in ("difference", "low", "high", "n")}
        | {key: a[key] for key in ("verdict", "monotone", "saturated")}
        for damage, a in card["answers"].items()
    }
    about = {key: card["about"][key] for key in ("title", "unit", "higher_is_better")}
    numbers = {key: _rounded(card[key]) for key in ("value", "spread", "n")}
    return {**about, "protocol": card["protocol"], **numbers, "answers": answers}


def _rounded(number: float | None) -> float | int | None:
    return float(f"{number:.4g}") if isinstance(number, float) else number


def table(kept: Mapping[str, Any]) -> str:
    """A row a metric, a column a kind of damage: what the metric answers, in a word."""
    rows = [["metric", *kept["damages"]]]
    rows += [[name, *(_word(card["answers"].get(d)) for d in kept["damages"])] for name, card in kept["cards"].items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    clips = f"{kept['clips']} clips, {kept['prompts']} prompts"
    without = [f"  {name}: no card ({reason})" for name, reason in kept["without"].items()]
    return "\n".join([*lines, "", f"{clips}.  {LEGEND}", *without])


def _word(answer: Mapping[str, Any] | None) -> str:
    if answer is None:
        return "."
    moves = answer["verdict"] in ("worse", "better", "down", "up")
    mark = ("" if answer["monotone"] else "*") + ("=" if answer["saturated"] else "") if moves else ""
    return SHORT[answer["verdict"]] + mark


def section(metric: str, sets: Mapping[str, Mapping[str, Any]]) -> str:
    """The page's section on a metric, heading included; it ends with a line break."""
    parts = [
        _of_set(about, about["found"]["cards"][metric]) for about in sets.values() if metric in about["found"]["cards"]
    ]
    if not parts:
        reasons = {about["found"]["without"][metric] for about in sets.values() if metric in about["found"]["without"]}
        why = (
            f"unscored there ({'; '.join(sorted(reasons))})"
            if reasons
            else "not measured; metrics whose weights do not ship have none"
        )
        parts = [f"No card: {why}. `magicvideo evaluate --sensitivity` makes one on clips of your own.\n"]
    head = "<!-- Written by `make sensitivity-cards` from sensitivity.json; change that, not this section. -->"
    return "\n".join([HEADING, "", head, "", *parts])


def _of_set(about: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    found = about["found"]
    spread = "" if card["spread"] is None else f", spread between clips {card['spread']:.3g}"
    lines = [
        f"{about['title']} Undamaged: {card['value']:.4g}{spread}, n = {card['n']}. Differences to the same clips "
        "undamaged, with 95 % intervals, at the first, third and fifth of five strengths:",
        *([] if card["spread"] is not None else ["", OF_SETS]),
        "",
        "| damage | strengths | first | third | fifth | answer |",
        "|---|---|---|---|---|---|",
    ]
    for name, answer in card["answers"].items():
        damage = found["damages"][name]
        strengths = f"{damage['what']}: {', '.join(f'{s:g}' for s in damage['strengths'])}"
        steps = " | ".join(_step(answer, i) for i in (0, 2, 4))
        lines.append(f"| {damage['title']} | {strengths} | {steps} | {_said(answer)} |")
    return "\n".join([*lines, ""])


def _step(answer: Mapping[str, Any], i: int) -> str:
    difference, low, high = (answer[key][i] for key in ("difference", "low", "high"))
    if difference is None:
        return "unscored"
    return f"{difference:+.2g}" + ("" if low is None else f" ({low:+.2g} to {high:+.2g})")


def _said(answer: Mapping[str, Any]) -> str:
    words = {"down": "falls", "up": "rises", "better": "**better**"}
    said = words.get(answer["verdict"], answer["verdict"])
    if answer["verdict"] in ("worse", "better", "down", "up") and not answer["monotone"]:
        said += ", not monotone"
    return said + (f", saturated from strength {answer['saturated']}" if answer["saturated"] else "")


def with_section(page: str, new: str) -> str:
    """The page with its section replaced, or put at its end."""
    before = re.split(rf"^{HEADING}$", page, maxsplit=1, flags=re.MULTILINE)[0]
    return f"{before.rstrip()}\n\n{new}"


def overview(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """The page that shows all metrics at once, a table for each set of clips."""
    parts = [
        "# What the metrics answer to known damage\n",
        "<!-- Written by `make sensitivity-cards` from metrics/sensitivity.json; change that, not this page. -->\n",
        "Each clip is compared with itself, damaged in nine ways at five strengths each. The metrics' pages have the "
        "numbers, [the command line](cli.md#evaluate) says how to do the same on clips of your own.\n",
        f"{LEGEND[0].upper()}{LEGEND[1:]}.\n".replace("*:", "\\*:"),
        f"{OF_SETS}\n",
    ]
    for about in sets.values():
        found = about["found"]
        titles = [damage["title"] for damage in found["damages"].values()]
        parts += [f"{about['title']}\n", f"| metric | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
        for name, card in found["cards"].items():
            words = (_word(card["answers"].get(damage)).replace("*", "\\*") for damage in found["damages"])
            parts.append(f"| [`{name}`](metrics/{name}.md) | {' | '.join(words)} |")
        parts.append("")
    return "\n".join(parts)


def pages() -> Iterator[tuple[Path, str]]:
    """The overview and each metric's page, and what they should hold."""
    sets = read_json(PAGES / "sensitivity.json")
    yield OVERVIEW, overview(sets)
    for path in sorted(PAGES.glob("*.md")):
        yield path, with_section(path.read_text(encoding="utf-8"), section(path.stem, sets))


def main() -> None:
    for path, text in pages():
        write_text(path, text)
    print(f"wrote the sensitivity sections of {PAGES}", file=sys.stderr)


if __name__ == "__main__":
    main()
