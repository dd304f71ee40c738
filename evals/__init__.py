"""Scores any folder of videos, ours or not, and says how sure it is. Importing this does not import torch."""

from evals.metric import Metric, Score
from evals.runner import Evaluation, Item, Row, evaluate
from evals.suites import SUITES, Suite

__all__ = ["SUITES", "Evaluation", "Item", "Metric", "Row", "Score", "Suite", "evaluate"]
