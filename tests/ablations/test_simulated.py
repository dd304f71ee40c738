"""The short form of tests/benchmarks/ablation_statistics.py: on simulated runs the effects keep their promises.

Bounds are those of chance: 40 runs leave a coverage of 95 % within 90 to 99 %, and at most 6 alarms of 5 %.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "ablation_statistics.py"
RUNS = 40


@pytest.fixture(scope="module")
def simulated() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablation_statistics", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ablation_statistics"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("design", ["leave_one_out", "factorial"])
def test_estimates_are_unbiased_and_intervals_hold_the_truth(simulated: ModuleType, design: str) -> None:
    found = simulated.coverage(getattr(simulated, design)(), RUNS, prompts=20)
    assert set(found) == {"continuous", "skewed", "0 or 1"}
    for kind, kept in found.items():
        assert abs(kept.bias) < 3.5, kind
        assert 0.9 <= kept.held / kept.of <= 0.99, kind


@pytest.mark.parametrize("design", ["leave_one_out", "factorial"])
def test_arms_that_do_not_differ_are_hardly_ever_told_apart(simulated: ModuleType, design: str) -> None:
    assert simulated.alarms(getattr(simulated, design)(), RUNS, prompts=20) <= 6
