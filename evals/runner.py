"""Evaluates clips: opens each once, observes what the metrics share once, and adds up what they say.

`measure` gives a value that merges (shards, workers); `summarise` turns it into scores. Clips pass in chunks of bounded
memory. Does not know files' layout, tables or the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from tqdm import tqdm

from evals.decode import LOSSLESS, Decoder
from evals.features import Arrays, FeatureCache
from evals.metric import Metric, Need, Score, Seen, Total, Whole, mean_total
from evals.observe import NO_TRUTH, Observer, Subject
from evals.sources import Opened, Sources
from evals.states import Floats, Rows, Unscored
from evals.suite import Suite
from evals.suites import find
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

T = TypeVar("T")
Entry: TypeAlias = tuple["Item", Opened | Unscored, Opened | Unscored, Opened | Unscored]
"""An item, its clip, its reference and its truth, each opened or with the reason why not."""

CHUNK_CLIPS = 16
CHUNK_BYTES = 256 << 20


@dataclass(frozen=True)
class Item:
    """One clip to score. `prompt_id` is its bootstrap cluster; `reference` is an image or clip it should resemble.

    `truth` is the clip it should be frame by frame, where that is known; `key_every`: of a clip with frames made in
    between, every how many frames is a key frame. `trusted` files (our own store's) are read in this process.
    """

    name: str
    clip: Path | VideoClip
    prompt: str | None
    prompt_id: str
    reference: Path | VideoClip | None = None
    trusted: bool = False
    truth: Path | VideoClip | None = None
    key_every: int | None = None


@dataclass(frozen=True)
class Row:
    """One item's value of one metric, or the reason why it has none."""

    item: str
    prompt_id: str
    metric: str
    value: float | None
    reason: str | None


@dataclass(frozen=True)
class Measured:
    """What one worker has seen: rows by metric, and the codecs that clips came through. Merges."""

    rows: Mapping[str, Rows]
    codecs: frozenset[str]

    def merge(self, *others: Self) -> Self:
        rows = {name: mine.merge(*(other.rows[name] for other in others)) for name, mine in self.rows.items()}
        return type(self)(rows, self.codecs.union(*(other.codecs for other in others)))


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


def evaluate(
    items: Sequence[Item],
    suite: str | Suite = "pocket",
    metrics: Sequence[str] | None = None,
    cache: Path | None = None,
    progress: bool = True,
    reference_set: Sequence[Path | VideoClip] | None = None,
) -> Evaluation:
    """Score items by a suite, or by those of its metrics that are named.

    With `cache`, features are kept there and found again. `reference_set`: real clips for set-level distances, instead
    of the shipped reference. Raises `InputError` for an unknown suite or metric, or item names that repeat; whatever is
    wrong with one clip becomes that clip's reason.
    """
    chosen = find(suite).only(metrics)
    seen = dict[str, Item]()
    for item in items:
        if seen.setdefault(item.name, item) is not item:
            raise InputError(f"two items are named {item.name!r}; every clip needs a name of its own")
    observer = Observer(chosen.load(), FeatureCache(cache))
    with Decoder() as decoder:
        sources = Sources(cache, decoder)
        measured = measure(items, chosen, observer, sources, progress)
        references = _references(chosen, observer, sources, reference_set)
    return summarise(items, measured, chosen, observer.backbones, references)


def measure(
    items: Sequence[Item],
    suite: Suite,
    observer: Observer,
    sources: Sources,
    progress: bool = False,
    chunk_clips: int = CHUNK_CLIPS,
) -> Measured:
    """Every metric's rows of these items."""
    measured = Measured({m.name: Rows() for m in suite.metrics}, frozenset())
    parts = [measured]
    with tqdm(total=len(items), desc="scoring", unit="clip", disable=not progress) as bar:
        for chunk in _chunks(items, sources, chunk_clips):
            parts.append(_measure_chunk(chunk, suite, observer))
            bar.update(len(chunk))
    return measured.merge(*parts[1:])


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


def _chunks(items: Sequence[Item], sources: Sources, most: int) -> Iterator[list[Entry]]:
    """Items with their clips opened, as many as fit the chunk's clips and bytes; at least one."""
    chunk, others, size = list[Entry](), dict[Path | VideoClip, Opened | Unscored](), 0
    for item in items:
        clip = sources.open(item.clip, item.trusted)
        size += _bytes(clip)
        for other in (item.reference, item.truth):
            if other is not None and other not in others:
                others[other] = sources.open(other, item.trusted)
                size += _bytes(others[other])
        reference = Unscored("no reference") if item.reference is None else others[item.reference]
        truth = NO_TRUTH if item.truth is None else others[item.truth]
        chunk.append((item, clip, reference, truth))
        if len(chunk) >= most or size >= CHUNK_BYTES:
            yield chunk
            chunk, others, size = [], {}, 0
    if chunk:
        yield chunk


def _bytes(opened: Opened | Unscored) -> int:
    return opened.nbytes if isinstance(opened, Opened) else 0


def _measure_chunk(chunk: Sequence[Entry], suite: Suite, observer: Observer) -> Measured:
    opened = [
        (item, Subject(clip, item.prompt, reference, truth, item.key_every))
        for item, clip, reference, truth in chunk
        if isinstance(clip, Opened)
    ]
    subjects = [subject for _, subject in opened]
    arrays = {need: observer.observe(need, subjects) for need in suite.needs}
    rows = dict[str, Rows]()
    for metric in suite.metrics:
        found = [
            Rows.of(item.name, item.prompt_id, _value(metric, subject, {n: arrays[n][i] for n in metric.needs}))
            for i, (item, subject) in enumerate(opened)
        ]
        failed = [Rows.of(item.name, item.prompt_id, clip) for item, clip, _, _ in chunk if isinstance(clip, Unscored)]
        rows[metric.name] = Rows().merge(*found, *failed)
    return Measured(rows, frozenset(s.clip.codec for s in subjects))


def _value(metric: Metric, subject: Subject, arrays: Mapping[Need, Arrays | Unscored]) -> Any:
    """The metric's value of one clip, or the first thing that is missing for it."""
    if metric.needs_prompt and subject.prompt is None:
        return Unscored("no prompt")
    if subject.clip.frames < metric.min_frames:
        return Unscored(f"{subject.clip.frames} frame(s); needs at least {metric.min_frames}")
    missing = next((found for found in arrays.values() if isinstance(found, Unscored)), None)
    if missing is not None:
        return missing
    return metric.value(Seen(subject.prompt, dict(arrays), subject.key_every))  # type: ignore[arg-type]


def _references(
    suite: Suite, observer: Observer, sources: Sources, reference_set: Sequence[Path | VideoClip] | None
) -> dict[str, tuple[Floats, str]]:
    """Metric of whole sets -> its rows [M,D] of the reference clips, and the set's digest."""
    metrics = [metric for metric in suite.metrics if metric.total is not None]
    if reference_set is None or not metrics:
        return {}
    needs = dict.fromkeys(need for metric in metrics for need in metric.needs)
    found, digests = dict[str, list[Floats]](), list[str]()
    for chunk in _chunks([Item(str(n), clip, None, "") for n, clip in enumerate(reference_set)], sources, CHUNK_CLIPS):
        clips = [_readable(clip) for _, clip, _, _ in chunk]
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
