"""When to stop: an e-value that may be looked at after every vote.

Each prompt gives one outcome, the sign of its votes, settled once and for all when it has as many votes as planned.
If neither system were better, decided prompts would go either way with probability 1/2, and

    e = B(1/2 + w, 1/2 + n - w) / (B(1/2, 1/2) * 0.5^n)

(w of n decided prompts won, B the beta function) would be a martingale of mean 1: the chance that it ever reaches
1/alpha is at most alpha (Ville's inequality). So e >= 20 may stop a study at 5 %, whenever it is seen; a z-test looked
at after every vote raises 46 % false alarms. With several pairs of systems the bar is pairs / alpha.

What it assumes: prompts are independent. Votes of one person on many prompts are so only as far as people do not lean
to one *system* regardless of prompt; many annotators with few votes each keep that small.
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
    lost: int
    tied: int
    unsettled: int
    """Prompts with fewer votes than planned."""
    e: float
    """Now."""
    peak: float
    """The largest e so far: it may be acted on as well."""
    stop: bool
    """peak >= bar."""
    bar: float


def e_values(won: Ints, n: Ints) -> Floats:
    """e for w won of n decided prompts, elementwise; 1 for none. Capped at 1e300."""
    logs = betaln(0.5 + won, 0.5 + n - won) - betaln(0.5, 0.5) + n * np.log(2)
    found: Floats = np.exp(np.minimum(logs, np.log(1e300)))
    return found


def settled(outcomes: Outcomes, raters: int) -> tuple[Ints, int]:
    """Signs of the prompts that have `raters` votes, in the order in which they got them, and how many have fewer.

    Rows of `outcomes` are in the order of their arrival; votes beyond `raters` on a prompt are not counted here.
    """
    order = np.argsort(outcomes.prompt, kind="stable")
    prompt = outcomes.prompt[order]
    starts = np.flatnonzero(np.diff(prompt, prepend=-1))
    place = np.arange(len(prompt)) - np.repeat(starts, np.diff(np.append(starts, len(prompt))))
    full = starts[np.diff(np.append(starts, len(prompt))) >= raters]
    sums = np.add.reduceat(np.where(place < raters, outcomes.outcome[order], 0), starts) if len(starts) else starts
    signs = np.sign(sums[np.isin(starts, full)])
    arrival = order[full + raters - 1]
    return signs[np.argsort(arrival)].astype(np.int64), len(starts) - len(full)


def advise(outcomes: Outcomes, *, raters: int | None = None, alpha: float = ALPHA, pairs: int = 1) -> Stopping:
    """What one pair's votes say so far. `raters` None takes the smallest number of votes that a prompt has.

    That default suits a study that is over; one that runs must give the planned number, or outcomes are not final.
    """
    if raters is None:
        sizes = np.bincount(outcomes.prompt)
        raters = int(sizes[sizes > 0].min())
    signs, unsettled = settled(outcomes, raters)
    decided = signs[signs != 0]
    path = e_values(np.cumsum(decided > 0), np.arange(1, len(decided) + 1))
    peak, bar = float(path.max(initial=1.0)), pairs / alpha
    return Stopping(
        won=int((signs > 0).sum()),
        lost=int((signs < 0).sum()),
        tied=int((signs == 0).sum()),
        unsettled=unsettled,
        e=float(path[-1]) if len(path) else 1.0,
        peak=peak,
        stop=peak >= bar,
        bar=bar,
    )
