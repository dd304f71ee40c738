"""A suite as a torchmetrics metric, for training loops: update with batches, compute at the end of an epoch.

The state is every clip's values, so that batches, processes and devices add up to what `evaluate` gives on all clips at
once. Import this module to use it: `import evals` needs neither torch nor torchmetrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from evals.decode import Decoder
from evals.features import FeatureCache
from evals.inputs import as_clip
from evals.measure import Item, Measured, chunks, measure_chunk
from evals.metric import Score
from evals.observe import Observer
from evals.runner import summarise
from evals.sources import Sources
from evals.states import Floats, Rows, Unscored
from evals.suite import Suite
from evals.suites import find
from magicvideo.clip import VideoClip

MISSING = Unscored("no value; the reason is with the process that looked at the clip")


class VideoMetrics(Metric):
    """Metrics of a suite over all videos seen since the last reset.

    `compute` gives, for each metric NAME, the float64 scalars NAME, NAME/low and NAME/high (95 % interval, clustered by
    prompt; NaN where there is none) and NAME/n. `reasons` tells why clips that this process saw have no value.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    def __init__(
        self, suite: str | Suite = "pocket", metrics: Sequence[str] | None = None, fps: float = 8.0, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.suite = find(suite).only(metrics)
        self.fps = fps
        self.reasons: list[dict[str, str]] = []
        self._observer = Observer(self.suite.load(), FeatureCache(None))
        # Flat float64 lists alone, so that processes with many clips, with few and with none can be joined.
        self.set_dtype(torch.float64)
        self.add_state("clusters", default=[], dist_reduce_fx="cat")
        for n, _ in enumerate(self.suite.metrics):
            self.add_state(f"values_{n}", default=[], dist_reduce_fx="cat")
            self.add_state(f"scored_{n}", default=[], dist_reduce_fx="cat")

    def update(
        self,
        videos: Tensor | Sequence[Tensor],
        prompts: Sequence[str | None] | None = None,
        references: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Look at videos [B,T,3,H,W] (or B of [T,3,H,W], of any lengths), uint8 or floats in [0,1].

        `prompts`: B texts. `references`: B pictures [3,H,W] or clips that the videos should resemble. Raises
        `InputError` for other shapes and ranges, ValueError for counts that differ.
        """
        texts = [None] * len(videos) if prompts is None else list(prompts)
        others = [None] * len(videos) if references is None else [self._reference(r) for r in references]
        clips = [as_clip(video, self.fps, f"video {n}") for n, video in enumerate(videos)]
        items = [
            Item(str(n), clip, text, text or clip.digest, other)
            for n, (clip, text, other) in enumerate(zip(clips, texts, others, strict=True))
        ]
        sources = Sources(None, Decoder())  # clips in memory start no child
        for chunk in chunks(items, sources):
            self._keep([item for item, _ in chunk], measure_chunk(chunk, self.suite, self._observer))

    def compute(self) -> dict[str, Tensor]:
        """NAME, NAME/low, NAME/high and NAME/n of every metric."""
        found = dict[str, Tensor]()
        for name, score in self._scores().items():
            parts = {"": score.value, "/low": score.low, "/high": score.high, "/n": score.n}
            for suffix, value in parts.items():
                number = float("nan") if value is None else float(value)
                found[name + suffix] = torch.tensor(number, dtype=torch.float64, device=self.device)
        return found

    def reset(self) -> None:
        super().reset()
        self.reasons = []

    def _reference(self, reference: Tensor) -> VideoClip:
        return as_clip(reference[None] if reference.ndim == 3 else reference, self.fps, "reference")

    def _keep(self, items: Sequence[Item], seen: Measured) -> None:
        clusters = [int(sha256(item.prompt_id.encode()).hexdigest()[:12], 16) for item in items]  # exact in float64
        self._append("clusters", np.array(clusters, np.float64))
        for n, metric in enumerate(self.suite.metrics):
            values = [seen.rows[metric.name].entries[item.name].value for item in items]
            good = [np.ravel(np.asarray(v, np.float64)) for v in values if not isinstance(v, Unscored)]
            self._append(f"scored_{n}", np.array([not isinstance(v, Unscored) for v in values], np.float64))
            self._append(f"values_{n}", np.concatenate([np.zeros(0), *good]))
        unscored = {metric: rows.unscored() for metric, rows in seen.rows.items()}
        self.reasons += [
            {metric: why[item.name] for metric, why in unscored.items() if item.name in why} for item in items
        ]

    def _append(self, state: str, values: Floats) -> None:
        getattr(self, state).append(torch.from_numpy(values).to(self.device))

    def _flat(self, state: str) -> NDArray[np.float64]:
        held = getattr(self, state)
        return np.zeros(0) if isinstance(held, list) and not held else dim_zero_cat(held).cpu().numpy()

    def _scores(self) -> dict[str, Score]:
        """The suite's scores of all clips that any process saw, in the order of their coming."""
        clusters = [f"{int(code):012x}" for code in self._flat("clusters")]
        names = [f"{n:09d}" for n in range(len(clusters))]
        rows = {m.name: self._rows(n, names, clusters) for n, m in enumerate(self.suite.metrics)}
        items = [Item(name, Path(name), None, cluster) for name, cluster in zip(names, clusters, strict=True)]
        seen = Measured(rows, frozenset({"memory"} if items else ()))
        return summarise(items, seen, self.suite, self._observer.backbones).scores

    def _rows(self, number: int, names: Sequence[str], clusters: Sequence[str]) -> Rows:
        scored = self._flat(f"scored_{number}").astype(bool)
        whole = self.suite.metrics[number].total is not None
        values = iter(self._flat(f"values_{number}").reshape(max(1, int(scored.sum())), -1))
        rows = list[Rows]()
        for name, cluster, has_value in zip(names, clusters, scored, strict=True):
            value = next(values) if has_value else None
            rows.append(Rows.of(name, cluster, MISSING if value is None else value if whole else float(value[0])))
        return Rows().merge(*rows)
