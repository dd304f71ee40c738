"""A comparison as a table for the terminal, Markdown for a pull request, JUnit XML for a CI system, and JSON."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree

from reports.compare import ORDER, Compared, Line, PromptChange, Verdict
from reports.tables import decimals, interval, md, number, p_value, plain

MARKS: dict[Verdict, str] = {"regressed": "▼", "improved": "▲", "equivalent": "=", "inconclusive": "○", "changed": "◆"}
HEADS = ("base", "candidate", "difference", "95 % interval", "adj. p", "margin", "would show", "to settle")
SHOWN_PROMPTS = 3
LONGEST_PROMPT = 80


def as_json(found: Compared) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "base": found.base.name,
        "candidate": found.candidate.name,
        "passed": found.passed,
        "failures": [asdict(failure) for failure in found.failures],
        "notes": list(found.notes),
        "metrics": {line.name: _line_json(line, found) for line in found.lines},
    }


def _line_json(line: Line, found: Compared) -> dict[str, Any]:
    numbers = asdict(line.numbers)
    own = ("metric", "verdict", "detectable")
    worst, best = worst_and_best(line)
    return {
        **{key: value for key, value in numbers.items() if key not in own},
        "verdict": line.verdict,
        "margin": line.margin,
        "direction": line.rule.direction,
        "gated": line.rule.gated,
        "compared": line.family,
        "detectable": line.detectable,
        "prompts_needed": line.prompts_needed,
        "unpaired": line.unpaired,
        "note": line.note,
        "title": line.about.title,
        "unit": line.about.unit,
        "protocol": found.candidate.scored.scores[line.name].protocol,
        "worst": [asdict(change) for change in worst],
        "best": [asdict(change) for change in best],
    }


def worst_and_best(line: Line, most: int = SHOWN_PROMPTS) -> tuple[list[PromptChange], list[PromptChange]]:
    """The prompts that lost and gained most, never one in both; without a direction: that
    went with the mean and against it."""
    gain = 1 if line.falling else -1
    worst = [c for c in line.changes if gain * c.difference < 0][:most]
    best = [c for c in reversed(line.changes) if gain * c.difference > 0][:most]
    return worst, best


def headline(found: Compared) -> str:
    """One sentence: what regressed, or that nothing did, and how many are open."""
    gated = [line for line in found.lines if line.rule.gated]
    if found.failures:
        return "Does not pass: " + "; ".join(f"{f.metric} {f.text}" for f in found.failures)
    counts = {v: sum(line.verdict == v for line in gated) for v in ORDER}
    told = [f"{n} {verdict}" for verdict, n in counts.items() if n]
    return f"Passes: no regression in {_many(len(gated), 'gated metric')}" + (f" ({', '.join(told)})" if told else "")


def basis(found: Compared) -> list[str]:
    """What it rests on, how claims are made, and how to read what is open."""
    pairs = max((line.numbers.n for line in found.lines if not line.numbers.set_level), default=0)
    prompts = max((line.numbers.clusters for line in found.lines), default=0)
    family = max((line.family for line in found.lines if line.rule.gated), default=0)
    lines = [
        f"{_many(pairs, 'pair')} of videos from {_many(prompts, 'prompt')}. Regressed: the 95 % interval, clustered by "
        f"prompt, excludes 0, p corrected (Holm) for {_many(family, 'gated test')} is at most {found.gate.alpha:g}, "
        "and the loss reaches the margin."
    ]
    if any(line.verdict == "inconclusive" and line.numbers.p is not None for line in found.lines):
        lines.append(
            "Inconclusive does not mean equal. Would show: the change that these prompts find in 8 of 10 cases. To "
            "settle: prompts that would show two equal runs to be equivalent, in 8 of 10 cases."
        )
    return lines


def table(found: Compared) -> str:
    """Plain text, one line a metric, then prompts of what regressed."""
    rows = [["", "metric", *HEADS, "verdict"]]
    rows += [[MARKS[line.verdict], line.name, *_cells(line), verdict_words(line)] for line in found.lines]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = [
        "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=False))
        )
        + f"  {row[-1]}"
        for row in rows
    ]
    lines += ["", headline(found), *basis(found), *(f"note: {note}" for note in found.notes)]
    for line in _told(found):
        lines.append(f"\n{line.name}, worst prompts:")
        lines += [f"  {_change(line, c)}  {_short(c.prompt)}" for c in worst_and_best(line)[0]]
    return "\n".join(lines)


def markdown(found: Compared) -> str:
    """Fit for a pull-request comment: what matters first, the rest folded away. Users' text shows as text."""
    first = [line for line in found.lines if line.verdict in ("regressed", "improved", "changed")]
    rest = [line for line in found.lines if line not in first]
    lines = [
        f"### {md(headline(found))}",
        "",
        f"{md(found.base.name)} → {md(found.candidate.name)}. {' '.join(basis(found))}",
        "",
    ]
    lines += [f"> {md(note)}" for note in found.notes] + ([""] if found.notes else [])
    if first:
        lines += [*_md_table(first), ""]
    for line in _told(found):
        worst, _ = worst_and_best(line)
        lines += [f"Worst prompts of {md(line.about.title)}:", ""]
        lines += [f"- {_change(line, c)} {md(_short(c.prompt))}" for c in worst] + [""]
    if rest:
        summary = f"{_many(len(rest), 'metric')} equivalent or inconclusive"
        lines += [f"<details><summary>{summary}</summary>", "", *_md_table(rest), "", "</details>", ""]
    return "\n".join([*lines, *_origin(found), f"Again: `{_command(found)}`", ""])


