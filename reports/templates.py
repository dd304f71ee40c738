"""The pages' templates, style and scripts, and the engine that fills them."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ablations.summary import capital, is_setting
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
    made.filters["named"] = named
    return made


def named(title: str) -> Markup:
    """An arm's title, which may be written right to left. A setting (`i2v.steps=5`) breaks where its parts end."""
    if not is_setting(title):
        return Markup("<bdi>{}</bdi>").format(title)
    return Markup('<bdi class="setting">{}</bdi>').format(
        Markup("<wbr>").join(re.split(r"(?<=[._])(?!\d)|(?==)", title))
    )
