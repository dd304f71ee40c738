"""Writes docs/weights.md from the shipped manifest: what each part is, how it was trained, and what it reaches.

    python -m magicvideo.train.table [FILE]

The manifest is the only source: nothing here knows a figure, and nothing imports torch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from magicvideo.files import read_json, write_text
from magicvideo.weights import SHIPPED

PAGE = SHIPPED.parents[1] / "docs" / "weights.md"
ABOUT = {
    "autoencoder": "pictures to latents and back (f = 8); every diffusion stage works in its latents",
    "generator": "text encoder, spatial layers, appearance encoder, ControlNet and I2V's motion modules, trained "
    "jointly on images and videos; T2I and I2V run it, V2V stands on it",
    "generator-video-only": "the same network from as many video steps and no images: I2V without `joint_training`",
    "t2i-lora": "low-rank changes of the generator's spatial layers for T2I alone: learned from what the verifier "
    "says of whole drawn pictures",
    "verifier": "whether a T2I picture shows its prompt: another is drawn where it doubts",
    "refiner": "V2V: motion modules and a ControlNet of its own on the generator's spatial layers",
    "vfi": "frame interpolation: vector-quantised encoder, EDSC head, and the table of the fusion",
    "clip": "the pocket CLIP of `clip_score`, `clip_temporal` and `aesthetic`",
    "reader": "the reader of shape, colour, background and motion; its trunk is also the perceptual distance's",
    "video": "the video encoder of `fvd_pocket`, with the moments of its reference set",
}
HEAD = """\
# The shipped weights

<!-- Written by `make weights-table` from magicvideo/weights/manifest.json; change that, not this page. -->
"""
NOTE = """\
Figures are measured on scenes that training did not draw, most of them of (shape, colour) pairs that are kept out of
all training. A figure stands with its 95 % interval and n, the number of pictures, clips or gaps it was measured on.
PSNR is in dB; shares and correlations have no unit. One training stands behind each part: an interval tells how sure
the measurement is, not how much another training would differ. A file whose sha256 differs from the manifest's is
refused.
"""


def main(words: Sequence[str] | None = None) -> None:
    """Write the page, or another file that is named."""
    words = sys.argv[1:] if words is None else words
    path = Path(words[0]) if words else PAGE
    write_text(path, page(shipped()))
    print(f"wrote {path}", file=sys.stderr)


def shipped() -> dict[str, Any]:
    """The shipped manifest, whatever `MAGICVIDEO_WEIGHTS` says; empty when no part is trained yet."""
    path = SHIPPED / "manifest.json"
    return dict(read_json(path)) if path.exists() else {}


def page(manifest: Mapping[str, Any]) -> str:
    """The page as Markdown. The same manifest gives the same text."""
    if not manifest:
        return f"{HEAD}\nNo part is trained yet: `magicvideo train all` writes them.\n"
    total = sum(part["bytes"] for part in manifest.values()) / 1e6
    count = f"{len(manifest)} part{'' if len(manifest) == 1 else 's'}"
    lines = [HEAD, f"{count}, {total:.1f} MB in all.", "", NOTE]
    lines += _table(("part", "size", "sha256", "steps", "seconds", "licence"), map(_overview, manifest.items()))
    for name, part in manifest.items():
        lines += ["", f"## {name}", ""]
        if name in ABOUT:
            lines += [f"{ABOUT[name][0].upper()}{ABOUT[name][1:]}.", ""]
        lines += [f"- {key}: {plain(value)}" for key, value in part["recipe"].items()]
        if part["figures"]:
            lines += ["", *_table(("figure", "value", "95 % interval", "n"), map(_figure, part["figures"].items()))]
    return "\n".join(lines) + "\n"


def plain(value: Any) -> str:
    """A recipe's value in words: mappings as `name value`, long lists of words by their number."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(v)}" for key, v in value.items())
    if isinstance(value, list):
        if len(value) > 8 and all(isinstance(v, str) for v in value):
            return f"{len(value)} words"
        return (" / " if any(isinstance(v, list) for v in value) else ", ").join(map(plain, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _overview(entry: tuple[str, Mapping[str, Any]]) -> tuple[str, ...]:
    name, part = entry
    recipe = part["recipe"]
    return (
        f"[{name}](#{name})",
        f"{part['bytes'] / 1e6:.2f} MB",
        f"`{part['sha256'][:16]}`",
        plain(recipe.get("steps", "")),
        plain(recipe.get("seconds", "")),
        str(part["licence"]),
    )


def _figure(entry: tuple[str, Any]) -> tuple[str, ...]:
    name, figure = entry
    if not isinstance(figure, Mapping):
        return name, plain(figure), "", ""
    value = plain(figure["value"])
    if "of" in figure:
        value += f" of {plain(figure['of'])}"
    span = f"{figure['low']} to {figure['high']}" if "low" in figure and "high" in figure else ""
    return name, value, span, plain(figure.get("n", ""))


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


if __name__ == "__main__":
    main()
