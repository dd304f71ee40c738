"""The long form of what tests/evals/test_stats.py holds in small: `make statistics`. Prints; judges nothing.

Every data set is simulated with a known truth and noise that hangs together within prompts. Rates come with Wilson's
95 % interval.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from evals import stats
from evals.stats.changes import change_points
from evals.stats.correlations import kendall, spearman

Floats = NDArray[np.float64]
Rng = np.random.Generator


def clustered(rng: Rng, groups: int, kind: str = "normal") -> tuple[Floats, list[int]]:
    """Values in clusters of 2 to 5, half of their variance between clusters, and the clusters' labels.

    Of mean 0, except "0/1" (2/3) and "skewed" (2, sums of exponentials).
    """
    labels = np.repeat(np.arange(groups), rng.integers(2, 6, size=groups))
    if kind == "0/1":
        return (rng.random(len(labels)) < rng.beta(2, 1, size=groups)[labels]).astype(float), labels.tolist()
    draw: Callable[..., Floats] = rng.exponential if kind == "skewed" else rng.normal
    return draw(size=groups)[labels] + draw(size=len(labels)), labels.tolist()


TRUTH = {"normal": 0.0, "0/1": 2 / 3, "skewed": 2.0}


def interval_covers(rng: Rng, groups: int, kind: str) -> bool:
    values, labels = clustered(rng, groups, kind)
    found = stats.interval(values, labels, binary=kind == "0/1", scale=(0, 1) if kind == "0/1" else (None, None))
    return inside(found.low, TRUTH[kind], found.high)


def difference_covers(rng: Rng, groups: int) -> bool:
    base, labels = clustered(rng, groups)
    candidate = base + 0.3 + 0.5 * rng.normal(size=groups)[labels] + 0.5 * rng.normal(size=len(base))
    found = stats.paired(base, candidate, labels)
    return inside(found.low, 0.3, found.high)


def alarm(rng: Rng, groups: int, metrics: int = 20) -> bool:
    """Two equal arms: whether any of the metrics, which resemble each other, is claimed to differ after Holm."""
    _, labels = clustered(rng, groups)
    shared = rng.normal(size=groups)[labels] + rng.normal(size=len(labels))
    found = []
    for _ in range(metrics):
        base, noise = shared + rng.normal(size=len(labels)), 0.5 * rng.normal(size=groups)[labels]
        found.append(stats.paired(base, base + noise + 0.5 * rng.normal(size=len(labels)), labels))
    adjusted = stats.holm([d.p for d in found])
    verdicts = [stats.judged(d.low, d.high, p, 0.0, True) for d, p in zip(found, adjusted, strict=True)]
    return any(v in stats.CLAIMS for v in verdicts)


def falsely_equivalent(rng: Rng, groups: int, by_verdict: bool) -> bool:
    """A true difference of just the margin, called equivalent: by TOST at 5 %, or by the verdict's 95 % interval."""
    margin = 0.3
    base, labels = clustered(rng, groups)
    candidate = base + margin + 0.3 * rng.normal(size=groups)[labels] + 0.3 * rng.normal(size=len(base))
    if not by_verdict:
        p = stats.equivalence(base, candidate, labels, margin).p
        return p is not None and p <= 0.05
    found = stats.paired(base, candidate, labels)
    return stats.verdict(found.low, found.high, margin, True) == "equivalent"


def shows(rng: Rng, groups: int, margin: float) -> bool:
    """A true difference of the detectable size for normal per-prompt differences of sd 1, claimed at p <= 5 %."""
    size = stats.detectable(1 / np.sqrt(groups), groups, margin=margin)
    found = stats.paired(np.zeros(groups), rng.normal(size, 1, groups), range(groups))
    return found.p is not None and found.p <= 0.05 and found.value >= margin


def settles(rng: Rng, margin: float) -> bool:
    """Equal arms of as many prompts as `clusters_to_settle` asks for, called equivalent."""
    groups = stats.clusters_to_settle(1.0, margin)
    found = stats.paired(np.zeros(groups), rng.normal(0, 1, groups), range(groups))
    return stats.verdict(found.low, found.high, margin, True) == "equivalent"


