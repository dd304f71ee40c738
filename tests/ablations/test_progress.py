"""Time left is counted stage by stage, and said as people say it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from ablations.durations import words
from ablations.executors.work import Done, Failed
from ablations.grid import load_grid
from ablations.plan import expand, plan
from ablations.progress import Progress
from magicvideo.runs import StageRecord, Store

SECONDS = {"t2i": 1.0, "i2v": 10.0, "v2v": 100.0, "vfi": 1000.0}


def done(stage: str) -> Done:
    return Done("k", StageRecord("k", stage, "d", SECONDS[stage], 1, 8, 8, 8.0), computed=True)


def test_time_left_is_the_sum_of_what_each_stage_took(tiny: Path, tmp_path: Path, fake: ModuleType) -> None:
    """Of 4, 8, 12 and 12 stages one each is finished; two workers share the rest."""
    todo = plan(expand(load_grid(tiny)), Store(tmp_path / "s"), fake.stage_keys)
    with Progress(todo, workers=2, shown=False) as bar:
        assert bar.seconds_left() is None
        for stage in SECONDS:
            bar.heard(done(stage))
        bar.heard(Failed("other", "no"))
        assert bar.seconds_left() == (3 * 1 + 7 * 10 + 11 * 100 + 11 * 1000) / 2


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (7200, "2 h 0 min"), (2e5, "2 days 8 h")],
)
def test_durations(seconds: float, said: str) -> None:
    assert words(seconds) == said
