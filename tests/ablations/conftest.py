"""The fake pipeline and a tiny grid, for every test of this folder."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pocket_fake
import pytest
from run_checks import DIFFERENT, USES

from ablations.execute import execute
from ablations.grid import load_grid

TINY = """\
name: tiny
question: Does it hold together?
base: {t2i.size: 16, i2v.size: 16, i2v.frames: 3, v2v.size: 32, vfi.factor: 2}
leave_one_out: [controlnet, v2v]
prompts: [a red star moving left on a plain background, a blue ring bouncing on a dotted background]
seeds: [0, 1]
metrics: [flicker, motion_magnitude]
"""


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    return pocket_fake


@pytest.fixture(scope="session")
def tiny_text() -> str:
    return TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The path of a grid of 3 arms x 2 prompts x 2 seeds at tiny sizes, scored by metrics without weights."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, fake: ModuleType, tiny_text: str) -> Path:
    """The run folder of an uninterrupted run of the tiny grid, not to be changed."""

    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(tiny_text)
    outcome = execute(load_grid(folder / "tiny.yaml"), folder / "run", fake.engine(), progress=False)
    assert (outcome.computed, outcome.reused) == (DIFFERENT, USES - DIFFERENT)
    return folder / "run"
