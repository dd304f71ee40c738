"""The one error that a user can mend.

Raise `InputError` for bad input or configuration: the command line prints its message and exits with 2.
The message says what is wrong, where (file, field, line) and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class InputError(ValueError):
    """Bad input or configuration, with a message that names the place and the remedy."""


class WriteError(InputError):
    """The place where results go cannot be written (full, read-only, gone): whatever comes next would fail too."""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """An `InputError` for a name that is not one of `known`, with the nearest one suggested."""
    known = list(known)
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    place = f" in {where}" if where else ""
    return InputError(f"unknown {kind} {name!r}{place}: {hint}known: {', '.join(known)}")


class GateFailed(Exception):
    """A gate or check failed (exit code 1). `result` is what `--json` prints all the same."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result
