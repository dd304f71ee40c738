"""The report of a preference study: the paper's table beside the corrected one, ranking, agreement, methods."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reports import charts, methods
from reports.ablation import as_typed
from reports.charts import Rank
from reports.document import Block, Command, Document, Drawing, Section, Words, of_rows
from reports.tables import harmless
from reports.votes import calibration_rows, paper_rows, rank_rows, shares_of, spanned, win_rows
from reports.words import plural

CONVENTIONS = ("gsb_ratio", "net", "half_tie", "decisive", "tie_rate")
Result = Mapping[str, Any]


def document(path: Path, result: Result) -> Document:
    """Everything the report says of `reports.study.results`."""
    about = result["study"]
    return Document(
        kind="preference study report",
        name=path.resolve().name,
        title=about["title"],
        headline=_headline(result),
        basis=_basis(result),
        points=tuple(_points(result)),
        banners=tuple(str(warning) for warning in result["warnings"]),
        sections=tuple(s for s in _sections(path, result) if s.blocks),
        command=f"magicvideo report {shlex.quote(as_typed(path))}",
    )


def _basis(result: Result) -> str:
    people, prompts = plural(result["annotators"], "annotator"), plural(result["prompts"], "prompt")
    return f"{result['votes']:,} votes of {people} on {prompts}."


def csv_of(result: Result) -> str:
    """One line for each system and convention, full precision."""
    buffer = io.StringIO()
    out = csv.writer(buffer, lineterminator="\n")
    out.writerow(
        [
            "criterion",
            "system",
            "convention",
            "value",
            "low",
            "high",
            "good",
            "same",
            "bad",
            "n",
            "effective_n",
            "p_adjusted",
        ]
    )
    blocks = {str(result["criterion"]): result, **result.get("criteria", {})}
    for criterion, block in blocks.items():
        for name, s in block["systems"].items():
            for convention in CONVENTIONS:
                low, high = s["intervals"][convention] or (None, None)
                counts = [s["good"], s["same"], s["bad"], s["n"], s["effective_n"], s["p_adjusted"]]
                out.writerow(harmless([criterion, name, convention, s[convention], low, high, *counts]))
    return buffer.getvalue()


def _headline(result: Result) -> str:
    """The best by net win, if that is sure after correction."""
    systems = result["systems"]
    best = max(systems, key=lambda name: systems[name]["net"])
    s = systems[best]
    if s["p_adjusted"] is not None and s["p_adjusted"] <= 0.05 and s["net"] > 0:
        return f"{best} is preferred: net win {spanned(s['net'], s['intervals']['net'], 2, signed=True)}."
    return "No system is surely preferred over the others."


def _points(result: Result) -> Iterator[str]:
    for place in (result.get("ranking") or {}).get("systems", ()):
        span = "" if place["best"] is None else f" (from {place['best']} to {place['worst']})"
        yield f"Rank {place['rank']}{span}: {place['system']}"


def _sections(path: Path, result: Result) -> Iterator[Section]:
    total = [s["n"] for s in result["systems"].values()]
    yield Section(
        "wins", "Win rates", tuple(_wins(result)), f"Good, Same and Bad over {sum(total):,} judgements of systems."
    )
    yield Section("ranking", "Ranking", tuple(_ranking(result)), "Rank intervals that overlap are undecided.")
    yield Section("criteria", "Criteria and groups of prompts", tuple(_more(result)))
    flagged = result.get("without_flagged")
    if flagged and flagged["systems"]:
        told = of_rows(
            "Win rates without flagged annotators", win_rows(flagged["systems"]), ["system"], "wins-unflagged"
        )
        yield Section("flagged", "Without flagged annotators", (told,))
    yield Section("people", "Agreement", tuple(_people(result)))
    if result.get("calibration"):
        told = of_rows(
            "Metrics against votes; a coin agrees in half", calibration_rows(result), ["metric"], "calibration"
        )
        yield Section("calibration", "Which metric predicts these raters", (told,))
    yield Section("methods", "Methods", tuple(methods.of_study(result)))
    command = f"magicvideo report {shlex.quote(as_typed(path))}"
    forms = "\n".join([command, f"{command} --md", f"{command} --csv", f"{command} --latex"])
    yield Section("again", "Every number again", (Words("The report again, and its other forms:"), Command(forms)))


def _more(result: Result) -> Iterator[Block]:
    """Win rates by criterion and by group of prompts."""
    for word, blocks in (("criterion", result.get("criteria")), ("prompts of", result.get("strata"))):
        for name, block in (blocks or {}).items():
            if block["systems"]:
                yield of_rows(f"Win rates, {word} {name}", win_rows(block["systems"]), ["system"], f"wins-{name}")


def _wins(result: Result) -> Iterator[Block]:
    systems = result["systems"]
    yield Drawing(
        "Good, Same and Bad",
        charts.inline(
            charts.win_bars(shares_of(systems)), "Shares of Good, Same and Bad; the numbers are in the table"
        ),
    )
    yield of_rows(
        "In the paper's form (arXiv 2401.04468, table 1): counts and ratio alone",
        paper_rows(systems),
        ["system"],
        "paper",
    )
    yield of_rows(
        "Corrected: every convention with its 95 % interval, p adjusted (Holm)", win_rows(systems), ["system"], "wins"
    )


def _ranking(result: Result) -> Iterator[Block]:
    ranking = result["ranking"]
    if ranking:
        ranks = [Rank(p["system"], p["rank"], p["best"], p["worst"]) for p in ranking["systems"]]
        yield Drawing(
            "Ranks",
            charts.inline(charts.rank_intervals(ranks), "Ranks with their intervals; the numbers are in the table"),
        )
        yield of_rows("Davidson's model with ties", rank_rows(ranking), ["system"], "ranking")


def _people(result: Result) -> Iterator[Block]:
    agreed = result["agreement"]
    alpha = spanned(agreed["alpha"]["value"], agreed["alpha"]["interval"], 2)
    yield Words(f"Krippendorff's alpha (ordinal): {alpha}, from {agreed['units']:,} pairs that several people saw.")
    rows = [
        {
            "annotator": p["annotator"],
            "votes": p["votes"],
            "agrees with others": spanned(p["agreement"]["value"], p["agreement"]["interval"], 2),
            "one-coin accuracy": f"{p['accuracy']:.2f}",
        }
        for p in sorted(result["annotator_reliability"], key=lambda person: person["accuracy"])
    ]
    yield of_rows(
        "Annotators, the least agreeing first: evidence to look at, no verdict", rows, ["annotator"], "annotators"
    )
