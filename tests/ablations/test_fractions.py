"""Fractions of factorials: what they hold, what they confound, and what effects come out of them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ablations.effects import effects, interactions
from ablations.fractions import fraction
from ablations.grid import load_grid
from magicvideo.errors import InputError

KNOWN = {(3, 2): 3, (4, 2): 4, (5, 2): 5, (5, 4): 3, (6, 2): 6, (6, 4): 4, (7, 8): 4, (8, 4): 5, (8, 16): 4}
"""(factors, parts) -> the highest resolution there is (Box, Hunter & Hunter 2005, table 6.22)."""


@pytest.mark.parametrize(("factors", "parts"), KNOWN)
def test_the_best_resolution_is_found(factors: int, parts: int) -> None:
    found = fraction("ABCDEFGH"[:factors], parts)
    assert found.resolution == KNOWN[factors, parts]
    assert len(set(found.rows)) == 2**factors // parts
    assert (False,) * factors in found.rows, "the full model is an arm"


@pytest.mark.parametrize(("factors", "parts"), KNOWN)
def test_main_effects_are_orthogonal_to_each_other(factors: int, parts: int) -> None:
    signs = np.where(fraction("ABCDEFGH"[:factors], parts).rows, 1, -1)
    gram = signs.T @ signs
    assert (gram == len(signs) * np.eye(factors)).all(), "each half on, each half off, whatever the others do"


def test_aliases_are_what_the_arms_cannot_tell() -> None:
    found = fraction("ABCDE", 4)
    signs = {name: np.where([row[i] for row in found.rows], 1, -1) for i, name in enumerate(found.factors)}
    contrasts = {(a,): s for a, s in signs.items()}
    contrasts |= {(a, b): signs[a] * signs[b] for a, b in combinations("ABCDE", 2)}
    for effect, column in contrasts.items():
        same = sorted(o for o, other in contrasts.items() if o != effect and abs(int(column @ other)) == len(column))
        assert found.aliases(*effect) == same


@pytest.mark.parametrize(("factors", "parts", "word"), [(3, 4, "too few"), (4, 3, "power"), (6, 16, "apart")])
def test_what_cannot_be_is_refused(factors: int, parts: int, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        fraction("ABCDEFGH"[:factors], parts)


HEAD = "name: g\nprompts: [a red star]\n"
SWITCHES = "[noise_prior, appearance_encoder, controlnet, joint_training, v2v]"


def test_a_grid_asks_for_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(f"{HEAD}factorial: {SWITCHES}\nfraction: 1/2\n")
    grid = load_grid(path)
    assert len(grid.arms) == 16
    assert grid.arms[0].name == "full"
    assert {len(arm.off or ()) % 2 for arm in grid.arms} == {0}, "the words' five switches are off in even numbers"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("factorial: [v2v, controlnet]\nfraction: 1/2\n", ["line 4", "fraction", "too few"]),
        ("leave_one_out: [v2v]\nfraction: 1/2\n", ["line 4", "needs a factorial"]),
        ("factorial: [v2v, controlnet, joint_training]\nfraction: 1/3\n", ["line 4", "1/2", "1/3"]),
    ],
)
def test_a_wrong_fraction_is_answered_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(InputError) as error:
        load_grid(path)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_effects_of_a_fraction_are_those_of_the_whole() -> None:
    """Additive truth with one interaction: main effects come out, and the interaction is named with its alias."""
    design = fraction("ABCD", 2)
    arms = [
        {
            "name": "full" if not any(row) else f"arm{i}",
            "switch": None,
            "off": [f for f, o in zip("ABCD", row, strict=True) if o],
        }
        for i, row in enumerate(design.rows)
    ]
    run = {
        "base": "full",
        "arms": arms,
        "factors": list("ABCD"),
        "metrics": {"m": {"higher_is_better": True}},
        "grid": {"fraction": "1/2"},
    }
    size = {"A": -1.0, "B": 0.5, "C": 0.0, "D": 2.0}
    rng = np.random.default_rng(0)
    rows = [
        {
            "arm": arm["name"],
            "prompt_id": f"p{p}",
            "seed": 0,
            "metric": "m",
            "value": p + sum(size[f] for f in arm["off"]) + 0.8 * ("A" in arm["off"] and "B" in arm["off"]) + noise,
        }
        for p in range(12)
        for arm, noise in zip(arms, 0.01 * rng.normal(size=len(arms)), strict=True)
    ]
    found = {e.switch: e.difference for e in effects(rows, run)}
    assert found == pytest.approx({"A": -0.6, "B": 0.9, "C": 0.0, "D": 2.0}, abs=0.02)
    pairs = {e.arm: e.difference for e in interactions(rows, run)}
    assert pairs == pytest.approx({"A x B = C x D": 0.8, "A x C = B x D": 0.0, "A x D = B x C": 0.0}, abs=0.03)


def test_pairs_that_are_one_with_a_main_effect_are_left_out() -> None:
    design = fraction("ABC", 2)
    arms = [
        {
            "name": "full" if not any(row) else f"arm{i}",
            "switch": None,
            "off": [f for f, o in zip("ABC", row, strict=True) if o],
        }
        for i, row in enumerate(design.rows)
    ]
    run = {"base": "full", "arms": arms, "metrics": {"m": {"higher_is_better": True}}, "grid": {"fraction": "1/2"}}
    assert interactions([], run) == []
