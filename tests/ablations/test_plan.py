"""Plans count what is left, and what two arms share they count once."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from ablations.grid import load_grid
from ablations.plan import expand, plan
from magicvideo.runs import Store
from magicvideo.stage_config import STAGES


def test_items_come_arm_by_arm_with_the_full_model_first(tiny: Path) -> None:
    items = expand(load_grid(tiny))
    assert len({i.name for i in items}) == len(items) == 3 * 2 * 2
    assert [i.arm.name for i in items] == ["full"] * 4 + ["without controlnet"] * 4 + ["without v2v"] * 4


def test_a_new_store_shares_everything_before_the_switch(tiny: Path, tmp_path: Path, fake: ModuleType) -> None:
    made = plan(expand(load_grid(tiny)), Store(tmp_path / "s"), fake.stage_keys)
    counts = {stage: (c.compute, c.found, c.shared) for stage, c in made.counts.items()}
    # 4 videos an arm: all arms share T2I; leaving out V2V shares I2V too; behind a switch nothing is shared
    assert counts == {"t2i": (4, 0, 8), "i2v": (8, 0, 4), "v2v": (12, 0, 0), "vfi": (12, 0, 0)}
    assert made.compute == 36
    assert made.uses == 48
    assert made.seconds is None
    assert not (tmp_path / "s").exists()


def test_finished_stages_are_found_and_predict_the_cost(tiny: Path, tmp_path: Path, fake: ModuleType) -> None:
    store, items = Store(tmp_path / "s"), expand(load_grid(tiny))
    first = items[0]
    records = fake.engine().make(first.arm.config, store).run(first.prompt.prompt, first.seed)
    made = plan(items, store, fake.stage_keys)
    assert made.items[0].done
    assert [step.record for step in made.items[0].steps] == records
    counts = {stage: (c.compute, c.found, c.shared) for stage, c in made.counts.items()}
    assert counts == {"t2i": (3, 1, 8), "i2v": (7, 1, 4), "v2v": (11, 1, 0), "vfi": (11, 1, 0)}
    left = dict(zip(STAGES, (3, 7, 11, 11), strict=True))
    assert made.seconds is not None
    assert abs(made.seconds - sum(left[r.stage] * r.seconds for r in records)) < 1e-9


def test_planning_writes_nothing(tiny: Path, tmp_path: Path, fake: ModuleType) -> None:
    before = sorted(tmp_path.rglob("*"))
    plan(expand(load_grid(tiny)), Store(tmp_path / "s"), fake.stage_keys)
    assert sorted(tmp_path.rglob("*")) == before
