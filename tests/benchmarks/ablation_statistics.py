"""Do an ablation's effects keep their promises? Simulated runs with known effects; prints, judges nothing.

    python tests/benchmarks/ablation_statistics.py [--runs 500]

Each run: a grid's scores with prompts that differ, prompts on which an arm acts differently, two seeds, and noise;
values that are continuous, skewed, or 0 and 1. Told are the bias of each effect in standard errors of the mean over
runs, the share of 95 % intervals that hold the truth, and the share of runs without any true effect in which some
verdict claims one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablations.effects import Effect, effects, interactions
from evals.stats import CLAIMS, wilson

Row = dict[str, Any]
KINDS: dict[str, Callable[[np.random.Generator, float, float], float]] = {
    "continuous": lambda rng, level, effect: level + effect + rng.normal(),
    "skewed": lambda rng, level, effect: effect + float(np.exp(0.5 * level + 0.4 * rng.normal())),
    "0 or 1": lambda rng, level, effect: float(rng.uniform() < min(1.0, max(0.0, 0.5 + 0.08 * level + effect))),
}
TRUE = {"continuous": 0.4, "skewed": 0.3, "0 or 1": -0.15}


@dataclass(frozen=True)
class Design:
    """A run's record without anything that effects do not read, and each arm's share of the true effects."""

    name: str
    run: Row
    share: dict[str, float]
    """Arm -> by how much of a metric's true effect it differs from the full model."""
    truths: dict[str, float]
    """Effect's arm -> the share of the true effect that it estimates."""
    read: Callable[[list[Row], Row], list[Effect]]


def leave_one_out() -> Design:
    arms = [{"name": n, "switch": None} for n in ("full", "a", "b", "c", "d")]
    share = {"full": 0.0, "a": 1.0, "b": 0.5, "c": 0.0, "d": -1.0}
    return Design("leave one out", _run(arms), share, {k: v for k, v in share.items() if k != "full"}, effects)


def factorial() -> Design:
    arms, share = [], {}
    for off in ([], ["x"], ["y"], ["z"], ["x", "y"], ["x", "z"], ["y", "z"], ["x", "y", "z"]):
        name = "+".join(off) or "full"
        arms.append({"name": name, "switch": None, "off": off})
        share[name] = 0.8 * ("x" in off) - 0.3 * ("y" in off) + 0.4 * ("x" in off and "y" in off)
    mains = {"without x": 1.0, "without y": -0.1, "without z": 0.0}
    pairs = {"x x y": 0.4, "x x z": 0.0, "y x z": 0.0}
    return Design("factorial", _run(arms), share, mains | pairs, lambda s, r: [*effects(s, r), *interactions(s, r)])


def _run(arms: list[Row]) -> Row:
    return {"base": "full", "arms": arms, "metrics": {kind: {"higher_is_better": True} for kind in KINDS}, "grid": {}}


def simulate(design: Design, rng: np.random.Generator, prompts: int, size: float, seeds: int = 2) -> list[Row]:
    """Scores of one run. `size` scales the true effects: 0 for a run in which nothing does anything."""
    made = list[Row]()
    for p in range(prompts):
        level, own = rng.normal(), {arm: 0.3 * rng.normal() for arm in design.share}
        for kind, draw in KINDS.items():
            for arm, share in design.share.items():
                # An arm acts differently on each prompt; on 0 and 1 less, so that no share leaves [0, 1].
                effect = size * share * TRUE[kind] + (
                    0.0 if arm == "full" else own[arm] * (0.1 if kind == "0 or 1" else 1)
                )
                for seed in range(seeds):
                    value = draw(rng, level, effect)
                    made.append({"arm": arm, "metric": kind, "prompt_id": f"p{p}", "seed": seed, "value": value})
    return made


@dataclass(frozen=True)
class Kept:
    """Over runs: the mean error in its standard errors, and how many intervals of how many held the truth."""

    bias: float
    held: int
    of: int


def coverage(design: Design, runs: int, prompts: int, seed: int = 0) -> dict[str, Kept]:
    """Kind of values -> bias and coverage over all effects of all runs."""
    rng = np.random.default_rng(seed)
    errors = {kind: np.zeros(runs) for kind in KINDS}
    held, of = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for n in range(runs):
        for e in design.read(simulate(design, rng, prompts, 1.0), design.run):
            truth = design.truths[e.arm] * TRUE[e.metric]
            assert e.difference is not None
            assert e.low is not None
            assert e.high is not None
            errors[e.metric][n] += e.difference - truth
            held[e.metric] += e.low <= truth <= e.high
            of[e.metric] += 1
    return {
        kind: Kept(float(some.mean() / (some.std(ddof=1) / runs**0.5)), held[kind], of[kind])
        for kind, some in errors.items()
    }


def alarms(design: Design, runs: int, prompts: int, seed: int = 1) -> int:
    """Runs of so many without any true effect in which some corrected verdict claims one."""
    rng = np.random.default_rng(seed)
    return sum(
        any(e.verdict in CLAIMS for e in effects(simulate(design, rng, prompts, 0.0), design.run)) for _ in range(runs)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=500, help="simulated runs a line (default: 500)")
    arguments = parser.parse_args()
    print(f"{arguments.runs} simulated runs a line, two seeds; Wilson's 95 % interval in brackets")
    for design in (leave_one_out(), factorial()):
        for prompts in (12, 24, 96):
            report(design, prompts, arguments.runs)


def report(design: Design, prompts: int, runs: int) -> None:
    head = f"{design.name}, {prompts} prompts"
    for kind, kept in coverage(design, runs, prompts).items():
        bias = f"mean error {kept.bias:+.1f} of its standard errors"
        print(f"{head}, {kind}: truth in {_share(kept.held, kept.of)} of {kept.of} intervals; {bias}")
    print(f"{head}, no effect: {_share(alarms(design, runs, prompts), runs)} of runs claim one")


def _share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{100 * count / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
