"""A study's results as text for a terminal. Reads the values of `annotation.report`; computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_PAIRS = 15
MOST_PEOPLE = 10
NARROW = 64
"""Characters of a reason or name in a table."""


def text(result: Mapping[str, Any]) -> str:
    return "\n".join(_lines(result)).rstrip()


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    yield from _block(result)
    yield from _more(result.get("criteria") or {}, "criterion")
    yield from _more(result.get("strata") or {}, "stratum")
    if result.get("without_flagged"):
        left_out = ", ".join(result["without_flagged"]["left_out"])
        yield from _more({f"flagged annotators ({left_out})": result["without_flagged"]}, "without")
    yield from _pairs(result.get("pairs") or [])
    yield from _agreement(result)
    yield from _scores(result)
    if result["warnings"]:
        yield from ("", "look at:", *(f"  - {warning}" for warning in result["warnings"]))


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    base = block.get("base")
    people = f" of {block['annotators']:,} annotators on {block['prompts']:,} prompts" if "annotators" in block else ""
    yield f"{block['votes']:,} votes{people}" + (f"; Good is a vote for {base}" if base else "")
    if block["systems"]:
        yield from ("", *_table(_rating_rows(block["systems"])))
    if block.get("ranking"):
        yield from ("", *_table(_ranking_rows(block["ranking"])))


def _more(blocks: Mapping[str, Mapping[str, Any]], word: str) -> Iterator[str]:
    for name, block in blocks.items():
        yield from ("", f"== {word}: {name}", *_block(block))
        yield from (f"  - {warning}" for warning in block.get("warnings", []))


def _rating_rows(systems: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["system", "Good", "Same", "Bad", "(G+S)/(B+S)", "net win", "decisive", "ties", "n", "n eff.", "p (Holm)"]
    for name, s in systems.items():
        shares = s["shares"]
        yield [
            name,
            *(f"{s[key]:,} ({shares[key]:.2%})" for key in ("good", "same", "bad")),
            _with(s, "gsb_ratio", ".2f"),
            _with(s, "net", "+.3f"),
            _with(s, "decisive", ".3f"),
            _with(s, "tie_rate", ".3f"),
            f"{s['n']:,}",
            _number(s["effective_n"], ",.0f"),
            _number(s["p_adjusted"], ".2g"),
        ]


def _ranking_rows(ranking: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["rank", "from", "to", "system", "log strength", "win probability"]
    for place in ranking["systems"]:
        yield [
            str(place["rank"]),
            _number(place["best"], "d"),
            _number(place["worst"], "d"),
            place["system"],
            _value(place["strength"], "+.3f"),
            f"{place['win_probability']:.3f}",
        ]
    for name, effect in ranking["covariates"].items():
        yield ["", "", "", f"per sd of {name}", _value(effect, "+.3f"), ""]
    yield ["", "", "", "left side", _value(ranking["side"], "+.3f"), ""]


def _pairs(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not pairs:
        return
    rows = [["pair", "net win", "n", "e-value", "may stop"]]
    for pair in pairs[:MOST_PAIRS]:
        stopping = pair["stopping"]
        may = "yes" if stopping["stop"] else f"at {stopping['bar']:.3g}"
        name = " over ".join(pair["systems"])
        rows.append([name, _with(pair, "net", "+.3f"), f"{pair['n']:,}", f"{stopping['peak']:.3g}", may])
    yield from ("", *_table(rows))
    if len(pairs) > MOST_PAIRS:
        yield f"and {len(pairs) - MOST_PAIRS} more pairs (--json lists all)"


def _agreement(result: Mapping[str, Any]) -> Iterator[str]:
    found = result.get("agreement")
    if found is None:
        return
    yield from ("", f"Krippendorff's alpha (ordinal) {_value(found['alpha'], '.3f')}, {found['units']:,} shared pairs")
    people = sorted(result["annotator_reliability"], key=lambda person: person["accuracy"])[:MOST_PEOPLE]
    rows = [["annotator", "votes", "agrees with others", "one-coin accuracy"]]
    rows += [[p["annotator"], f"{p['votes']:,}", _value(p["agreement"], ".2f"), f"{p['accuracy']:.2f}"] for p in people]
    yield from ("", "least agreeing annotators (evidence to look at, no verdict):", *_table(rows))


def _scores(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("calibration"):
        rows = [["metric", "agrees with votes", "n", "Spearman with net win", "systems"]]
        for c in result["calibration"]:
            shown = [_value(c["agreement"], ".3f"), f"{c['votes']:,}", _value(c["spearman"], "+.2f"), str(c["systems"])]
            rows.append([c["metric"] + ("" if c["higher_is_better"] is not None else " (read as higher)"), *shown])
        yield from ("", *_table(rows))
    if result.get("style"):
        style = result["style"]
        yield from ("", f"style held equal ({style['votes']:,} votes, {style['left_out']:,} without covariates):", "")
        yield from _table(_ranking_rows(style["controlled"]))


def _with(system: Mapping[str, Any], name: str, form: str) -> str:
    return _value({"value": system[name], "interval": system["intervals"][name]}, form)


def _value(estimate: Mapping[str, Any], form: str) -> str:
    """A value and its interval, "0.55 [0.53, 0.57]"."""
    if estimate["interval"] is None:
        return _number(estimate["value"], form)
    low, high = estimate["interval"]
    return f"{estimate['value']:{form}} [{low:{form}}, {high:{form}}]"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _table(rows: Iterator[list[str]] | list[list[str]]) -> list[str]:
    """Columns as wide as their widest cell; the first row is the head."""
    cells = [[cell if len(cell) <= NARROW else cell[: NARROW - 1] + "…" for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
