"""Every metric has a page that says how to read it, and no page lacks its metric."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import evals.metrics
from evals import cards
from evals.metric import Metric
from evals.suites import SUITES

PAGES = Path(__file__).parents[2] / "docs" / "metrics"
SECTIONS = ["Definition", "Source", "Range", "Direction", "How to read it", "Known biases", "Sensitivity"]
MODULES = [import_module(f"evals.metrics.{module.name}") for module in iter_modules(evals.metrics.__path__)]
DEFINED = [value for module in MODULES for value in vars(module).values() if isinstance(value, Metric)]
METRICS = {metric.name: metric for metric in (*(m for s in SUITES.values() for m in s.metrics), *DEFINED)}
DIRECTIONS = {True: "Higher is better", False: "Lower is better", None: "Neither"}


def test_every_metric_has_a_page_and_every_page_a_metric() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_page_has_all_sections_filled_and_agrees_with_the_metric(metric: Metric) -> None:
    text = (PAGES / f"{metric.name}.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$\n", text, flags=re.MULTILINE)
    assert parts[0].strip() == f"# {metric.title} (`{metric.name}`)"
    assert parts[1::2] == SECTIONS
    assert all(len(body.strip()) > 15 for body in parts[2::2])
    assert parts[8].strip().startswith(DIRECTIONS[metric.higher_is_better])
    assert f"({metric.unit})" in parts[6]


@pytest.mark.parametrize(("path", "expected"), [*cards.pages()], ids=lambda found: getattr(found, "stem", ""))
def test_a_pages_sensitivity_is_what_was_measured(path: Path, expected: str) -> None:
    assert path.read_text(encoding="utf-8") == expected, "run `make sensitivity-cards`"


def test_metrics_have_what_a_report_shows() -> None:
    assert all(len(set(suite.names)) == len(suite.metrics) for suite in SUITES.values())
    for metric in METRICS.values():
        assert set(metric.describe()) == {"title", "unit", "higher_is_better", "reads"}
        assert all(metric.describe()[key] for key in ("title", "unit", "reads"))
        assert "|" not in metric.definition, "the protocol id's separator"
