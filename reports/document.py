"""A report as plain blocks, and its three forms: one HTML page that opens offline, Markdown, LaTeX.

What the blocks say is made elsewhere; here they are only written down, every text made harmless for its form.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reports.latex import tabular, tex
from reports.tables import MISSING, md, plain

Form = Literal["html", "md", "csv", "latex"]
SUFFIX: dict[Form, str] = {"html": "html", "md": "md", "csv": "csv", "latex": "tex"}


@dataclass(frozen=True)
class Table:
    """Rows of cells as they are printed. Columns in `numbers` are set flush right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    key: str = ""
    """Label of the table in LaTeX."""


@dataclass(frozen=True)
class Drawing:
    """A chart as an SVG element in the page's colours; only HTML shows it."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Clip:
    """A playing video inside the page; only HTML shows it."""

    caption: str
    uri: str
    facts: str = ""


@dataclass(frozen=True)
class Words:
    text: str


@dataclass(frozen=True)
class Command:
    text: str


Block = Table | Drawing | Clip | Words | Command


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True)
class Document:
    kind: str
    """"evaluation report" and the like."""
    name: str
    title: str
    headline: str
    basis: str
    points: tuple[str, ...]
    banners: tuple[str, ...]
    sections: tuple[Section, ...]
    command: str
    """What writes this report again."""


def table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[str] = (), key: str = ""
) -> Table:
    """A table of anything that can be printed; None becomes a dash."""
    cells = tuple(tuple(MISSING if cell is None else str(cell) for cell in row) for row in rows)
    return Table(caption, tuple(columns), cells, frozenset(columns.index(name) for name in numbers), key)


def of_rows(caption: str, rows: Sequence[dict[str, Any]], words: Sequence[str] = (), key: str = "") -> Table:
    """A table of equal dictionaries; all columns but those in `words` hold numbers."""
    columns = list(rows[0]) if rows else []
    numbers = [name for name in columns if name not in words]
    return table(caption, columns, [list(row.values()) for row in rows], numbers, key)


def html(document: Document) -> str:
    """One page without any address: the same document gives the same bytes."""
    from markupsafe import Markup

    from reports.templates import ASSETS, environment

    script = (ASSETS / "document.js").read_text(encoding="utf-8")
    page = (
        environment()
        .get_template("document.html.jinja")
        .render(
            d=document,
            kind_of=lambda block: type(block).__name__,
            svg=Markup,
            style=Markup((ASSETS / "report.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    return page.encode("utf-8", errors="replace").decode()


def markdown(document: Document) -> str:
    """Short enough for a pull-request comment: the first table open, the others folded."""
    lines = [f"### {md(document.name)}: {md(document.headline)}", "", md(document.basis), ""]
    lines += [f"> **{md(banner)}**" for banner in document.banners] + ([""] if document.banners else [])
    lines += [f"- {md(point)}" for point in document.points] + ([""] if document.points else [])
    open_ = True
    for section in document.sections:
        body = list(_md_blocks(section))
        if not body:
            continue
        if open_:
            lines += [f"#### {md(section.title)}", "", *body]
        else:
            lines += [f"<details><summary>{md(section.title)}</summary>", "", *body, "</details>", ""]
        open_ = False
    return "\n".join([*lines, f"Re-derive every number: `{plain(document.command).replace('`', '')}`", ""])


def _md_blocks(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Table) and block.rows:
            yield f"| {' | '.join(md(name) for name in block.columns)} |"
            yield f"|{'|'.join('---:' if at in block.numbers else '---' for at in range(len(block.columns)))}|"
            yield from (f"| {' | '.join(md(cell) for cell in row)} |" for row in block.rows)
            yield ""
        elif isinstance(block, Words):
            yield from (md(block.text), "")
        elif isinstance(block, Command):
            yield from ("```sh", plain(block.text), "```", "")


def latex(document: Document) -> str:
    """Tables (booktabs) and the methods as text, to be read in with \\input; needs `booktabs` in the preamble."""
    lines = [f"% {tex(document.kind)} of {tex(document.name)}; written again by: {tex(document.command)}"]
    lines += ["% Needs \\usepackage{booktabs}, and \\usepackage[T1]{fontenc} for some signs.", ""]
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table) and block.rows:
                label = block.key or section.id
                lines += [tabular(block.columns, block.rows, block.numbers, block.caption, label), ""]
            elif isinstance(block, Words) and section.id == "methods":
                lines += [tex(block.text), ""]
    return "\n".join(lines)
