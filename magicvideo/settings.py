"""Frozen settings as plain data: whole, moved from one set of defaults to another, and their errors in words."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError


def plain(model: BaseModel) -> dict[str, Any]:
    """Every field as plain data, also those that are written only where they differ."""
    found = {name: getattr(model, name) for name in type(model).model_fields}
    return {name: plain(value) if isinstance(value, BaseModel) else value for name, value in found.items()}


def moved(base: dict[str, Any], mine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`other` with what differs between `base` and `mine`."""
    return {
        name: moved(base[name], mine[name], value)
        if isinstance(value, dict)
        else value
        if mine[name] == base[name]
        else mine[name]
        for name, value in other.items()
    }


def describe(error: ValidationError, where: str) -> str:
    """A pydantic error as `where: field: message (got value)` lines, joined by semicolons."""
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"]) or "value"
        lines.append(f"{field}: {problem['msg']} (got {problem['input']!r})")
    return f"{where}: " + "; ".join(lines)
