"""TensorBoard's event files: one folder a run, scores at step 0, every video's value at a step of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from reports.interop.handed import Handed, missing


def write(run: Path, handed: Sequence[Handed], out: Path) -> None:
    """Scalars `scores/...` and `videos/...`, and the way to read each metric as text."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise missing("tensorboard", "tensorboard") from None
    del run
    for one in handed:
        writer = EventFileWriter(str(out / _folder(one.name)))
        try:
            for name, value in one.scores.items():
                described = one.reads.get(name.partition("/")[0], "")
                writer.add_event(Event(step=0, summary=scalar_pb(f"scores/{name}", value, described)))
            for name, values in one.items.items():
                for step, value in enumerate(values):
                    writer.add_event(Event(step=step, summary=scalar_pb(f"videos/{name}", value)))
        finally:
            writer.close()


def _folder(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80] or "run"
