"""The training loop that every part shares: Muon and AdamW, warm-up, decay, moving average, checkpoints, a curve.

Step k draws its batch from a generator seeded by (seed, k) and seeds torch's noise the same way, so a training that was
killed and resumed sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from magicvideo.files import atomic_path, read_jsonl, write_jsonl
from magicvideo.models.arithmetic import product_type
from magicvideo.train.muon import optimizers

FOLDER = Path("training")


@dataclass
class Training:
    """Train `module` in place; after `run` it holds the moving average of its weights, in eval mode.

    `batch(rng)` builds a batch from a NumPy generator (it runs in a thread, one step ahead); `loss(batch)` returns its
    terms, which are summed; detached terms are curves only. Checkpoints and `curve.jsonl` lie in `training/<part>/`.
    """

    part: str
    module: nn.Module
    steps: int
    lr: float
    batch: Callable[[np.random.Generator], Any]
    loss: Callable[[Any], dict[str, Tensor]]
    warmup: int = 100
    weight_decay: float = 0.01
    muon_lr: float = 0.02
    """For weights that are matrices; `lr` is AdamW's, for the rest. Both follow the same schedule."""
    decay: float = 1.0
    """Share of the steps, at the end, in which the learning rate falls; before it the rate is constant."""
    ema: float = 0.998
    bf16: bool | None = None
    """Matrix products in bfloat16; None: where that is faster (`models/arithmetic.py`)."""
    seed: int = 0
    clip_norm: float = 1.0
    checkpoint_seconds: float = 120.0
    folder: Path = FOLDER
    seconds: float = field(default=0.0, init=False)
    """Wall time spent in steps, all resumed sessions together."""

    def run(self, resume: bool = False) -> None:
        """Train from the start, or from the last checkpoint if `resume` and there is one."""
        device = next(self.module.parameters()).device
        trained = [p for p in self.module.parameters() if p.requires_grad]
        both = optimizers(self.module, self.muon_lr, self.lr, self.weight_decay)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["full"] = group["lr"]
        average = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
        start = self._restore(both, average) if resume else 0
        self._cut_curve(start)
        self.module.train()
        saved = time.monotonic()
        bar = tqdm(total=self.steps, initial=start, desc=f"train {self.part}", unit="step", smoothing=0.02)
        with bar, ThreadPoolExecutor(1) as ahead:
            upcoming = ahead.submit(self._batch, start)
            for step in range(start, self.steps):
                began = time.monotonic()
                ready: Future[Any] = upcoming
                upcoming = ahead.submit(self._batch, step + 1)
                terms = self._step(step, ready.result(), both, trained, device)
                _average(average, self.module, min(self.ema, (step + 1) / (step + 10)))
                self.seconds += time.monotonic() - began
                bar.update()
                if step % 20 == 0:
                    self._note(step, terms, bar)
                if time.monotonic() - saved > self.checkpoint_seconds:
                    self._save(step + 1, both, average)
                    saved = time.monotonic()
        self._save(self.steps, both, average)
        self.module.load_state_dict(average)
        self.module.eval()

    def _batch(self, step: int) -> Any:
        return self.batch(np.random.default_rng((self.seed, step)))

    def _step(
        self,
        step: int,
        batch: Any,
        both: list[torch.optim.Optimizer],
        trained: list[nn.Parameter],
        device: torch.device,
    ) -> dict[str, float]:
        torch.manual_seed(self.seed * 1_000_003 + step)
        for group in (group for optimizer in both for group in optimizer.param_groups):
            group["lr"] = group["full"] * self._schedule(step)
        half = product_type(device.type) is torch.bfloat16 if self.bf16 is None else self.bf16
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            terms = self.loss(batch)
        total = torch.stack([t.float() for t in terms.values() if t.requires_grad]).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"{self.part}: the loss is {total.item()} at step {step}; lower the learning rate")
        for p in trained:
            p.grad = None
        total.backward()
        nn.utils.clip_grad_norm_(trained, self.clip_norm)
        for optimizer in both:
            optimizer.step()
        return {k: float(v.detach()) for k, v in terms.items()}

    def _schedule(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        start = max(self.warmup, round(self.steps * (1 - self.decay)))
        done = max(0.0, (step - start) / max(1, self.steps - start))
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def _note(self, step: int, terms: dict[str, float], bar: Any) -> None:
        bar.set_postfix({k: f"{v:.4f}" for k, v in terms.items()})
        path = self.folder / self.part / "curve.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps({"step": step, "seconds": round(self.seconds, 1), **terms}) + "\n")

    def _cut_curve(self, start: int) -> None:
        """Drop what an earlier run noted from this step on."""
        path = self.folder / self.part / "curve.jsonl"
        if path.exists():
            write_jsonl(path, [row for row in read_jsonl(path) if row["step"] < start])

    def _checkpoint(self) -> Path:
        return self.folder / self.part / "checkpoint.pt"

    def _save(self, step: int, both: list[torch.optim.Optimizer], average: dict[str, Tensor]) -> None:
        state = {
            "step": step,
            "seconds": self.seconds,
            "module": self.module.state_dict(),
            "average": average,
            "optimizers": [optimizer.state_dict() for optimizer in both],
        }
        with atomic_path(self._checkpoint()) as temporary:
            torch.save(state, temporary)

    def _restore(self, both: list[torch.optim.Optimizer], average: dict[str, Tensor]) -> int:
        if not self._checkpoint().exists():
            return 0
        state = torch.load(self._checkpoint(), weights_only=True)
        self.module.load_state_dict(state["module"])
        average.update(state["average"])
        for optimizer, kept in zip(both, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.seconds = float(state["seconds"])
        return int(state["step"])


@torch.no_grad()
def _average(average: dict[str, Tensor], module: nn.Module, decay: float) -> None:
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)
