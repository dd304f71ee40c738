"""What a suite is: which metrics, on which backbones. The suites themselves are in `evals/suites/`, a file each.

Backbones are loaded when an evaluation starts, and only those its metrics need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evals.fetch import ensure
from evals.metric import Metric, Need
from magicvideo.errors import unknown_name


@dataclass(frozen=True)
class Suite:
    """Metrics in the order they are shown, and a loader for each role that they name."""

    name: str
    metrics: tuple[Metric, ...]
    backbones: Mapping[str, Callable[[], Any]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in self.metrics)

    @property
    def truthful(self) -> tuple[str, ...]:
        """The metrics that need the truth."""
        return tuple(m.name for m in self.metrics if any(need.of in ("truth", "both") for need in m.needs))

    @property
    def needs(self) -> tuple[Need, ...]:
        """All that the metrics need, each once."""
        return tuple(dict.fromkeys(need for metric in self.metrics for need in metric.needs))

    def only(self, names: Sequence[str] | None) -> Suite:
        """The suite with these metrics alone, in its own order; all for None. Unknown names are an `InputError`."""
        if names is None:
            return self
        for name in names:
            if name not in self.names:
                raise unknown_name("metric", name, self.names, where=f"suite {self.name!r}")
        return replace(self, metrics=tuple(m for m in self.metrics if m.name in names))

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The public checkpoints (`evals.checkpoints`) that the metrics look through."""
        names = [name for loader in self._loaders() for name in getattr(loader, "checkpoints", ())]
        return tuple(dict.fromkeys(names))

    def load(self) -> dict[str, Any]:
        """The backbones that the metrics need, by role; roles with one loader share what it loads.

        Public checkpoints are found or fetched before the first is read, so that one `InputError` names all that is
        missing."""
        ensure(self.checkpoints)
        loaded = {loader: loader() for loader in self._loaders()}
        return {need.role: loaded[self.backbones[need.role]] for need in self.needs}

    def _loaders(self) -> tuple[Callable[[], Any], ...]:
        return tuple(dict.fromkeys(self.backbones[need.role] for need in self.needs))

    def protocols(self) -> dict[str, str]:
        """Metric name -> the part of its protocol id that does not depend on the clips. Loads the backbones."""
        ids = {role: str(backbone.id) for role, backbone in self.load().items()}
        return {metric.name: metric.protocol(ids) for metric in self.metrics}
