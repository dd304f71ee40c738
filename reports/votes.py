"""Rows of a study's tables, from the values of `annotation.report`: the same for pages and static reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.charts import Share
from reports.tables import MISSING, number, p_value


def shares_of(systems: Mapping[str, Any]) -> list[Share]:
    """What the bars of Good, Same and Bad show."""
    told = {name: s["shares"] for name, s in systems.items()}
    return [Share(name, s["good"], s["same"], s["bad"], systems[name]["n"]) for name, s in told.items()]


def win_rows(systems: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every convention with its interval: no single one is the win rate."""
    return [
        {
            "system": name,
            **{
                word: f"{s[key]:,} ({s['shares'][key]:.1%})"
                for word, key in (("Good", "good"), ("Same", "same"), ("Bad", "bad"))
            },
            "(G+S)/(B+S)": spanned(s["gsb_ratio"], s["intervals"]["gsb_ratio"], 2),
            "net win": spanned(s["net"], s["intervals"]["net"], 3, signed=True),
            "decisive": spanned(s["decisive"], s["intervals"]["decisive"], 3),
            "ties": spanned(s["tie_rate"], s["intervals"]["tie_rate"], 3),
            "adjusted p": p_value(s["p_adjusted"]),
            "n": s["n"],
            "effective n": None if s["effective_n"] is None else round(s["effective_n"]),
        }
        for name, s in systems.items()
    ]


def paper_rows(systems: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The form of the paper's table 1 (arXiv 2401.04468): counts with shares and the ratio, no interval."""
    return [
        {
            "system": name,
            **{
                word: f"{s[key]:,} ({s['shares'][key]:.2%})"
                for word, key in (("Good", "good"), ("Same", "same"), ("Bad", "bad"))
            },
            "(G+S)/(B+S)": number(s["gsb_ratio"], 2),
        }
        for name, s in systems.items()
    ]


def rank_rows(ranking: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "rank": place["rank"],
            "from": place["best"],
            "to": place["worst"],
            "system": place["system"],
            "log strength": spanned(place["strength"]["value"], place["strength"]["interval"], 3, signed=True),
            "win probability": number(place["win_probability"], 3),
        }
        for place in ranking["systems"]
    ]


def calibration_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Which metric says what people say; a coin agrees in half of the decided votes."""
    rows = [
        {
            "metric": c["metric"] + ("" if c["higher_is_better"] is not None else " (read as higher)"),
            "agrees with votes": spanned(c["agreement"]["value"], c["agreement"]["interval"], 3),
            "decided votes": c["votes"],
            "Spearman with net win": spanned(c["spearman"]["value"], c["spearman"]["interval"], 2, signed=True),
            "systems": c["systems"],
        }
        for c in result.get("calibration") or ()
    ]
    return sorted(rows, key=lambda row: str(row["agrees with votes"]), reverse=True)


def spanned(
    value: float | None, span: tuple[float, float] | list[float] | None, places: int, signed: bool = False
) -> str:
    """`0.55 [0.53, 0.57]`; a dash for none, the bare value where there is no interval."""
    if value is None:
        return MISSING
    text = number(value, places, signed)
    return text if span is None else f"{text} [{number(span[0], places, signed)}, {number(span[1], places, signed)}]"
