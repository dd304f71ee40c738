"""How far the whole grid is, and about how long the rest takes, on standard error."""

from __future__ import annotations

import sys
from typing import Self

from tqdm import tqdm

from ablations.durations import words
from ablations.executors.work import Answer, Done, Failed
from ablations.plan import Plan
from magicvideo.runs import StageRecord

FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} stages [{elapsed}{postfix}]"


class Progress:
    """A bar over the different stages that a plan leaves to compute.

    Time left is counted stage by stage, from what those of this run took (before: from those found), since one of VFI
    takes another time than one of T2I.
    """

    def __init__(self, todo: Plan, workers: int, shown: bool) -> None:
        self._left = {stage: count.compute for stage, count in todo.counts.items()}
        self._guess = {s: c.seconds / c.compute for s, c in todo.counts.items() if c.compute and c.seconds is not None}
        self._took = dict.fromkeys(self._left, (0, 0.0))
        self._workers = workers
        self._bar = tqdm(
            total=todo.compute,
            desc="generating",
            file=sys.stderr,
            mininterval=0.5,
            disable=not shown,
            bar_format=FORMAT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def heard(self, answer: Answer) -> None:
        if isinstance(answer, Done):
            self._finished(answer.record)
        elif isinstance(answer, Failed):
            self._bar.write(f"a stage failed: {answer.reason}", file=sys.stderr)
        seconds = self.seconds_left()
        if seconds is not None:
            self._bar.set_postfix_str(f"about {words(seconds)} left", refresh=False)

    def seconds_left(self) -> float | None:
        """Predicted time until all stages are made, by all workers; None while a stage was never timed."""
        total = 0.0
        for stage, left in self._left.items():
            n, seconds = self._took[stage]
            mean = seconds / n if n else self._guess.get(stage)
            if left and mean is None:
                return None
            total += left * (mean or 0.0)
        return total / self._workers

    def _finished(self, record: StageRecord) -> None:
        self._left[record.stage] = max(0, self._left[record.stage] - 1)
        n, seconds = self._took[record.stage]
        self._took[record.stage] = (n + 1, seconds + record.seconds)
        self._bar.update()