def _md_table(lines: Sequence[Line]) -> list[str]:
    rows = [f"| | metric | {' | '.join(HEADS)} | verdict |", f"|---|---|{'---:|' * len(HEADS)}---|"]
    for line in sorted(lines, key=lambda line: ORDER.index(line.verdict)):
        cells = [MARKS[line.verdict], md(line.about.title), *_cells(line), md(verdict_words(line))]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def junit(found: Compared) -> str:
    """JUnit XML, a test case a metric: failing the gate is a failure; what is open or not gated is skipped."""
    suite = ElementTree.Element("testsuite", name="magicvideo compare")
    kinds = []
    for line in found.lines:
        why = [f.text for f in found.failures if f.metric == line.name]
        case = ElementTree.SubElement(suite, "testcase", classname="magicvideo.compare", name=_xml(line.name))
        kind = "failure" if why else "skipped" if line.verdict == "inconclusive" or not line.rule.gated else None
        if kind is not None:
            gated = "" if line.rule.gated else "not gated; "
            message = _xml(gated + "; ".join(why or [verdict_words(line)]))
            ElementTree.SubElement(case, kind, message=message).text = _xml(_details(line))
        kinds.append(kind)
    suite.set("tests", str(len(kinds)))
    suite.set("failures", str(kinds.count("failure")))
    suite.set("errors", "0")
    suite.set("skipped", str(kinds.count("skipped")))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _details(line: Line) -> str:
    told = [f"{head}: {cell}" for head, cell in zip(HEADS, _cells(line), strict=True) if cell]
    worst = [f"{_change(line, c)} {_short(c.prompt)}" for c in worst_and_best(line)[0]]
    return "\n".join([f"{line.about.title}. {'; '.join(told)}", *(["worst prompts:", *worst] if worst else [])])


def verdict_words(line: Line) -> str:
    """The verdict, and what must be said beside it."""
    told = [line.note] if line.note else []
    if line.verdict in ("regressed", "inconclusive") and not line.rule.gated:
        told.append("not gated")
    return f"{line.verdict} ({'; '.join(told)})" if told else line.verdict


def _cells(line: Line) -> list[str]:
    """What `HEADS` names; the last two stand beside what is inconclusive."""
    n, places = line.numbers, _places(line)
    ends = [number(n.base, places), number(n.value, places), number(n.difference, places, signed=True)]
    span = interval(n.low, n.high, places, signed=True)
    is_open = line.verdict == "inconclusive"
    shows = number(line.detectable, places) if is_open else ""
    needed = "" if line.prompts_needed is None else f"{_rounded(line.prompts_needed)} prompts"
    return [*ends, span, p_value(n.p_adjusted), number(line.margin, places), shows, needed]


def _rounded(count: int) -> str:
    """Two digits are what such a number is good for."""
    if count > 10**6:
        return "> 1,000,000"
    size = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // size) * size:,}"


def _places(line: Line) -> int:
    n = line.numbers
    spread = (n.high - n.low) / 2 if n.low is not None and n.high is not None else None
    return decimals([spread, line.margin], [n.base, n.value])


def _change(line: Line, change: PromptChange) -> str:
    places = _places(line)
    return (
        f"{number(change.difference, places, signed=True)} "
        f"({number(change.base, places)} → {number(change.candidate, places)})"
    )


def _told(found: Compared) -> list[Line]:
    """The metrics whose worst prompts are shown."""
    return [line for line in found.lines if line.verdict == "regressed" and line.rule.gated]


def _origin(found: Compared) -> list[str]:
    """Commits and dates of both runs, where they are known."""
    told = []
    for what, side in (("base", found.base), ("candidate", found.candidate)):
        commit = str(side.environment.get("commit") or "")[:8]
        dirty = " with uncommitted changes" if side.environment.get("dirty") else ""
        if commit or side.created:
            told.append(f"{what}: {md(f'{commit}{dirty} {side.created}'.strip())}")
    return [f"{'; '.join(told)}.", ""] if told else []


def _command(found: Compared) -> str:
    gate = found.gate.source
    words = ["magicvideo", "compare", found.base.name, found.candidate.name]
    words += [] if gate is None else ["--gate", str(gate.path)]
    return plain(shlex.join(words)).replace("`", "")


def _short(prompt: str) -> str:
    text = plain(prompt)
    return text if len(text) <= LONGEST_PROMPT else f"{text[: LONGEST_PROMPT - 1]}…"


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold, not even escaped."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
