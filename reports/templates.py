"""The pages' templates, style and scripts, and the engine that fills them."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ablations.summary import capital
from reports.tables import number, p_value
from reports.words import plural, seconds

ASSETS = Path(__file__).parent / "assets"


def environment() -> Environment:
    """Templates that escape every text and know our ways of writing numbers."""
    made = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"num": number, "p": p_value, "plural": plural, "seconds": seconds, "capital": capital}
    return made
