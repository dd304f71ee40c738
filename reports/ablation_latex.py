"""An ablation's tables for a paper: scores, effects, and the methods as text."""

from __future__ import annotations

from collections.abc import Sequence

from ablations.effects import Effect
from reports import methods
from reports.document import Document, Section, Table, table
from reports.document import latex as written
from reports.findings import Findings
from reports.stages import all_scores, earlier_effects
from reports.tables import interval, look, number, p_value

ARROWS = {True: "↑", False: "↓", None: "↕"}
STRATA = "Effects on prompts of the group"


def latex(found: Findings) -> str:
    """Scores (metrics by arms), every effect, effects by group and on earlier stages' clips, and the methods."""
    run = found.run
    sections = [
        Section("scores", "Scores", (_scores(found),)),
        Section(
            "effects",
            "Effects",
            (
                effects_table(
                    found,
                    found.effects,
                    f"Effects against {run.base.title}, paired by prompt and seed; p adjusted (Holm)",
                    "effects",
                ),
            ),
        ),
    ]
    for name, effects in groups(found).items():
        sections.append(Section("groups", name, (effects_table(found, effects, f"{STRATA} {name}", f"group-{name}"),)))
    for stage, effects in earlier_effects(run, all_scores(run)).items():
        caption = f"Effects on the clips of {stage.upper()}"
        sections.append(Section("stages", stage, (effects_table(found, effects, caption, f"stage-{stage}"),)))
    sections.append(Section("methods", "Methods", tuple(methods.of_ablation(found))))
    words = found.summary
    return written(
        Document(
            "ablation report",
            run.name,
            run.name,
            words.headline,
            words.basis,
            (),
            (),
            tuple(sections),
            f"{found.command} --latex",
        )
    )


def groups(found: Findings) -> dict[str, list[Effect]]:
    """Group of prompts -> its effects, where the grid names groups."""
    from ablations.effects import by_stratum

    strata = by_stratum(list(found.run.scores), found.run.record)
    return {name: [e for e in effects if e.metric in found.run.metrics] for name, effects in strata.items()}


def effects_table(found: Findings, effects: Sequence[Effect], caption: str, key: str) -> Table:
    rows = []
    for e in effects:
        metric, places = found.run.metrics[e.metric], found.places[e.metric]
        names = [found.run.arm(e.arm).title, f"{metric.title} {ARROWS[metric.higher_is_better]}"]
        numbers = [number(e.difference, places, signed=True), interval(e.low, e.high, places, signed=True)]
        rows.append([*names, *numbers, p_value(e.p_adjusted), e.n, look(e, metric).words])
    columns = ["variant", "metric", "difference", "95 % interval", "adjusted p", "n", "verdict"]
    return table(caption, columns, rows, ["difference", "95 % interval", "adjusted p", "n"], key)


def _scores(found: Findings) -> Table:
    run, scores = found.run, {(s.metric, s.arm): s for s in found.scores}
    rows = []
    for name, metric in run.metrics.items():
        cells = [f"{metric.title} {ARROWS[metric.higher_is_better]}"]
        for arm in run.arms:
            s = scores[name, arm.name]
            span = "" if s.low is None else f" ({interval(s.low, s.high, found.places[name])})"
            cells.append(number(s.value, found.places[name]) + span)
        rows.append(cells)
    titles = [arm.title for arm in run.arms]
    caption = "Means with 95 % intervals over prompts; arrows show which way is better"
    return Table(
        caption, ("metric", *titles), tuple(tuple(row) for row in rows), frozenset(range(1, len(titles) + 1)), "scores"
    )
