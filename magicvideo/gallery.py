"""Draws the README's animated picture: a few prompts, each stage's result side by side.

python -m magicvideo.gallery docs/images/stages.gif
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from magicvideo.clip import Frames, VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.files import atomic_path
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store

PROMPTS = (
    "a red star bouncing on a striped background",
    "a blue ring moving in circles on a plain background",
    "a yellow heart growing on a dotted background",
    "a purple cross spinning on a checkered background",
)
SEED = 7
SIDE = 128
GAP = 6


def sheet(pipeline: Pipeline, prompts: tuple[str, ...], seed: int) -> list[Frames]:
    """Pictures uint8 [H,W,3], one a time step of the longest stage: a row a prompt, a column a stage."""
    rows = [[pipeline.store.clip(r.digest) for r in pipeline.run(p, seed)] for p in prompts]
    steps = max(len(clip) for row in rows for clip in row)
    return [_grid([[_at(clip, i / (steps - 1)) for clip in row] for row in rows]) for i in range(steps)]


def write_gif(path: Path, pictures: list[Frames], milliseconds: int = 60) -> None:
    """An endless GIF with one palette for all pictures."""
    frames = [Image.fromarray(p) for p in pictures]
    palette = frames[0].quantize(256, dither=Image.Dither.NONE)
    small = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    with atomic_path(path) as temporary:
        small[0].save(temporary, save_all=True, append_images=small[1:], duration=milliseconds, loop=0, optimize=True)


def _at(clip: VideoClip, share: float) -> Frames:
    """The frame at that share of the clip, [SIDE,SIDE,3], pixels repeated."""
    frame = clip.frames[round(share * (len(clip) - 1))].transpose(1, 2, 0)
    scale = SIDE // frame.shape[0]
    return frame.repeat(scale, 0).repeat(scale, 1)


def _grid(rows: list[list[Frames]]) -> Frames:
    wide, high = len(rows[0]) * (SIDE + GAP) - GAP, len(rows) * (SIDE + GAP) - GAP
    canvas = np.full((high, wide, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = y * (SIDE + GAP), x * (SIDE + GAP)
            canvas[top : top + SIDE, left : left + SIDE] = picture
    return canvas


def main(path: str) -> None:
    with TemporaryDirectory() as folder:
        write_gif(Path(path), sheet(Pipeline(PipelineConfig(), Store(Path(folder))), PROMPTS, SEED))


if __name__ == "__main__":
    main(sys.argv[1])
