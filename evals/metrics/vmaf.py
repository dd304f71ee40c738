"""VMAF against a known truth (Li et al. 2016, Netflix), by ffmpeg's libvmaf."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

QUALITY = Need("ffmpeg_quality", of="truth")


def value(seen: Seen) -> float:
    """Mean over frames."""
    return float(seen[QUALITY]["vmaf"].mean())


METRIC = Metric(
    name="vmaf",
    title="VMAF, to the truth",
    unit="points",
    higher_is_better=True,
    reads="how viewers would rate the clip beside the true one; equal clips reach 97 to 100",
    definition="VMAF v0.6.1, mean over frames; truth resized to the clip by bicubic",
    needs=(QUALITY,),
    value=value,
    scale=(0, 100),
)
