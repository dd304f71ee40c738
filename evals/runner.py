"""Evaluates clips: opens each once, observes what the metrics share once, and adds up what they say.

`evals.measure` gives a value that merges (shards, workers); `summarise` turns it into scores. Does not know files'
layout, tables or the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from evals.decode import LOSSLESS, Decoder
from evals.features import FeatureCache
from evals.inputs import Videos, as_items
from evals.measure import Item, Measured, chunks, measure
from evals.metric import Metric, Score, Seen, Total, Whole, mean_total
from evals.observe import Observer
from evals.sources import Sources
from evals.states import Floats, Rows, Unscored
from evals.suite import Suite
from evals.suites import find
from evals.workers import measure_shared
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError
from magicvideo.machine import torch_threads

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One item's value of one metric, or the reason why it has none."""

    item: str
    prompt_id: str
    metric: str
    value: float | None
    reason: str | None


@dataclass(frozen=True)
class Evaluation:
    """Scores by metric name, and the rows they come from in the items' order.

    A metric of the whole set has rows only for the clips it could not use. `figures` are to be shown beside a metric's
    score, e.g. how often the reader itself is right.
    """

    suite: str
    rows: list[Row]
    scores: dict[str, Score]
    figures: dict[str, dict[str, float]]
    metrics: dict[str, dict[str, Any]]
    notes: dict[str, str] = field(default_factory=dict)
    """Metric -> a sentence about its score."""

    @property
    def frame(self) -> pd.DataFrame:
        """One row per clip and metric: item, prompt_id, metric, value (NaN if there is none) and reason."""
        from evals.dataframes import frame

        return frame(self)

    @property
    def summary(self) -> pd.DataFrame:
        """One row per metric, by name: value, low, high (95 % interval), n, unscored, unit, direction and protocol."""
        from evals.dataframes import summary

        return summary(self)


