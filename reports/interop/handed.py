"""A run as other tools know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from magicvideo.errors import InputError


@dataclass(frozen=True)
class Handed:
    """One run, or one arm of an ablation."""

    name: str
    tags: Mapping[str, str]
    scores: Mapping[str, float]
    """`metric`, `metric/low`, `metric/high`, `metric/n`, `metric/unscored`."""
    items: Mapping[str, tuple[float, ...]]
    """Metric -> every video's value, in the run's order."""
    reads: Mapping[str, str]
    """Metric -> unit, direction and protocol in words."""


def missing(library: str, extra: str) -> InputError:
    return InputError(f"{library} is not installed: pip install 'magicvideo[{extra}]'")
