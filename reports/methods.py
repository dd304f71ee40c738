"""The methods section of a report, generated from what was done: sizes, statistics, corrections, exclusions, versions.

A sentence is only there if the run's own record or numbers say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ablations.effects import ALPHA
from evals.stats.clusters import DRAWS
from evals.stats.differences import EXACT_CLUSTERS
from reports.document import Words
from reports.evaluation import EvaluationRun
from reports.findings import Findings
from reports.words import plural

Record = Mapping[str, Any]
INTERVAL = (
    f"Intervals are 95\u00a0% bootstrap intervals ({DRAWS:,} draws) that resample whole prompts, their distances from "
    "the mean stretched by t quantiles for few prompts."
)


def of_evaluation(run: EvaluationRun) -> list[Words]:
    """Paragraphs for an evaluation."""
    prompts = len({video.prompt_id for video in run.videos})
    metrics = plural(len(run.metrics), "metric")
    first = (
        f"{plural(len(run.videos), 'video')} of {plural(prompts, 'prompt')} were scored by {metrics} of the suite "
        f"{run.record.get('suite') or 'not recorded'}. {INTERVAL}"
    )
    missing = sum(total.unscored for total in run.totals.values())
    second = "Every video has every score." if not missing else _missing(missing, len(run.scores))
    return [Words(first), Words(f"{second} {_made(run.record)}")]


def of_ablation(found: Findings) -> list[Words]:
    """Paragraphs for an ablation."""
    run = found.run
    tested = sum(e.p is not None for e in found.effects)
    first = (
        f"{plural(len(run.arms), 'configuration')} of the pipeline made the same {plural(len(run.prompts), 'prompt')} "
        f"with {plural(len(run.seeds), 'seed')} each, from common random numbers. Differences are paired by prompt and "
        f"seed. {INTERVAL}"
    )
    second = (
        f"p values are two-sided, by flipping the signs of whole prompts (all patterns up to {EXACT_CLUSTERS} prompts, "
        f"10,000 random ones above), and adjusted by Holm's method over all {plural(tested, 'comparison')}. A "
        f"difference is claimed when its interval excludes 0 and its adjusted p is at most {ALPHA:g}."
    )
    third = " ".join(_ablation_extras(found))
    return [Words(first), Words(second), Words(f"{third} {_made(run.record)}".strip())]


def _ablation_extras(found: Findings) -> Iterator[str]:
    run = found.run
    margins = (run.record.get("grid") or {}).get("margins") or {}
    if margins:
        told = ", ".join(
            f"{run.metrics[name].title if name in run.metrics else name} {m:g}" for name, m in margins.items()
        )
        yield f"Differences wholly within these margins count as equal: {told}."
    if run.record.get("factors"):
        yield "For switches of the full factorial the main effect is given: the mean over all arms without the switch "
        yield "against the mean over all arms with it."
    yield "No value is missing." if not found.unscored else _missing(len(found.unscored), len(run.scores))
    if not run.complete:
        yield f"The run is not complete: {len(run.by_place)} of {run.videos_planned} videos are made."


def of_study(result: Mapping[str, Any]) -> list[Words]:
    """Paragraphs for a preference study."""
    about = result["study"]
    left_out = about["gold_and_repeats"] - result["votes"]
    first = (
        f"{plural(result['annotators'], 'annotator')} cast {result['votes']:,} votes (Good, Same or Bad) on pairs of "
        f"videos of {plural(len(about['systems']), 'system')} for {plural(result['prompts'], 'prompt')}, shown side by "
        f"side in balanced order without names; criterion {result['criterion']}. {left_out:,} votes of gold pairs, "
        "repeats and other criteria are not counted here."
    )
    second = (
        "Intervals of shares and ratios allow for votes of one annotator, and votes on one prompt, being alike "
        "(two-way clustered variance); p values test a net win of 0 and are adjusted by Holm's method over all systems "
        "and criteria. The ranking is Davidson's Bradley-Terry model with ties and a term for the side; rank intervals "
        "hold for all systems together."
    )
    flagged = result.get("without_flagged")
    third = "No annotator was flagged by the quality rules."
    if flagged:
        third = (
            f"{plural(len(flagged['left_out']), 'annotator')} flagged by the quality rules are counted; the results "
            "without them are given beside."
        )
    return [
        Words(first),
        Words(second),
        Words(f"{third} Study {about['id']}; votes from {about['first']} to {about['last']}."),
    ]


def _missing(count: int, total: int) -> str:
    return (
        f"{count:,} of {total:,} values are missing; they are left out of means and pairs, never counted as zero, and "
        "listed with their reasons."
    )


def _made(record: Record) -> str:
    about = record.get("environment") or {}
    packages = ", ".join(f"{name} {version}" for name, version in (about.get("packages") or {}).items())
    commit = str(about.get("commit") or "")
    told = f"Made on {record.get('created') or 'an unknown date'}"
    told += f" at commit {commit}{' with uncommitted changes' if about.get('dirty') else ''}" if commit else ""
    told += f", with Python {about['python']}" if about.get("python") else ""
    return f"{told}{f' and {packages}' if packages else ''}."