def evaluate(
    videos: Videos,
    suite: str | Suite = "pocket",
    metrics: Sequence[str] | None = None,
    cache: Path | None = None,
    progress: bool = True,
    reference_set: Sequence[Path | VideoClip] | None = None,
    *,
    prompts: Sequence[str | None] | None = None,
    fps: float = 8.0,
    workers: int = 1,
    threads: int | None = None,
) -> Evaluation:
    """Score videos by a suite, or by those of its metrics that are named.

    `videos`: a folder, or a sequence of paths, arrays, tensors, clips, (any of these, prompt) or `Item`s, of any
    lengths and sizes (`evals.inputs`); `prompts` go with them by order, and `fps` is the rate of arrays. With `cache`,
    features are kept there and found again. `reference_set`: real clips for set-level distances, instead of the shipped
    reference. `workers`: so many processes share the clips; the scores are the same. `threads` of each; None leaves it
    to torch, or gives each its share of the cores; with the same number scores are the same to the last bit. Raises
    `InputError` for an unknown suite or metric, or item names that repeat; whatever is wrong with one clip becomes that
    clip's reason.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    chosen = find(suite).only(metrics)
    items = as_items(videos, prompts, fps)
    cache = None if cache is None else Path(cache)
    seen = dict[str, Item]()
    for item in items:
        if seen.setdefault(item.name, item) is not item:
            raise InputError(f"two items are named {item.name!r}; every clip needs a name of its own")
    observer = Observer(chosen.load(), FeatureCache(cache))
    with Decoder() as decoder:
        sources = Sources(cache, decoder)
        if workers > 1 and len(items) > 1:
            measured = measure_shared(items, chosen, cache, workers, progress, threads)
        else:
            with torch_threads(threads):
                measured = measure(items, chosen, observer, sources, progress)
        references = _references(chosen, observer, sources, reference_set)
    return summarise(items, measured, chosen, observer.backbones, references)


def summarise(
    items: Sequence[Item],
    measured: Measured,
    suite: Suite,
    backbones: Mapping[str, Any],
    references: Mapping[str, tuple[Floats, str]] | None = None,
) -> Evaluation:
    """Scores and rows from what all workers have seen."""
    ids = {role: str(backbone.id) for role, backbone in backbones.items()}
    source = "source=" + (_codecs(measured.codecs) or "none")
    rows, scores, figures = list[Row](), dict[str, Score](), dict[str, dict[str, float]]()
    notes = dict[str, str]()
    for metric in suite.metrics:
        mine = measured.rows[metric.name]
        total = _total(metric, mine, backbones, references or {})
        reasons = mine.unscored()
        if isinstance(total.interval, Unscored) and metric.total is not None:
            reasons = {item.name: reasons.get(item.name, total.interval.reason) for item in items}
        protocol = "|".join(part for part in (metric.protocol(ids), source, total.protocol) if part)
        scores[metric.name] = _score(metric, total, len(reasons), protocol)
        rows += _rows(items, metric, mine, reasons)
        if total.note:
            notes[metric.name] = total.note
        if metric.figures(backbones):
            figures[metric.name] = metric.figures(backbones)
    order = {item.name: i for i, item in enumerate(items)}
    rows.sort(key=lambda row: order[row.item])
    return Evaluation(suite.name, rows, scores, figures, {m.name: m.describe() for m in suite.metrics}, notes)


def _references(
    suite: Suite, observer: Observer, sources: Sources, reference_set: Sequence[Path | VideoClip] | None
) -> dict[str, tuple[Floats, str]]:
    """Metric of whole sets -> its rows [M,D] of the reference clips, and the set's digest."""
    metrics = [metric for metric in suite.metrics if metric.total is not None]
    if reference_set is None or not metrics:
        return {}
    needs = dict.fromkeys(need for metric in metrics for need in metric.needs)
    found, digests = dict[str, list[Floats]](), list[str]()
    for chunk in chunks([Item(str(n), clip, None, "") for n, clip in enumerate(reference_set)], sources):
        clips = [_readable(subject).clip for _, subject in chunk]
        digests += [clip.digest for clip in clips]
        arrays = {need: [_readable(a) for a in observer.clips(need.role, clips)] for need in needs}
        for metric in metrics:
            seen = [Seen(None, {need: arrays[need][i] for need in metric.needs}) for i in range(len(clips))]
            rows: list[Floats] = [np.atleast_2d(np.asarray(_readable(metric.value(one)))) for one in seen]
            found.setdefault(metric.name, []).extend(rows)
    name = sha256("".join(sorted(digests)).encode()).hexdigest()[:12]
    return {metric: (np.concatenate(rows), name) for metric, rows in found.items()}


def _readable(found: T | Unscored) -> T:
    if isinstance(found, Unscored):
        raise InputError(f"{found.reason}. Every clip of a reference set must be readable: mend or remove it")
    return found


def _total(
    metric: Metric, rows: Rows, backbones: Mapping[str, Any], references: Mapping[str, tuple[Floats, str]]
) -> Total:
    if metric.total is None:
        return Total(mean_total(metric, rows))
    reference, digest = references.get(metric.name, (None, None))
    return metric.total(rows, Whole(backbones, reference, digest))


def _score(metric: Metric, total: Total, unscored: int, protocol: str) -> Score:
    found = total.interval
    if isinstance(found, Unscored):
        return Score(None, None, None, 0, unscored, metric.unit, metric.higher_is_better, protocol)
    return Score(found.value, found.low, found.high, found.n, unscored, metric.unit, metric.higher_is_better, protocol)


def _rows(items: Sequence[Item], metric: Metric, mine: Rows, reasons: Mapping[str, str]) -> Iterator[Row]:
    for item in items:
        if item.name in reasons:
            yield Row(item.name, item.prompt_id, metric.name, None, reasons[item.name])
        elif metric.total is None:
            value = mine.entries[item.name].value
            yield Row(item.name, item.prompt_id, metric.name, float(value), None)  # type: ignore[arg-type]


def _codecs(codecs: frozenset[str]) -> str:
    """ "lossless", or the lossy codecs by name: compression alone moves scores."""
    kinds = {"lossless" if codec in LOSSLESS else codec for codec in codecs}
    return "+".join(sorted(kinds))
