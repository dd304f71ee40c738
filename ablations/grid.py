"""What to vary: a grid is data, checked whole before any work begins.

A YAML file (`grid_file.py` has its form) names the question, the base settings, the switches to leave out one at a
time, further arms, prompts and seeds. `load_grid` turns it into arms with a full `PipelineConfig` each. Does not know
models or metrics' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ablations.arms import Arm, arms_of, factors_of
from ablations.grid_file import GridFile
from ablations.prompts import Prompt, Strata, WorldPrompts, drawn, from_file, listed, stratified
from ablations.source import Source, read_source, suggestion
from evals import SUITES
from magicvideo.errors import InputError
from magicvideo.stage_config import STAGES


@dataclass(frozen=True)
class Grid:
    """A checked grid. `arms[0]` is the full model; `data` is the grid as it was written, plain data."""

    name: str
    question: str
    arms: tuple[Arm, ...]
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    suite: str
    metrics: tuple[str, ...] | None
    margins: dict[str, float]
    data: dict[str, Any]
    factors: tuple[str, ...] = ()
    """The switches of the full factorial."""
    truth: Literal["world"] | None = None
    score_stages: tuple[str, ...] = STAGES[-1:]
    """Stages whose clips are scored, in the order they run; always with the last one."""


def load_grid(path: Path) -> Grid:
    """Read and check a grid. Every `InputError` names file, line and field, and comes before any work."""
    source = read_source(path)
    file = source.parse(GridFile)
    source.refuse_repeats("seeds", file.seeds)
    source.refuse_repeats("score_stages", file.score_stages or [])
    _check_metrics(source, file)
    factors = factors_of(source, file)
    return Grid(
        name=file.name,
        question=file.question.strip(),
        arms=arms_of(source, file, factors),
        prompts=_prompts(source, file),
        seeds=tuple(file.seeds),
        suite=file.suite,
        metrics=tuple(file.metrics) if file.metrics else None,
        margins=file.margins,
        data=file.model_dump(mode="json", exclude_unset=True),
        factors=tuple(factors),
        truth=file.truth,
        score_stages=tuple(s for s in STAGES if s == STAGES[-1] or s in (file.score_stages or [])),
    )


def _prompts(source: Source, file: GridFile) -> tuple[Prompt, ...]:
    if isinstance(file.prompts, WorldPrompts):
        return drawn(file.prompts)
    if isinstance(file.prompts, Strata):
        return stratified(file.prompts)
    if isinstance(file.prompts, list):
        return listed(file.prompts, source.where("prompts"))
    try:
        return from_file(source.path.parent / file.prompts)
    except InputError as error:
        raise source.error(error, "prompts") from None


def _check_metrics(source: Source, file: GridFile) -> None:
    """Suite and metrics must be known to `evals`; a margin needs a metric that is scored."""
    if file.suite not in SUITES:
        raise source.error(f"unknown suite {file.suite!r}{suggestion(file.suite, list(SUITES))}", "suite")
    known = list(SUITES[file.suite].names)
    for n, name in enumerate(file.metrics or []):
        if name not in known:
            raise source.error(f"unknown metric {name!r}{suggestion(name, known)}", "metrics", n)
    source.refuse_repeats("metrics", file.metrics or [])
    scored = file.metrics or known
    needing = [name for name in SUITES[file.suite].truthful if name in scored]
    if needing and file.truth is None:
        raise source.error(f"{needing[0]} needs the truth; add `truth: world`", "metrics" if file.metrics else "suite")
    if file.truth and not needing:
        raise source.error("no metric needs the truth; choose `suite: truth`, or leave this out", "truth")
    for name in file.margins:
        if name not in scored:
            raise source.error(f"unknown metric {name!r}{suggestion(name, scored)}", "margins", name)
