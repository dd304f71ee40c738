"""A role's loader as a value: equal loaders load one object, and a suite knows the files they need beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Loader:
    """Loads a backbone of `evals.backbones` by name; `around` makes a backbone of it (`Steps`, `ToReference`, ...)."""

    name: str
    around: Callable[[Any], Any] | None = None

    @property
    def checkpoints(self) -> tuple[str, ...]:
        from evals import backbones

        return backbones.checkpoints(self.name)

    def __call__(self) -> Any:
        from evals import backbones

        backbone = backbones.load(self.name)
        return backbone if self.around is None else self.around(backbone)
