"""The documentation's page of each metric, and its sensitivity card where one was measured.

Both are read from the repository that this package was installed from; a copy without `docs/` has none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1] / "docs" / "metrics"
NAME = re.compile(r"[A-Za-z0-9_]{1,80}")


def names() -> list[str]:
    return sorted(path.stem for path in PAGES.glob("*.md"))


def page(name: str, folder: Path | None = None) -> str | None:
    """The page's text, its headings two levels lower; None where there is none.

    A name from a run is only looked up if it could be a metric's.
    """
    path = (folder or PAGES) / f"{name}.md"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    return re.sub(r"^#", "###", path.read_text(encoding="utf-8"), flags=re.M)


def card(name: str, folder: Path | None = None) -> list[dict[str, Any]] | None:
    """Rows of the sensitivity card `NAME.json` beside the page: a list of objects, one for each damage."""
    path = (folder or PAGES) / f"{name}.json"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return None
    rows = found.get("rows") if isinstance(found, dict) else found
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None
