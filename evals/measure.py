"""From items to what each metric has seen of them: a value that merges, so that shards and workers add up.

Clips are opened ahead in a thread, in chunks of bounded memory, and each network looks at a whole chunk. Does not know
totals, intervals, tables or the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

from tqdm import tqdm

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from evals.observe import NO_TRUTH, Observer, Subject
from evals.sources import Opened, Sources
from evals.states import Rows, Unscored
from evals.suite import Suite
from magicvideo.ahead import ahead
from magicvideo.clip import VideoClip

CHUNK_CLIPS = 16
CHUNK_BYTES = 128 << 20
"""Of decoded frames in one chunk; a clip that is larger alone is a chunk."""
OTHERS, OTHERS_BYTES = 64, 64 << 20
"""References and truths that are kept for the clips to come, and their bytes."""


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


Entry: TypeAlias = tuple[Item, Subject | Unscored]
"""An item with what is to be looked at, or the reason why it cannot be opened."""


@dataclass(frozen=True)
class Measured:
    """What one worker has seen: rows by metric, and the codecs that clips came through. Merges."""

    rows: Mapping[str, Rows]
    codecs: frozenset[str]

    def merge(self, *others: Self) -> Self:
        rows = {name: mine.merge(*(other.rows[name] for other in others)) for name, mine in self.rows.items()}
        return type(self)(rows, self.codecs.union(*(other.codecs for other in others)))


def nothing(suite: Suite) -> Measured:
    """Measured of no items: what others are merged into."""
    return Measured({metric.name: Rows() for metric in suite.metrics}, frozenset())


def measure(
    items: Sequence[Item],
    suite: Suite,
    observer: Observer,
    sources: Sources,
    progress: bool = False,
    chunk_clips: int = CHUNK_CLIPS,
) -> Measured:
    """Every metric's rows of these items."""
    parts = list[Measured]()
    with tqdm(total=len(items), desc="scoring", unit="clip", disable=not progress) as bar:
        for names, part in measured_parts(chunks(items, sources, chunk_clips), suite, observer):
            parts.append(part)
            bar.update(len(names))
    return nothing(suite).merge(*parts)


def measured_parts(
    opened: Iterable[list[Entry]], suite: Suite, observer: Observer
) -> Iterator[tuple[list[str], Measured]]:
    """(names, what was seen) of each chunk; the next chunk is decoded meanwhile."""
    fetched = _fetched(opened, suite, observer)
    for chunk in ahead(fetched, weight=_weight, most=2 * CHUNK_BYTES):
        yield [item.name for item, _ in chunk], measure_chunk(chunk, suite, observer)
        del chunk


def _fetched(opened: Iterable[list[Entry]], suite: Suite, observer: Observer) -> Iterator[list[Entry]]:
    """The same chunks, with the frames of all clips that some network has yet to see."""
    for chunk in opened:
        for _, subject in chunk:
            if isinstance(subject, Subject):
                observer.fetch(suite.needs, subject)
        yield chunk


def chunks(items: Sequence[Item], sources: Sources, most: int = CHUNK_CLIPS) -> Iterator[list[Entry]]:
    """Items with their clips opened, as many as fit the chunk's clips and bytes; at least one."""
    others = _Others(sources.open)
    chunk = list[Entry]()
    for item in items:
        clip = sources.open(item.clip, item.trusted)
        reference = Unscored("no reference") if item.reference is None else others.open(item.reference, item.trusted)
        truth = NO_TRUTH if item.truth is None else others.open(item.truth, item.trusted)
        subject = clip if isinstance(clip, Unscored) else Subject(clip, item.prompt, reference, truth, item.key_every)
        chunk.append((item, subject))
        if len(chunk) >= most or _weight(chunk) >= CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@dataclass
class _Others:
    """References and truths, opened once for the clips that share them as long as there is room."""

    open_one: Callable[[Path | VideoClip, bool], Opened | Unscored]
    _kept: dict[Path | VideoClip, Opened | Unscored] = field(default_factory=dict)

    def open(self, source: Path | VideoClip, trusted: bool) -> Opened | Unscored:
        if source not in self._kept:
            self._kept[source] = self.open_one(source, trusted)
            while len(self._kept) > 1 and not self._fits():
                del self._kept[next(iter(self._kept))]
        return self._kept[source]

    def _fits(self) -> bool:
        return len(self._kept) <= OTHERS and sum(_bytes(other) for other in self._kept.values()) <= OTHERS_BYTES


def _bytes(found: Opened | Unscored) -> int:
    return found.nbytes if isinstance(found, Opened) else 0


def _weight(chunk: Sequence[Entry]) -> int:
    """Bytes of the frames that a chunk holds; what its clips share counts once."""
    subjects = [subject for _, subject in chunk if isinstance(subject, Subject)]
    held = {id(part): part for s in subjects for part in (s.clip, s.reference, s.truth)}
    return sum(_bytes(part) for part in held.values())


def measure_chunk(chunk: Sequence[Entry], suite: Suite, observer: Observer) -> Measured:
    """Every metric's rows of clips that are open."""
    opened = [(item, subject) for item, subject in chunk if isinstance(subject, Subject)]
    subjects = [subject for _, subject in opened]
    arrays = _arrays(suite.needs, subjects, observer)
    failed = [Rows.of(item.name, item.prompt_id, why) for item, why in chunk if isinstance(why, Unscored)]
    rows = dict[str, Rows]()
    for metric in suite.metrics:
        found = [
            Rows.of(item.name, item.prompt_id, _value(metric, subject, {n: arrays[n][i] for n in metric.needs}))
            for i, (item, subject) in enumerate(opened)
        ]
        rows[metric.name] = Rows().merge(*found, *failed)
    return Measured(rows, frozenset(s.clip.codec for s in subjects))


def _arrays(
    needs: Sequence[Need], subjects: Sequence[Subject], observer: Observer
) -> dict[Need, list[Arrays | Unscored]]:
    """What is needed of each subject. Roles that one network fills are looked at once.

    All clips at once, or clip by clip where distances are of one network, which then remembers a clip's pictures from
    one need to the next.
    """
    alike = dict[tuple[str, str], list[Need]]()
    for need in needs:
        alike.setdefault((observer.backbones[need.role].id, need.of), []).append(need)
    sharing = dict[object, list[Need]]()
    for need, *_ in alike.values():
        perceptual = getattr(observer.backbones[need.role], "perceptual", None)
        sharing.setdefault(need if perceptual is None else id(perceptual), []).append(need)
    found = dict[Need, list[Arrays | Unscored]]()
    for group in sharing.values():
        parts = [subjects] if len(group) == 1 else [[subject] for subject in subjects]
        seen = [[observer.observe(need, part) for need in group] for part in parts]
        found |= {need: [a for part in seen for a in part[n]] for n, need in enumerate(group)}
    return {need: found[first] for first, *rest in alike.values() for need in (first, *rest)}


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
