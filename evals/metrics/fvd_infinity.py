"""FVD-infinity: the Frechet distance that infinitely many clips would have, extrapolated in 1/N (Chong & Forsyth 2020).

The reference set stays as it is: what its own size adds is in every value alike.
"""

from __future__ import annotations

from typing import Any

from evals.jackknife import FrechetWithout, Limit, extrapolate
from evals.metric import Metric, Total, Whole
from evals.metrics.fvd import LEAST, SHARE, VIDEO, embedding, groups_for, reference, stacked
from evals.states import Rows, Unscored
from evals.stats import Interval

ROWS_A_DIMENSION = 2
"""Below that the distance is no smooth function of 1/N: at N = D even its slope has another sign."""


def total(rows: Rows, whole: Whole) -> Total:
    """The limit and its interval, or why N is too small for one."""
    x, prompts, clips = stacked(rows)
    to = reference(whole, VIDEO.role)
    protocol = f"n={len(x)}|reference={'none' if isinstance(to, Unscored) else to[1]}|cov=N-1|jackknife+halves"
    if isinstance(to, Unscored):
        return Total(to, protocol)
    least = max(LEAST, ROWS_A_DIMENSION * to[0].root.shape[1])
    if clips < least:
        return Total(Unscored(f"a set of {clips} clip(s); extrapolating needs at least {least} (twice the dimensions)"))
    if len(set(prompts)) < LEAST:
        return Total(Unscored(f"{len(set(prompts))} prompt(s); an interval needs at least {LEAST}"), protocol)
    found = extrapolate(FrechetWithout(x, to[0]), groups_for(x, prompts))
    reach = found.reach or 0.0
    interval = Interval(found.value, found.value - reach, found.value + reach, clips, len(set(prompts)))
    return Total(interval, protocol, needed(found))


def needed(found: Limit) -> str:
    """What the plain distance is off by, and how many clips a precision of 5 % takes."""
    said = f"at {found.n} clips the plain distance is {found.bias:.3g} higher"
    if found.reach is None or found.value <= found.reach:
        return f"{said}; the sets are not told apart"
    bias, reach = found.clips_for_bias(SHARE * found.value), found.clips_for_reach(SHARE * found.value)
    return f"{said}, below {SHARE:.0%} from {bias} clips on; an interval of +-{SHARE:.0%} here takes {reach} clips"


def infinity_metric(name: str, title: str, definition: str, **others: Any) -> Metric:
    """The limit on the features of the suite's role `video`."""
    return Metric(
        name=name,
        title=title,
        unit="squared distance",
        higher_is_better=False,
        reads="the distance that infinitely many clips would have; sets of unlike sizes may be compared",
        definition=definition,
        needs=(VIDEO,),
        value=embedding,
        total=total,
        **others,
    )


METRIC = infinity_metric(
    "fvd_infinity", "FVD-infinity (I3D)", "Frechet distance of I3D logits at 1/N = 0, float64", min_frames=10
)
