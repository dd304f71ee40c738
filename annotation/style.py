"""A ranking with style held equal: strengths beside the effect of what is measured on the videos.

Covariates (motion magnitude, sharpness, duration, saturation, or any metric with a value for each system and prompt)
enter Davidson's model as differences left - right, in units of their standard deviation over videos. A system that wins
only because its videos move more loses its lead here. What a covariate takes with it depends on what it is a sign of:
read both rankings together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.clustering import Floats
from annotation.davidson import Fit, NoFit, fit
from annotation.ratings import LEVEL
from annotation.scores import Scores
from annotation.table import Votes


@dataclass(frozen=True)
class Styled:
    """Both fits are on the same votes: those whose two videos have every covariate."""

    plain: Fit
    controlled: Fit
    votes: int
    left_out: int


def control(votes: Votes, scores: Scores, names: Sequence[str], level: float = LEVEL) -> Styled:
    """Raises `InputError` for a metric that is not there, and `NoFit` where one is constant or votes are too few."""
    raw = {name: scores.matrix(name, votes.systems, votes.prompts) for name in names}
    rows = np.ones(len(votes), dtype=bool)
    for values in raw.values():
        rows &= np.isfinite(values[votes.left, votes.prompt]) & np.isfinite(values[votes.right, votes.prompt])
    if not rows.any():
        raise NoFit(f"no vote has {', '.join(names)} for both of its videos; do the prompts' names agree?")
    kept = votes.take(rows)
    scaled = {name: _standardised(values, name) for name, values in raw.items()}
    controlled = fit(kept, covariates=scaled, level=level)
    return Styled(fit(kept, level=level), controlled, int(rows.sum()), int((~rows).sum()))


def _standardised(values: Floats, name: str) -> Floats:
    spread = float(np.nanstd(values))
    if spread == 0:
        raise NoFit(f"{name} is the same for every video; leave it out")
    found: Floats = np.nan_to_num((values - np.nanmean(values)) / spread)
    return found
