"""What sharing, restarts, workers and Ray are worth: `python tests/benchmarks/grids.py [PART ...]`. Prints ratios.

Stages are rendered and padded with waiting, so that ratios show what the machinery costs and not how busy the machine
is: `shared` (a 2^5 factorial against its 32 arms one by one), `again` (a finished grid once more, and one with an arm
more), `workers` (two processes against one; stages compute instead of waiting), `ray` (two Ray workers against two
processes). Waiting stands for a GPU; `workers` alone needs two idle cores to say anything.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "ablations")]

import pocket_fake  # noqa: E402

from ablations.execute import execute  # noqa: E402
from ablations.executors import Setup  # noqa: E402
from ablations.executors.work import Engine  # noqa: E402
from ablations.grid import Grid, load_grid  # noqa: E402

HEAD = """\
name: {name}
base: {{t2i.size: 16, i2v.size: 16, i2v.frames: 3, v2v.size: 32, vfi.factor: 2, {base}}}
prompts: [a red star moving left on a plain background, a blue ring bouncing on a dotted background]
metrics: [flicker]
seeds: {seeds}
"""
FACTORS = ("noise_prior", "appearance_encoder", "controlnet", "joint_training", "v2v")
SETTING = {**dict.fromkeys(FACTORS, "false"), "noise_prior": "{kind: none}"}
DELAY = 0.05


def grid(folder: Path, name: str, more: str, seeds: str = "[0]", base: str = "") -> Grid:
    path = folder / f"{name}.yaml"
    path.write_text(HEAD.format(name=name, seeds=seeds, base=base) + more)
    return load_grid(path)


def run(grid: Grid, out: Path, setup: Setup | None = None, engine: Engine | None = None) -> tuple[int, float]:
    """Stages computed, and seconds."""
    began = time.perf_counter()
    outcome = execute(grid, out, engine or pocket_fake.engine(DELAY), progress=False, setup=setup)
    return outcome.computed, time.perf_counter() - began


def shared(folder: Path) -> None:
    whole = grid(folder, "factorial", f"factorial: [{', '.join(FACTORS)}]\n")
    computed, seconds = run(whole, folder / "factorial")
    alone, apart = 0, 0.0
    for n, arm in enumerate(whole.arms):
        one = Grid(**{**vars(whole), "arms": (arm,), "name": f"arm-{n}", "factors": ()})
        made, took = run(one, folder / f"arm-{n}")
        alone, apart = alone + made, apart + took
    print(f"2^5 factorial: {computed} stages in {seconds:.1f} s; its 32 arms one by one: {alone} in {apart:.1f} s")
    print(f"  {computed / alone:.1%} of the stages, {seconds / apart:.1%} of the time")


def again(folder: Path) -> None:
    small = grid(folder, "again", "leave_one_out: [noise_prior, controlnet, v2v]\n", "[0, 1, 2, 3]")
    computed, first = run(small, folder / "again", engine=pocket_fake.engine(0.2))
    nothing, second = run(small, folder / "again", engine=pocket_fake.engine(0.2))
    print(
        f"finished grid again: {nothing} of {computed} stages, {second:.2f} s after {first:.2f} s: {second / first:.1%}"
    )
    more = grid(folder, "more", "leave_one_out: [noise_prior, controlnet, v2v, vfi]\n", "[0, 1, 2, 3]")
    outcome = execute(
        more, folder / "more", pocket_fake.engine(), progress=False, store=str(folder / "again" / "store")
    )
    print(f"an arm more (without VFI): {outcome.computed} stages, one for each of its 8 videos")


def workers(folder: Path) -> None:
    engine = Engine(partial(Busy, delay=0.0), pocket_fake.stage_keys)
    busy = grid(folder, "workers", "leave_one_out: [noise_prior, controlnet]\n", "[0, 1, 2, 3, 4, 5]")
    times = {
        n: min(run(busy, folder / f"workers-{n}-{k}", Setup(workers=n), engine)[1] for k in range(2)) for n in (1, 2)
    }
    print(f"one process {times[1]:.1f} s, two {times[2]:.1f} s: {times[1] / times[2]:.2f} times as fast")
    print(f"  load of the machine meanwhile: {os.getloadavg()[0]:.1f}")


class Busy(pocket_fake.FakePipeline):
    """Each stage computes for about a third of a second, of CPU time and in one thread."""

    def compute(self, *words: object, **named: object) -> object:  # type: ignore[override]
        began = time.thread_time()
        while time.thread_time() - began < 0.3:
            sum(range(10_000))
        return super().compute(*words, **named)  # type: ignore[arg-type]


def ray(folder: Path) -> None:
    small = grid(folder, "ray", "leave_one_out: [noise_prior, controlnet, v2v]\n", str(list(range(8))))
    engine = pocket_fake.engine(0.25)
    from ablations.executors.processes import Processes

    for name, setup in (("processes", Setup(workers=2)), ("ray", Setup("ray", 2))):
        computed, seconds = run(small, folder / f"{name}-first", setup, engine)
        print(f"two workers, {name}: {computed} stages in {seconds:.1f} s, start included")
    del Processes


PARTS = {"shared": shared, "again": again, "workers": workers, "ray": ray}


def main() -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    import grids  # by its name, so that workers find `Busy` there too

    grids.main()
