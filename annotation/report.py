"""A study's results derived from its votes, as plain values that become JSON. Nothing is stored; nothing is printed.

A `block` is what one set of votes says: all, one criterion, one stratum, or those of annotators without a flag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from annotation import bootstrap, clustering, order
from annotation.agreement import agreement
from annotation.calibration import calibrate
from annotation.davidson import Fit, NoFit, fit
from annotation.planning import annotator_icc, prompt_icc
from annotation.ranks import ranking
from annotation.ratings import CONVENTIONS, LEVEL, Estimate, Rating, rate
from annotation.reliability import reliability
from annotation.scores import Scores
from annotation.stopping import advise
from annotation.style import control
from annotation.table import OVERALL, Outcomes, Votes, against, by_pair, by_system, coded, counted
from evals.stats import holm
from magicvideo.errors import unknown_name

FEW = 12
"""With fewer annotators or prompts than this an interval is wide and its 95 % approximate."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Options:
    base: str | None = None
    """Rate every other system against this one, as the paper does; None: each against all others."""
    raters: int | None = None
    """Planned votes on each prompt of a pair, for stopping; None: the fewest that a prompt has."""
    draws: int = bootstrap.DRAWS
    seed: int = 0
    level: float = LEVEL
    scores: Scores | None = None
    style: Sequence[str] = ()


def from_counts(counts: Mapping[str, tuple[int, int, int]]) -> Result:
    """System -> (good, same, bad). Nobody knows whose votes they were, so intervals take them as independent."""
    ratings = {name: rate(clustering.of_counts(*found)) for name, found in counts.items()}
    systems = {name: _system(rating, None) for name, rating in ratings.items()}
    _adjust([systems])
    note = "counts do not say who voted on what: intervals take votes as independent and are too narrow if they are not"
    return {
        "votes": sum(rating.n for rating in ratings.values()),
        "systems": systems,
        "warnings": [*order.unequal(ratings), *order.flips(ratings), note],
    }


def from_votes(frame: pd.DataFrame, options: Options) -> Result:
    """A tidy frame. Raises `InputError` for a base or a style metric that is not there.

    The first block is the criterion "overall", or the first by name where none is called so. Gold pairs and repeats are
    left out everywhere.
    """
    kept = counted(frame)
    by_criterion = {str(name): rows for name, rows in kept.groupby("criterion", observed=True, sort=True)}
    main = OVERALL if OVERALL in by_criterion else min(by_criterion)
    votes = coded(by_criterion[main])
    if options.base is not None and options.base not in votes.systems:
        raise unknown_name("system", options.base, votes.systems, "the votes")
    result: Result = {"criterion": main, **block(votes, options), **_people(votes, options)}
    result["criteria"] = {name: block(coded(rows), options) for name, rows in by_criterion.items() if name != main}
    result["strata"] = _strata(by_criterion[main], options)
    result["without_flagged"] = _without_flagged(by_criterion[main], options)
    _adjust([result["systems"], *(found["systems"] for found in result["criteria"].values())])
    _add_scores(result, votes, options)
    result["warnings"] += _doubled(kept) + _flag_warnings(result)
    return result


def block(votes: Votes, options: Options) -> Result:
    """Systems under every convention, and their ranking."""
    seen = list(by_system(votes) if options.base is None else against(votes, options.base))
    ratings, systems = dict[str, Rating](), dict[str, Result]()
    for name, outcomes in seen:
        shares = clustering.of_votes(outcomes)
        ratings[name] = rate(shares, options.level)
        drawn = bootstrap.intervals(
            outcomes, draws=options.draws, seed=options.seed, level=options.level, shares=shares
        )
        systems[name] = _system(ratings[name], drawn)
    ranked, notes = _ranking(votes, options)
    return {
        "votes": len(votes),
        "annotators": len(votes.annotators),
        "prompts": len(votes.prompts),
        "base": options.base,
        "systems": systems,
        "ranking": ranked,
        "warnings": [*order.flips(ratings), *notes, *_few(votes)],
    }


def _system(rating: Rating, drawn: Mapping[str, Estimate] | None) -> Result:
    shown = {name: rating.estimate(name) for name in CONVENTIONS}
    n = rating.n
    found: Result = {
        "good": rating.good,
        "same": rating.same,
        "bad": rating.bad,
        "n": n,
        "shares": {"good": rating.good / n, "same": rating.same / n, "bad": rating.bad / n},
        **{name: estimate.value for name, estimate in shown.items()},
        "intervals": {name: _span(estimate) for name, estimate in shown.items()},
        "bootstrap": None if drawn is None else {name: _span(estimate) for name, estimate in drawn.items()},
        "p": rating.p,
        "p_adjusted": None,
        "design_effect": rating.design_effect,
        "effective_n": rating.effective_n,
    }
    return found


def _span(estimate: Estimate) -> list[float] | None:
    return None if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]


def _estimate(estimate: Estimate) -> Result:
    return {"value": estimate.value, "interval": _span(estimate)}


def _adjust(families: list[dict[str, Result]]) -> None:
    """Holm over all systems of all blocks given."""
    entries = [entry for systems in families for entry in systems.values()]
    for entry, p in zip(entries, holm([entry["p"] for entry in entries]), strict=True):
        entry["p_adjusted"] = p


