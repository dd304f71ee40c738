"""Server processes share a store and are killed in the middle: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "study_load.py"


@pytest.fixture(scope="module")
def study_load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_load", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["study_load"] = module
    spec.loader.exec_module(module)
    return module


def test_killed_servers_lose_nothing(study_load: ModuleType, address: str, tmp_path: Path) -> None:
    kind = address.partition(":")[0]
    options = argparse.Namespace(store=kind, clients=8, votes=120, kills=2, servers=2, think=0.0)
    found = study_load.load(tmp_path, address, options)
    assert found["kills"] == 2
    assert found["retries"] > 0, "a kill is felt"
    assert found["acknowledged"] >= 120
    assert found["votes"] >= found["acknowledged"]
    assert [found[name] for name in ("lost", "doubled", "acknowledged_to_two", "over_assigned")] == [0, 0, 0, 0]
