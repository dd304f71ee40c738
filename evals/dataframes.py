"""An evaluation as pandas tables: one row per clip and metric, and one per metric with its interval."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from evals.runner import Evaluation

COLUMNS = ["item", "prompt_id", "metric", "value", "reason"]
SCORE = ["value", "low", "high", "n", "unscored", "unit", "higher_is_better", "protocol"]


def frame(evaluation: Evaluation) -> pd.DataFrame:
    """item, prompt_id, metric, value (float64, NaN where there is none), reason (None where there is a value).

    A metric of the whole set has rows only for the clips it could not use.
    """
    found = pd.DataFrame([asdict(row) for row in evaluation.rows], columns=COLUMNS)
    found["value"] = found["value"].astype("float64")
    found["reason"] = found["reason"].astype(object).where(found["reason"].notna(), None)
    return found


def summary(evaluation: Evaluation) -> pd.DataFrame:
    """Indexed by metric: value, low, high (NaN where there is none), n, unscored, unit, higher_is_better, protocol."""
    rows = {name: score.to_dict() for name, score in evaluation.scores.items()}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=SCORE)
    found.index.name = "metric"
    return found.astype({"value": "float64", "low": "float64", "high": "float64"})
