"""XPSNR against a known truth (Helmrich et al. 2020): PSNR with errors weighted by how visible they are, by ffmpeg."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

QUALITY = Need("ffmpeg_quality", of="truth")


def value(seen: Seen) -> float:
    """Mean over frames, in dB."""
    return float(seen[QUALITY]["xpsnr"].mean())


METRIC = Metric(
    name="xpsnr",
    title="XPSNR, to the truth",
    unit="dB",
    higher_is_better=True,
    reads="how close the frames are to the true ones, errors weighted by how visible they are; equal clips reach 58.9",
    definition="XPSNR of luma, at most 58.9 a frame, mean over frames; truth resized to the clip by bicubic",
    needs=(QUALITY,),
    value=value,
    scale=(0, None),
)
