"""The long form of what the tests of studies' statistics hold in small: `make study-statistics`.

Coverage of intervals over simulated studies with leanings of annotators and prompts, rank intervals, false alarms when
a study is looked at as it goes, and how long a report on a million votes takes. Prints; judges nothing. Rates come with
Wilson's 95 % interval.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

sys.path.insert(0, str(Path(__file__).parents[1] / "annotation"))
from simulate import frame, study, truth

from annotation import bootstrap, clustering
from annotation.davidson import fit
from annotation.exchange import read_votes
from annotation.ranks import ranking
from annotation.ratings import CONVENTIONS, rate, values
from annotation.report import Options, from_votes
from annotation.stopping import advise
from annotation.table import Outcomes, by_pair
from evals.stats import wilson

DESIGNS: dict[str, dict[str, Any]] = {
    "61 annotators, 500 prompts, 6100 votes": {"annotators": 61, "prompts": 500, "votes": 6100},
    "30 annotators, 40 prompts, 600 votes": {"annotators": 30, "prompts": 40, "votes": 600},
    "20 annotators, 100 prompts, 1000 votes": {"annotators": 20, "prompts": 100, "votes": 1000},
    "8 annotators, 60 prompts, 480 votes": {"annotators": 8, "prompts": 60, "votes": 480},
    "6 annotators, 12 prompts, 72 votes": {"annotators": 6, "prompts": 12, "votes": 72},
    "30 annotators, 40 prompts, no leanings": {
        "annotators": 30, "prompts": 40, "votes": 600, "annotator_sd": 0.0, "prompt_sd": 0.0,
    },
}  # fmt: skip
ADVANTAGE = 0.5


def coverage(design: dict[str, Any], studies: int, seed: int) -> dict[str, int]:
    """How many intervals hold the truth: "clustered net", "bootstrap net", ..., "independent net", "strengths"."""
    known = {key: value for key, value in design.items() if key in ("annotator_sd", "prompt_sd")}
    shares = np.array(truth(ADVANTAGE, **known))
    true = {name: float(value) for name, value in values(shares).items()}
    hits = defaultdict[str, int](int)
    for number in range(studies):
        votes = study(np.random.default_rng([seed, number]), strengths=(ADVANTAGE, 0.0), **design)
        ((_, outcomes),) = by_pair(votes)
        counted = clustering.of_votes(outcomes)
        ways = {
            "clustered": rate(counted).estimate,
            "bootstrap": bootstrap.intervals(outcomes, shares=counted, draws=500, seed=number).__getitem__,
            "independent": rate(clustering.of_counts(*counted.counts)).estimate,
        }
        for way, estimate in ways.items():
            for name in CONVENTIONS:
                hits[f"{way} {name}"] += inside(estimate(name).low, true[name], estimate(name).high)
        fitted = fit(votes)
        error = fitted.error(np.array([1.0, -1.0]))
        assert error is not None
        half = clustering.quantile(fitted.df, 0.95) * error
        found = float(fitted.strengths[0] - fitted.strengths[1])
        hits["strengths"] += inside(found - half, float(np.log(shares[0] / shares[2])), found + half)
    return dict(hits)


def inside(low: float | None, value: float, high: float | None) -> bool:
    return low is not None and high is not None and low <= value <= high


def ranks_hold(studies: int, seed: int, **design: Any) -> int:
    """Studies in which every true rank lies in its interval."""
    strengths = (0.5, 0.3, 0.2, 0.0, -0.4)
    hits = 0
    for number in range(studies):
        votes = study(np.random.default_rng([seed, number]), strengths=strengths, **design)
        places = {place.system: place for place in ranking(fit(votes), draws=2000, seed=number)}
        hits += all(
            inside(places[name].best, true, places[name].worst) for true, name in enumerate(votes.systems, start=1)
        )
    return hits


def alarms(studies: int, seed: int, raters: int, **design: Any) -> dict[str, int]:
    """Studies of equal systems that are ever stopped by looking after every 50 votes; by a z-test after every vote."""
    hits = dict.fromkeys(("advice", "prompts alone", "z-test"), 0)
    for number in range(studies):
        votes = study(np.random.default_rng([seed, number]), **design)
        ((_, outcomes),) = by_pair(votes)
        looks = [advise(first(outcomes, n), raters=raters) for n in range(50, len(outcomes) + 1, 50)]
        hits["advice"] += any(look.stop for look in looks)
        hits["prompts alone"] += any(look.e_prompts >= look.bar for look in looks)
        signs = outcomes.outcome[outcomes.outcome != 0]
        ratios = np.abs(np.cumsum(signs)) / np.sqrt(np.arange(1, len(signs) + 1))
        hits["z-test"] += bool((ratios > 1.96)[10:].any())
    return hits


def first(outcomes: Outcomes, n: int) -> Outcomes:
    return Outcomes(outcomes.annotator[:n], outcomes.prompt[:n], outcomes.outcome[:n])


def million(rows: int) -> None:
    """Wall and processor seconds of reading and of the whole report, 20 systems, 200 annotators, 500 prompts."""
    rng = np.random.default_rng(0)
    votes = study(rng, annotators=200, prompts=500, votes=rows, strengths=tuple(np.linspace(0.5, -0.5, 20)))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.csv"
        arrow_csv.write_csv(pa.Table.from_pandas(frame(votes)), path)
        timed("read and check a CSV file", lambda: found.update(tidy=read_votes(path)))
    timed("report with 1000 draws", lambda: found.update(report=from_votes(found["tidy"], Options(draws=1000))))
    print(f"  {found['report']['votes']:,} votes, {len(found['report']['pairs'])} pairs")


def timed(what: str, work: Callable[[], object]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    print(f"  {what}: {time.perf_counter() - wall:.2f} s, {time.process_time() - processor:.2f} s of processor time")


def shown(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{hits / n:.1%} [{low:.1%}, {high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("coverage", "ranks", "alarms", "speed"))
    asked = parser.parse_args()
    n = asked.studies
    if asked.only in (None, "coverage"):
        for name, design in DESIGNS.items():
            print(f"coverage of 95 % intervals, {n} studies of {name}", flush=True)
            for what, hits in coverage(design, n, seed=1).items():
                print(f"  {what}: {shown(hits, n)}", flush=True)
    if asked.only in (None, "ranks"):
        for name, size in {"20 annotators, 60 prompts, 1500 votes": (20, 60, 1500), "8, 30, 600": (8, 30, 600)}.items():
            design = dict(zip(("annotators", "prompts", "votes"), size, strict=True))
            print(f"all true ranks of 5 systems in their intervals, {name}: {shown(ranks_hold(n, 2, **design), n)}")
    if asked.only in (None, "alarms"):
        for annotators, sd in ((200, 0.0), (200, 0.4), (60, 0.4), (20, 0.4), (8, 0.4)):
            for advantage in (0.0, 0.8):
                design = {"annotators": annotators, "prompts": 300, "votes": 1500, "annotator_sd": sd}
                found = alarms(n, 3, raters=3, strengths=(advantage, 0.0), **design)
                rates = ", ".join(f"{what} {shown(hits, n)}" for what, hits in found.items())
                print(f"stopped, {annotators} annotators leaning by {sd}, advantage {advantage}: {rates}", flush=True)
    if asked.only in (None, "speed"):
        print("a report on many votes")
        million(asked.votes)


if __name__ == "__main__":
    main()
