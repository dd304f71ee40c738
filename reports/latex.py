"""Text and tables for a paper: escaped, with booktabs' rules."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

from reports.tables import plain

SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "\u2212": "$-$",
    "\u2013": "--",
    "\u00d7": r"$\times$",
    "\u00b1": r"$\pm$",
    "\u2192": r"$\rightarrow$",
    "\u2191": r"$\uparrow$",
    "\u2193": r"$\downarrow$",
    "\u2195": r"$\updownarrow$",
    "\u00a0": "~",
    "\u2026": r"\ldots{}",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
}


def tex(text: str) -> str:
    """The text as LaTeX that prints it; letters outside of Latin scripts and pictures become their name in brackets."""
    return "".join(SIGNS.get(sign) or _letter(sign) for sign in plain(text))


def _letter(sign: str) -> str:
    if ord(sign) < 0x250:
        return sign
    return f"[{unicodedata.name(sign, 'sign').lower().replace('_', ' ')}]"


def tabular(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int], caption: str, label: str
) -> str:
    """A floating table; columns in `numbers` are flush right."""
    form = "".join("r" if at in numbers else "l" for at in range(len(columns)))
    body = [" & ".join(tex(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"  \centering",
            rf"  \caption{{{tex(caption)}}}",
            rf"  \label{{tab:{_label(label)}}}",
            rf"  \begin{{tabular}}{{{form}}}",
            r"    \toprule",
            "    " + " & ".join(tex(name) for name in columns) + r" \\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _label(text: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in text)
