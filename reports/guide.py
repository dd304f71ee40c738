"""The documentation's page of each metric, with its sensitivity card where one was measured.

Read from the repository that this package was installed from; a copy without `docs/` has none.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs" / "metrics"
NAME = re.compile(r"[A-Za-z0-9_]{1,80}")


def names() -> list[str]:
    return sorted(path.stem for path in PAGES.glob("*.md"))


def page(name: str, folder: Path | None = None) -> str | None:
    """The page's text, its headings two levels lower and without pictures and links into the repository; None where
    there is none.

    A name from a run is only looked up if it could be a metric's.
    """
    path = (folder or PAGES) / f"{name}.md"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    text = re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
    return re.sub(r"^#", "###", text, flags=re.M)
