"""Studies with a known truth: annotators and prompts have leanings of their own, a threshold makes ties."""

from __future__ import annotations

import numpy as np
import pandas as pd

from annotation.table import Votes, coded, tidy


def study(
    rng: np.random.Generator,
    *,
    annotators: int = 30,
    prompts: int = 40,
    votes: int = 600,
    strengths: tuple[float, ...] = (0.0, 0.0),
    annotator_sd: float = 0.4,
    prompt_sd: float = 0.4,
    side: float = 0.0,
    tie: float = 0.4,
) -> Votes:
    """`votes` votes, each a random pair of systems on a random prompt by a random annotator.

    d = strength_left - strength_right + side + how far annotator and prompt lean + logistic noise; |d| < tie is Same.
    Leanings are drawn for each (annotator, system) and (prompt, system), so that they stay with the system.
    """
    k = len(strengths)
    person, prompt = rng.integers(annotators, size=votes), rng.integers(prompts, size=votes)
    left = rng.integers(k, size=votes)
    right = (left + rng.integers(1, k, size=votes)) % k
    value = (
        np.asarray(strengths)[None, None, :]
        + annotator_sd * rng.standard_normal((annotators, 1, k)) / np.sqrt(2)
        + prompt_sd * rng.standard_normal((1, prompts, k)) / np.sqrt(2)
    )
    d = value[person, prompt, left] - value[person, prompt, right] + side + rng.logistic(size=votes)
    choice = np.where(np.abs(d) < tie, 0, np.sign(d)).astype(np.int64)
    names = [tuple(f"{letter}{n:04d}" for n in range(size)) for letter, size in (("a", annotators), ("p", prompts))]
    systems = tuple(f"s{n:02d}" for n in range(k))
    return Votes(names[0], names[1], systems, person, prompt, left, right, choice)


def frame(votes: Votes) -> pd.DataFrame:
    """The same as rows of names, as a file would have them."""
    word = {1: "left", 0: "same", -1: "right"}
    return pd.DataFrame(
        {
            "annotator": np.array(votes.annotators)[votes.annotator],
            "prompt": np.array(votes.prompts)[votes.prompt],
            "left": np.array(votes.systems)[votes.left],
            "right": np.array(votes.systems)[votes.right],
            "choice": [word[int(choice)] for choice in votes.choice],
        }
    )


def again(votes: Votes) -> Votes:
    """Through names and back."""
    return coded(tidy(frame(votes)))


def truth(
    advantage: float, *, annotator_sd: float = 0.4, prompt_sd: float = 0.4, tie: float = 0.4
) -> tuple[float, float, float]:
    """Shares of Good, Same, Bad over all annotators and prompts that `study` may draw, sides balanced."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    d = advantage + np.hypot(annotator_sd, prompt_sd) * nodes
    weights = weights / weights.sum()
    good = float(weights @ (1 / (1 + np.exp(tie - d))))
    bad = float(weights @ (1 / (1 + np.exp(tie + d))))
    return good, 1 - good - bad, bad
