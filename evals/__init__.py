"""Scores any folder of videos, ours or not, and says how sure it is. Importing this does not import torch.

Names are looked up at first use, so that a part (the decoder's child process) starts without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.measure import Item
    from evals.metric import Metric, Score
    from evals.runner import Evaluation, Row, evaluate
    from evals.suite import Suite
    from evals.suites import SUITES

__all__ = ["SUITES", "Evaluation", "Item", "Metric", "Row", "Score", "Suite", "evaluate"]

_HOMES = {"Metric": "metric", "Score": "metric", "SUITES": "suites", "Suite": "suite", "Item": "measure"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'runner')}"), name)