def _ranking(votes: Votes, options: Options) -> tuple[Result | None, list[str]]:
    try:
        found = fit(votes, level=options.level)
    except NoFit as reason:
        return None, [f"no ranking: {reason}"]
    notes = []
    if found.side_p is not None and found.side_p < 1 - options.level and found.side.value is not None:
        side = "left" if found.side.value > 0 else "right"
        odds = float(np.exp(abs(found.side.value)))
        notes = [f"the {side} video is preferred {odds:.2f} times as often among equals; the ranking allows for it"]
    return _fitted(found, options), notes


def _fitted(found: Fit, options: Options) -> Result:
    ranked = ranking(found, level=options.level, seed=options.seed)
    return {
        "systems": [{**asdict(place), "strength": _estimate(place.strength)} for place in ranked],
        "side": {**_estimate(found.side), "p": found.side_p},
        "tie": found.tie,
        "covariates": {name: _estimate(effect) for name, effect in found.covariates.items()},
        "log_likelihood": found.log_likelihood,
        "votes": found.n,
    }


def _people(votes: Votes, options: Options) -> Result:
    """Pairs with their stopping advice and what a next study can plan with, agreement, each annotator."""
    pairs = list(by_pair(votes))
    agreed = agreement(votes, draws=options.draws, seed=options.seed, level=options.level)
    return {
        "pairs": [_pair(names, outcomes, len(pairs), options) for names, outcomes in pairs],
        "agreement": {"alpha": _estimate(agreed.alpha), "units": agreed.units, "votes": agreed.votes},
        "annotator_reliability": [
            {**asdict(person), "agreement": _estimate(person.agreement)} for person in reliability(votes, options.level)
        ],
    }


def _pair(names: tuple[str, str], outcomes: Outcomes, pairs: int, options: Options) -> Result:
    rating = rate(clustering.of_votes(outcomes), options.level)
    return {
        "systems": list(names),
        **{name: value for name, value in _system(rating, None).items() if name not in ("bootstrap", "p_adjusted")},
        "stopping": asdict(advise(outcomes, raters=options.raters, alpha=1 - options.level, pairs=pairs)),
        "prompt_icc": prompt_icc(outcomes),
        "annotator_icc": annotator_icc(outcomes),
    }


def _strata(frame: pd.DataFrame, options: Options) -> dict[str, Result]:
    """Blocks of the prompts' strata; none where no vote names one."""
    found = {str(name): rows for name, rows in frame.groupby("stratum", observed=True, sort=True)}
    if set(found) == {""}:
        return {}
    return {name or "(none)": block(coded(rows), options) for name, rows in found.items()}


def _without_flagged(frame: pd.DataFrame, options: Options) -> Result | None:
    """The block without annotators of whom any vote is flagged; None where none is."""
    people = frame.loc[frame["flagged"], "annotator"].unique()
    if not len(people):
        return None
    kept = frame[~frame["annotator"].isin(people)]
    left_out = {"left_out": sorted(str(name) for name in people)}
    return {**left_out, **block(coded(kept), options)} if len(kept) else {**left_out, "votes": 0, "systems": {}}


def _add_scores(result: Result, votes: Votes, options: Options) -> None:
    if options.scores is None:
        return
    result["calibration"] = [
        {
            **asdict(found),
            "agreement": _estimate(found.agreement),
            "spearman": _estimate(found.spearman),
            "pearson": _estimate(found.pearson),
        }
        for found in calibrate(votes, options.scores, draws=options.draws, seed=options.seed, level=options.level)
    ]
    if options.style:
        try:
            styled = control(votes, options.scores, options.style, options.level)
        except NoFit as reason:
            result["style"] = None
            result["warnings"].append(f"no style-controlled ranking: {reason}")
            return
        result["style"] = {
            "plain": _fitted(styled.plain, options),
            "controlled": _fitted(styled.controlled, options),
            "votes": styled.votes,
            "left_out": styled.left_out,
        }


def _few(votes: Votes) -> list[str]:
    found = []
    for names, what, others in ((votes.annotators, "annotator", "people"), (votes.prompts, "prompt", "prompts")):
        if len(names) == 1:
            found.append(f"one {what} only: intervals say nothing about other {others}")
        elif len(names) < FEW:
            found.append(f"only {len(names)} {what}s: intervals are wide (t with few degrees) and approximate")
    return found


def _doubled(frame: pd.DataFrame) -> list[str]:
    """Votes that repeat an annotator's earlier vote without being marked as such."""
    votes = coded(frame)
    first, second = np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right)
    k = len(votes.systems)
    key = ((votes.annotator * len(votes.prompts) + votes.prompt) * k + first) * k + second
    criterion = frame["criterion"].cat.codes.to_numpy().astype(np.int64)
    twice = len(key) - len(np.unique(key * (int(criterion.max()) + 1) + criterion))
    if not twice:
        return []
    return [f"{twice:,} votes repeat the annotator's own on the same pair; mark wanted repeats in 'repeat_of'"]


def _flag_warnings(result: Result) -> list[str]:
    """A sentence if leaving out flagged annotators changes the order of systems by net win."""
    without = result["without_flagged"]
    if not without or not without["systems"]:
        return []
    orders = [_by_net(systems) for systems in (result["systems"], without["systems"])]
    if orders[0] == orders[1]:
        return []
    shown = [" > ".join(names) for names in orders]
    return [f"without flagged annotators the order by net win changes: {shown[0]} becomes {shown[1]}"]


def _by_net(systems: Mapping[str, Result]) -> list[str]:
    return sorted(systems, key=lambda name: -round(systems[name]["net"], 9))
