"""The suites by name. Adding a metric is one line in the suite that shows it."""

from __future__ import annotations

from evals.suite import Suite
from evals.suites.packaged import PACKAGED
from evals.suites.pocket import POCKET
from evals.suites.standard import STANDARD
from evals.suites.style import STYLE
from evals.suites.truth import TRUTH
from magicvideo.errors import unknown_name

__all__ = ["PACKAGED", "POCKET", "STANDARD", "STYLE", "SUITES", "TRUTH", "Suite", "find"]

SUITES = {suite.name: suite for suite in (POCKET, TRUTH, STYLE, PACKAGED, STANDARD)}


def find(suite: str | Suite) -> Suite:
    """A suite by name, or itself. Raises `InputError` for an unknown name."""
    if isinstance(suite, Suite):
        return suite
    if suite not in SUITES:
        raise unknown_name("suite", suite, SUITES)
    return SUITES[suite]
