"""When to stop: an e-value that may be looked at after every vote.

Each prompt gives one outcome, the sign of its votes, settled once and for all when it has as many votes as planned.
If neither system were better, decided prompts would go either way with probability 1/2, and

    e = B(1/2 + w, 1/2 + n - w) / (B(1/2, 1/2) * 0.5^n)

(w of n decided prompts won, B the beta function) would be a martingale of mean 1: the chance that it ever reaches
1/alpha is at most alpha (Ville's inequality). So e >= 20 may stop a study at 5 %, whenever it is seen; a z-test looked
at after every vote raises 46 % false alarms. With several pairs of systems the bar is pairs / alpha.

That takes prompts as independent, which they are not if people lean to one *system* whatever the prompt: with 20 people
who do, one study of equal systems in ten was stopped. So the same e is computed over annotators, each with one outcome,
the sign of their first votes on the pair, and a study stops only when both have reached the bar. Fewer than seven
annotators never can: too few to tell a better system from their own taste.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from annotation.clustering import Floats
from annotation.table import Ints, Outcomes

ALPHA = 0.05


@dataclass(frozen=True)
class Stopping:
    won: int
    """Prompts."""
    lost: int
    tied: int
    unsettled: int
    """Prompts with fewer votes than planned."""
    e_prompts: float
    """The largest so far, as are the following: having reached the bar once is enough."""
    e_annotators: float
    peak: float
    """The smaller of the two."""
    stop: bool
    """peak >= bar."""
    bar: float


def e_values(won: Ints, n: Ints) -> Floats:
    """e for w won of n decided prompts, elementwise; 1 for none. Capped at 1e300."""
    logs = betaln(0.5 + won, 0.5 + n - won) - betaln(0.5, 0.5) + n * np.log(2)
    found: Floats = np.exp(np.minimum(logs, np.log(1e300)))
    return found


def settled(cluster: Ints, outcome: Ints, size: int) -> tuple[Ints, int]:
    """Signs of the clusters that have `size` votes, in the order in which they got them, and how many have fewer.

    Rows are in the order of their arrival; votes beyond `size` in a cluster are not counted.
    """
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    lengths = np.diff(np.append(starts, len(order)))
    place = np.arange(len(order)) - np.repeat(starts, lengths)
    sums = np.add.reduceat(np.where(place < size, outcome[order], 0), starts)
    full = lengths >= size
    arrival = order[starts[full] + size - 1]
    return np.sign(sums[full])[np.argsort(arrival)].astype(np.int64), int((~full).sum())


def advise(outcomes: Outcomes, *, raters: int | None = None, alpha: float = ALPHA, pairs: int = 1) -> Stopping:
    """What one pair's votes, in the order of their arrival, say so far.

    `raters` None takes the smallest number of votes that a prompt has. That suits a study that is over; one that runs
    must give the planned number, or outcomes are not final. An annotator's outcome is settled after as many votes as
    half of the annotators have cast on the pair.
    """
    raters = int(_sizes(outcomes.prompt).min()) if raters is None else raters
    each = int(np.quantile(_sizes(outcomes.annotator), 0.5, method="lower"))
    signs, unsettled = settled(outcomes.prompt, outcomes.outcome, raters)
    people, _ = settled(outcomes.annotator, outcomes.outcome, each)
    e_prompts, e_annotators, bar = _peak(signs), _peak(people), pairs / alpha
    return Stopping(
        won=int((signs > 0).sum()),
        lost=int((signs < 0).sum()),
        tied=int((signs == 0).sum()),
        unsettled=unsettled,
        e_prompts=e_prompts,
        e_annotators=e_annotators,
        peak=min(e_prompts, e_annotators),
        stop=min(e_prompts, e_annotators) >= bar,
        bar=bar,
    )


def _sizes(cluster: Ints) -> Ints:
    sizes = np.bincount(cluster)
    found: Ints = sizes[sizes > 0]
    return found


def _peak(signs: Ints) -> float:
    """The largest e on the way, 1 at the start."""
    decided = signs[signs != 0]
    return float(e_values(np.cumsum(decided > 0), np.arange(1, len(decided) + 1)).max(initial=1.0))
