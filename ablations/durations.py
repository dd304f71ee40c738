"""Durations as people say them."""

from __future__ import annotations


def words(seconds: float) -> str:
    """A duration as people say it: `40 s`, `12 min`, `3 h 20 min`, `2 days 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    hours = round(seconds / 3600)
    return f"{minutes // 60} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