def correlation_covers(rng: Rng, groups: int, measure: str, rho: float) -> bool:
    """Normal pairs, three in a cluster: the true rho is 6/pi asin(r/2), the true tau 2/pi asin(r)."""
    labels = np.repeat(np.arange(groups), 3)
    noise = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=groups)[labels]
    both = (noise + rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=len(labels))) / np.sqrt(2)
    truth = 6 / np.pi * np.arcsin(rho / 2) if measure == "spearman" else 2 / np.pi * np.arcsin(rho)
    found = {"spearman": spearman, "kendall": kendall}[measure](*both.T, labels.tolist(), draws=300)
    return inside(found.low, float(truth), found.high)


def change_found(rng: Rng, runs: int, tau: float, jump: float) -> bool:
    """A history with errors between 0.5 and 2 and run-to-run noise `tau`; `jump` in units of the usual deviation."""
    errors = rng.uniform(0.5, 2, runs)
    values = rng.normal(size=runs) * np.sqrt(errors**2 + tau**2)
    values[runs // 2 :] += jump * np.sqrt(1.75 + tau**2)
    found = change_points(values, errors, draws=1000, seed=int(rng.integers(2**31)))
    return any(abs(shift.index - runs // 2) <= 1 for shift in found) if jump else bool(found)


def inside(low: float | None, value: float, high: float | None) -> bool:
    return low is not None and high is not None and low <= value <= high


Row = tuple[str, str, Callable[[Rng], bool]]


def rows() -> Iterator[Row]:
    """(what is simulated, the event that is counted, one simulation)."""
    for kind, g in product(TRUTH, (6, 12, 40)):
        yield (
            f"95 % interval of a mean, {kind} values, {g} prompts",
            COVERS,
            partial(interval_covers, groups=g, kind=kind),
        )
    for g in (6, 12, 40):
        yield f"95 % interval of a difference, {g} prompts", COVERS, partial(difference_covers, groups=g)
    for g in (12, 40):
        yield f"20 metrics of equal arms, {g} prompts, Holm", ALARM, partial(alarm, groups=g)
    for name, by_verdict in (("TOST", False), ("verdict", True)):
        for g in (6, 12, 40):
            what = f"{name} at a true difference of the margin, {g} prompts"
            yield what, "equivalent", partial(falsely_equivalent, groups=g, by_verdict=by_verdict)
    for g in (8, 12, 40):
        yield f"the detectable difference, {g} prompts", "found", partial(shows, groups=g, margin=0.0)
    yield "the detectable difference beyond a margin, 40 prompts", "found", partial(shows, groups=40, margin=0.4)
    for margin in (0.3, 1.0):
        yield f"equal arms, prompts enough for a margin of {margin} sd", "equivalent", partial(settles, margin=margin)
    for measure, (g, rho) in product(("spearman", "kendall"), ((10, 0.5), (40, 0.5), (40, 0.9))):
        happens = partial(correlation_covers, groups=g, measure=measure, rho=rho)
        yield f"{measure} of {rho}, {g} clusters of 3", COVERS, happens
    for n, tau in product((6, 10, 30), (0.0, 0.5, 2.0)):
        what = f"history of {n} runs without a change, tau {tau}"
        yield what, ALARM, partial(change_found, runs=n, tau=tau, jump=0.0)
    for n, jump in ((6, 4), (10, 4), (30, 2), (30, 4)):
        what = f"history of {n} runs, a jump of {jump} deviations halfway"
        yield what, "found within one run", partial(change_found, runs=n, tau=0.5, jump=jump)


COVERS, ALARM = "covers the truth", "any alarm"
ROWS = tuple(rows())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=1000, help="simulated data sets a row")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    asked = parser.parse_args()
    print(f"| simulated, {asked.sets} data sets each | event | rate | 95 % interval |\n|---|---|---:|---:|")
    began = time.process_time()
    for number, (what, event, happens) in enumerate(ROWS):
        if asked.only in what:
            hits = sum(happens(np.random.default_rng([number, n])) for n in range(asked.sets))
            low, high = stats.wilson(hits, asked.sets)
            print(f"| {what} | {event} | {hits / asked.sets:.1%} | {low:.1%} to {high:.1%} |", flush=True)
    print(f"{time.process_time() - began:.0f} s of processor time", file=sys.stderr)


if __name__ == "__main__":
    main()
