"""Computes what metrics need, once each: from the cache, or by a backbone in one batch over the clips that lack it.

If a batch fails, its clips are tried one by one, and a clip that fails alone gets the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from evals.features import Array, Arrays, FeatureCache
from evals.metric import Need
from evals.sources import Opened, Unreadable
from evals.states import Unscored
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

T = TypeVar("T")
NO_TRUTH = Unscored("no truth")
FAILURES = (InputError, Unreadable, RuntimeError, ValueError, MemoryError)
SEGMENT = 512
"""Frames of a clip that a network of single frames is shown at a time, so that long clips need no more memory."""


@dataclass(frozen=True)
class Subject:
    """An item opened: its clip, its prompt, its reference and its truth, or the reasons why it has none."""

    clip: Opened
    prompt: str | None
    reference: Opened | Unscored
    truth: Opened | Unscored = NO_TRUTH
    key_every: int | None = None

    def beside(self, of: str) -> tuple[Opened, ...] | Unscored:
        """What a need looks at beside the clip, in order; the first reason if some of it is missing."""
        wanted = {"pair": (self.reference,), "truth": (self.truth,), "both": (self.reference, self.truth)}[of]
        found = tuple(w for w in wanted if isinstance(w, Opened))
        return found if len(found) == len(wanted) else next(w for w in wanted if isinstance(w, Unscored))


@dataclass
class Observer:
    """The suite's backbones by role, and the arrays that they gave."""

    backbones: Mapping[str, Any]
    cache: FeatureCache
    _texts: dict[tuple[str, str], Array] = field(default_factory=dict)

    def observe(self, need: Need, subjects: Sequence[Subject]) -> list[Arrays | Unscored]:
        """What `need` asks for of each subject, or the reason why not."""
        if need.of == "prompt":
            return self._prompts(need.role, subjects)
        if need.of != "clip":
            return self._beside(need, subjects)
        return self.clips(need.role, [s.clip for s in subjects])

    def clips(self, role: str, clips: Sequence[Opened]) -> list[Arrays | Unscored]:
        backbone = self.backbones[role]
        look = _in_segments if getattr(backbone, "frames", "per_clip") == "per_frame" else _whole
        return self._once(
            backbone.id, [c.digest for c in clips], clips, lambda some: look(backbone, [c.clip for c in some])
        )

    def fetch(self, needs: Sequence[Need], subject: Subject) -> None:
        """Decode what some network has yet to see; what cannot be decoded is told when it is looked at."""
        for need in needs:
            others = () if need.of in ("clip", "prompt") else subject.beside(need.of)
            if need.of == "prompt" or isinstance(others, Unscored):
                continue
            group = (subject.clip, *others)
            if not self.cache.has(self.backbones[need.role].id, _key(group)):
                for clip in group:
                    clip.load()

    def _beside(self, need: Need, subjects: Sequence[Subject]) -> list[Arrays | Unscored]:
        """Clips with others: a backbone of pairs sees (clip, other), one of triples (clip, reference, truth)."""
        backbone = self.backbones[need.role]
        look = backbone.observe_triples if need.of == "both" else backbone.observe_pairs
        others = [s.beside(need.of) for s in subjects]
        groups = [(s.clip, *o) for s, o in zip(subjects, others, strict=True) if not isinstance(o, Unscored)]
        found = iter(
            self._once(
                backbone.id,
                [_key(group) for group in groups],
                groups,
                lambda some: look([tuple(clip.clip for clip in group) for group in some]),
            )
        )
        return [o if isinstance(o, Unscored) else next(found) for o in others]

    def _prompts(self, role: str, subjects: Sequence[Subject]) -> list[Arrays | Unscored]:
        backbone = self.backbones[role]
        new = list(dict.fromkeys(s.prompt for s in subjects if s.prompt is not None))
        new = [p for p in new if (backbone.id, p) not in self._texts]
        if new:
            self._texts |= {(backbone.id, p): text for p, text in zip(new, backbone.text(new), strict=True)}
        return [
            Unscored("no prompt") if s.prompt is None else {"text": self._texts[backbone.id, s.prompt]}
            for s in subjects
        ]

    def _once(
        self, backbone_id: str, keys: Sequence[str], subjects: Sequence[T], compute: Callable[[list[T]], list[Arrays]]
    ) -> list[Arrays | Unscored]:
        """Arrays by key: cached ones, then one batch of the rest; equal keys are computed once."""
        found: dict[str, Arrays | Unscored] = {}
        missing: dict[str, T] = {}
        for key, subject in zip(keys, subjects, strict=True):
            stored = None if key in missing or key in found else self.cache.get(backbone_id, key)
            if stored is not None:
                found[key] = stored
            elif key not in found:
                missing.setdefault(key, subject)
        computed = _batch(compute, list(missing.values()))
        for key, arrays in zip(missing, computed, strict=True):
            found[key] = arrays if isinstance(arrays, Unscored) else _finite(backbone_id, arrays)
            if not isinstance(found[key], Unscored):
                self.cache.put(backbone_id, key, arrays)  # type: ignore[arg-type]
        return [found[key] for key in keys]


def _key(group: Sequence[Opened]) -> str:
    return "-".join(clip.digest for clip in group)


def _whole(backbone: Any, clips: list[VideoClip]) -> list[Arrays]:
    return list(backbone.observe(clips))


def _in_segments(backbone: Any, clips: list[VideoClip]) -> list[Arrays]:
    """Of a network of single frames: long clips in pieces of `SEGMENT` frames, whose arrays are joined again."""
    pieces = [[clip] if len(clip) <= SEGMENT else _cut(clip) for clip in clips]
    short = [only for only, *rest in pieces if not rest]
    found = iter(backbone.observe(short) if short else [])
    return [next(found) if len(piece) == 1 else _joined(backbone, piece) for piece in pieces]


def _cut(clip: VideoClip) -> list[VideoClip]:
    return [VideoClip(clip.frames[i : i + SEGMENT], clip.fps) for i in range(0, len(clip), SEGMENT)]


def _joined(backbone: Any, pieces: list[VideoClip]) -> Arrays:
    found = [backbone.observe([piece])[0] for piece in pieces]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _batch(compute: Callable[[list[T]], list[Arrays]], subjects: list[T]) -> list[Arrays | Unscored]:
    if not subjects:
        return []
    try:
        return list(compute(subjects))
    except FAILURES as error:
        if len(subjects) == 1:
            return [Unscored(str(error) or type(error).__name__)]
    return [_batch(compute, [subject])[0] for subject in subjects]


def _finite(backbone_id: str, arrays: Arrays) -> Arrays | Unscored:
    """A feature that holds NaN or infinity must not pass for a value."""
    broken = next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
    return arrays if broken is None else Unscored(f"{backbone_id} gave {broken!r} that is not finite")
