"""Numbers as text, and the plain tables: CSV for machines, Markdown for a pull request.

Text that came from a user (names, prompts, reasons) is made harmless for its format here: it shows as text.
"""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ablations.effects import Effect
from reports.findings import Findings
from reports.folder import Metric

MINUS = "\u2212"
MISSING = "–"


@dataclass(frozen=True)
class Look:
    """How a verdict is shown: words, a mark that does not need colour, and a class for the colour."""

    word: str
    mark: str
    style: str
    hint: str = ""
    """Where an inconclusive difference leans, when its interval alone excludes 0."""

    @property
    def words(self) -> str:
        return f"{self.word}, {self.hint}" if self.hint else self.word


CERTAIN: Mapping[str, Look] = {
    "better": Look("better", "▲", "better"),
    "worse": Look("worse", "▼", "worse"),
    "different": Look("different", "◆", "different"),
    "equivalent": Look("equivalent", "=", "same"),
}


TOLD = ("better", "worse", "different")
"""Styles of differences that are found, or hinted at."""


def look(effect: Effect, metric: Metric) -> Look:
    """How an effect is shown."""
    if effect.difference is None and effect.verdict not in CERTAIN:
        return Look("no score", "–", "none")
    tested = not effect.set_level
    return shown(effect.verdict, effect.low, effect.high, metric.higher_is_better, tested=tested)


def shown(verdict: str, low: float | None, high: float | None, higher_is_better: bool | None, *, tested: bool) -> Look:
    """How a verdict on a difference is shown.

    A hint is an inconclusive difference whose 95 % interval excludes 0 but which does not survive the correction for
    having looked at all comparisons: shown with a hollow mark, and never counted as found.
    """
    if verdict in CERTAIN:
        return CERTAIN[verdict]
    if not tested or low is None or high is None:
        return Look("not tested", "·", "none")
    if low <= 0 <= high:
        return Look("inconclusive", "○", "unclear")
    if higher_is_better is None:
        return Look("inconclusive", "◇", "different", f"leans {'higher' if low > 0 else 'lower'}")
    better = (low > 0) == higher_is_better
    return Look(
        "inconclusive",
        "△" if better else "▽",
        "better" if better else "worse",
        f"leans {'better' if better else 'worse'}",
    )


def decimals(spreads: Iterable[float | None], values: Iterable[float | None]) -> int:
    """Digits after the point: two significant ones of the usual interval, else three of the usual value."""
    for numbers, digits in ((spreads, 2), (values, 3)):
        sizes = [abs(x) for x in numbers if x is not None and math.isfinite(x) and x != 0]
        if sizes:
            return min(6, max(0, digits - 1 - math.floor(math.log10(statistics.median(sizes)))))
    return 2


def number(value: float | None, places: int, signed: bool = False) -> str:
    """A number with a true minus sign; a dash when there is none. Zero has no sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{places}f}"
    if float(text) == 0:
        return text.lstrip("-")
    return f"{value:{'+' if signed else ''}.{places}f}".replace("-", MINUS)


def interval(low: float | None, high: float | None, places: int, signed: bool = False) -> str:
    """`0.12 to 0.31`, or a dash."""
    if low is None or high is None:
        return MISSING
    return f"{number(low, places, signed)} to {number(high, places, signed)}"


def p_value(p: float | None) -> str:
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


COLUMNS = (
    *("kind", "metric", "unit", "higher_is_better", "protocol", "arm", "switch"),
    *("value", "low", "high", "n", "unscored"),
    *("p", "p_adjusted", "standardised", "detectable", "verdict"),
)


def effects_csv(found: Findings) -> str:
    """One tidy table: a line for each arm's score and each arm's difference to the base, full precision."""
    buffer = io.StringIO()
    out = csv.writer(buffer, lineterminator="\n")
    out.writerow(COLUMNS)
    for score in found.scores:
        m, arm = found.run.metrics[score.metric], found.run.arm(score.arm)
        head = ["score", m.name, m.unit, m.higher_is_better, m.protocol, arm.name, arm.switch]
        out.writerow(harmless([*head, score.value, score.low, score.high, score.n, score.unscored, *[None] * 5]))
    for e in found.effects:
        m = found.run.metrics[e.metric]
        head = ["effect", m.name, m.unit, m.higher_is_better, m.protocol, e.arm, e.switch]
        numbers = [e.difference, e.low, e.high, e.n, None, e.p, e.p_adjusted, e.standardised, e.detectable, e.verdict]
        out.writerow(harmless([*head, *numbers]))
    return buffer.getvalue()


def harmless(values: list[object]) -> list[object]:
    """Text that a spreadsheet would run as a formula gets a quote in front; None becomes empty."""
    return [f"'{v}" if isinstance(v, str) and v[:1] in ("=", "+", "-", "@", "\t", "\r") else v for v in values]


def markdown(found: Findings) -> str:
    """Summary and effects, short enough for a pull-request comment."""
    words = found.summary
    lines = [f"### {md(found.run.name)}: {md(words.headline)}", "", md(words.basis), ""]
    lines += [f"> **{md(banner.text)}**" for banner in words.banners]
    lines += [""] if words.banners else []
    lines += [f"- {point.mark} **{md(point.arm)}** {md(point.text)}" for point in words.points]
    lines += ["", md(words.certainty), ""]
    told = [e for e in found.effects if look(e, found.run.metrics[e.metric]).style in TOLD]
    rest = [e for e in found.effects if e not in told]
    if told:
        lines += [*_md_table(found, told), ""]
    if rest:
        summary = f"{len(rest)} other comparisons: inconclusive, equal or not tested"
        lines += [f"<details><summary>{summary}</summary>", "", *_md_table(found, rest), "", "</details>", ""]
    return "\n".join([*lines, f"Re-derive every number: `{plain(found.command).replace('`', '')}`", ""])


def _md_table(found: Findings, effects: Iterable[Effect]) -> list[str]:
    lines = [
        "| | arm | metric | difference | 95 % interval | adjusted p | verdict |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for e in effects:
        metric, places = found.run.metrics[e.metric], found.places[e.metric]
        shown = look(e, metric)
        names = [shown.mark, md(found.run.arm(e.arm).title), md(metric.title)]
        numbers = [number(e.difference, places, signed=True), interval(e.low, e.high, places, signed=True)]
        lines.append(f"| {' | '.join([*names, *numbers, p_value(e.p_adjusted), shown.words])} |")
    return lines


def plain(text: str) -> str:
    """One line without control characters or marks that turn the reading direction of what follows."""
    text = re.sub(r"\s+", " ", text)
    return "".join(c for c in text if unicodedata.category(c) != "Cc" and c not in "\u202a\u202b\u202c\u202d\u202e")


def md(text: str) -> str:
    """Text as Markdown that shows as that text: no tags, links, emphasis, cells or mentions."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]|~])", r"\\\1", text)
    text = re.sub(r"([#!])(?=[\[\d])", r"\\\1", text)
    return re.sub(r"@(?=\w)", "@\u2060", text)
