"""Take in a folder of another system's videos: matched to prompts, cropped, trimmed, at one rate and size.

    OUT/NAME.mkv         (or .mp4) one video each, named by its prompt's id, ID-0, ID-1, ... where a prompt has several
    OUT/prompts.jsonl    {"file", "id", "prompt"} a line: what `evaluate`, arms of grids and `study create` read
    OUT/imported.jsonl   one line a source file: what it became, or the reason why not
    OUT/import.json      the system with its facts, and what was asked for

Files are decoded in a child process, so that a bad one costs one line. What was taken in before is found by the
source's hash and the settings, and not decoded again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evals.decode import Decoder
from evals.prompts import clip_name, find_clips
from evals.states import Unscored
from evals.systems import WHOLE, Box, System
from evals.systems.names import Told, tell
from magicvideo.clip import (
    IMAGE_SUFFIXES,
    VideoClip,
    at_rate,
    fit_aspect,
    natural_order,
    resize,
    write_lossless,
    write_preview,
)
from magicvideo.errors import InputError
from magicvideo.files import read_jsonl, sha256, write_json, write_jsonl
from magicvideo.prompts import Prompt, read_prompts
from magicvideo.runs import content_key

Codec = Literal["lossless", "h264"]
SUFFIX: dict[Codec, str] = {"lossless": ".mkv", "h264": ".mp4"}
SECONDS_BETWEEN = 1.0
"""Between two writings of `imported.jsonl` while videos are taken in."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """What every video is to become; None leaves a property as each video has it."""

    crop: Box = WHOLE
    seconds: float | None = None
    """At most so long, from the beginning."""
    fps: float | None = None
    size: tuple[int, int] | None = None
    """(width, height): cropped around the centre to this shape, then resized."""
    codec: Codec = "lossless"

    def __post_init__(self) -> None:
        left, top, right, bottom = self.crop
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise InputError(f"--crop: needs 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {self.crop}")
        for what, value in (("--seconds", self.seconds), ("--fps", self.fps)):
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{what}: needs a number above 0, got {value:g}")
        if self.size is not None and min(self.size) < 1:
            raise InputError(f"--size: needs pixels, got {self.size[0]}x{self.size[1]}")


@dataclass(frozen=True)
class TakenIn:
    """What became of a folder. `rows` are the lines of imported.jsonl."""

    rows: tuple[Row, ...]
    kept: int
    """Videos that an earlier call had taken in."""
    prompts_without_video: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def done(self) -> list[Row]:
        return [row for row in self.rows if row["reason"] is None]

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row["reason"] is not None]


def take_in(
    folder: Path,
    out: Path,
    name: str,
    system: System,
    wish: Wish,
    prompts: Path | None = None,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda all_of_them, total: all_of_them,
) -> TakenIn:
    """Take in every video of `folder`. Raises `InputError` if there are none, or if not one can be used."""
    if out.resolve() == folder.resolve():
        raise InputError(f"{out}: is the folder that is read; choose another --out")
    lines = read_prompts(prompts, named=False) if prompts is not None else None
    paths = sorted((clip.path for clip in find_clips(folder)[0]), key=natural_order)
    told = [tell(path, system, lines) for path in paths]
    names = _names(paths, told)
    before = _before(out)
    write_json(out / "import.json", {"system": name, "known": system.model_dump(), "wish": asdict(wish)})
    rows, kept, written = list[Row](), 0, time.monotonic()
    with Decoder() as decoder:
        work = list(zip(paths, told, names, strict=True))
        for path, said, target in progress(work, len(work)):
            row, found = _one(path, said, out / f"{target}{SUFFIX[wish.codec]}", wish, decoder, before)
            rows.append(row)
            kept += found
            if time.monotonic() - written > SECONDS_BETWEEN:
                write_jsonl(out / "imported.jsonl", [*rows, *_not_yet(before, rows)])
                written = time.monotonic()
    write_jsonl(out / "imported.jsonl", rows)
    _forget(out, before, rows)
    result = TakenIn(tuple(rows), kept, _without(lines, told), tuple(_notes(name, system, wish, rows, told)))
    if not result.done:
        raise InputError(f"{folder}: not one video could be taken in; the first: {rows[0]['reason']}")
    write_jsonl(out / "prompts.jsonl", _lines(result.done))
    return result


def normalise(clip: VideoClip, wish: Wish) -> VideoClip:
    """Crop, trim, rate, size, in this order. A clip that is shorter than asked stays as long as it is."""
    left, top, right, bottom = wish.crop
    h, w = clip.size
    y0, y1, x0, x1 = round(top * h), round(bottom * h), round(left * w), round(right * w)
    if y0 >= y1 or x0 >= x1:
        raise InputError(f"the crop leaves nothing of {w} x {h} pixels")
    cropped = VideoClip(clip.frames[:, :, y0:y1, x0:x1], clip.fps)
    fps = wish.fps or clip.fps
    seconds = min(len(clip) / clip.fps, wish.seconds or float("inf"))
    made = at_rate(cropped, fps, max(1, int(seconds * fps + 1e-6)))
    if wish.size is None:
        return made
    width, height = wish.size
    return resize(fit_aspect(made, width / height), height, width)


def _one(
    path: Path, said: Told, target: Path, wish: Wish, decoder: Decoder, before: dict[str, Row]
) -> tuple[Row, bool]:
    """A video's row, and whether it was there already."""
    row: Row = {"source": path.name, "file": None, "id": said.id, "prompt": said.prompt, "seed": said.seed}
    row |= {"why_no_prompt": said.why, "reason": None}
    try:
        content = _hash(path)
        row["key"] = content_key([content, asdict(wish), target.name])
        known = before.get(row["key"])
        if known is not None and target.is_file():
            return known | row | {"file": target.name}, True
        found = decoder.decode(path)
        if isinstance(found, Unscored):
            return row | {"reason": found.reason}, False
        made = normalise(found.clip, wish)
    except (InputError, OSError) as error:
        return row | {"reason": f"{path.name}: {error}"}, False
    (write_lossless if wish.codec == "lossless" else write_preview)(target, made)
    return row | {"file": target.name, "was": _shape(found.clip, found.codec), "is": _shape(made, wish.codec)}, False


def _shape(clip: VideoClip, codec: str) -> dict[str, Any]:
    height, width = clip.size
    return {"frames": len(clip), "fps": clip.fps, "width": width, "height": height, "codec": codec}


def _hash(path: Path) -> str | list[str]:
    if not path.is_dir():
        return sha256(path)
    return [sha256(p) for p in sorted(path.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES]


def _names(paths: Sequence[Path], told: Sequence[Told]) -> list[str]:
    """File names without suffix: the prompt's id, with a number where it has several videos; else the video's own."""
    ids = [_file_name(said.id) if said.id else clip_name(path) for path, said in zip(paths, told, strict=True)]
    often, seen = Counter(ids), Counter[str]()
    names = []
    for one in ids:
        names.append(f"{one}-{seen[one]}" if often[one] > 1 else one)
        seen[one] += 1
    if len(set(names)) < len(names):
        twice = next(n for n, times in Counter(names).items() if times > 1)
        raise InputError(f"two videos would both be called {twice}; give them other ids or names")
    return names


def _file_name(text: str) -> str:
    """The id itself where a file can be called so; words become dashes, with a hash that keeps them apart."""
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in text).strip(".-")
    if plain == text and len(text.encode()) <= 100:
        return text
    return f"{plain.encode()[:80].decode(errors='ignore').strip('-')}-{content_key(text)[:6]}"


def _before(out: Path) -> dict[str, Row]:
    """What an earlier call wrote down, by its key; nothing if that cannot be read."""
    try:
        rows = read_jsonl(out / "imported.jsonl")
    except InputError:
        return {}
    return {row["key"]: row for row in rows if isinstance(row, dict) and row.get("file") and row.get("key")}


def _not_yet(before: dict[str, Row], rows: Sequence[Row]) -> Iterator[Row]:
    """Rows of an earlier call that this one has not come to: a kill must not lose them."""
    here = {row.get("key") for row in rows}
    yield from (row for key, row in before.items() if key not in here)


def _forget(out: Path, before: dict[str, Row], rows: Sequence[Row]) -> None:
    """Remove videos of an earlier call that nothing stands for any more, such as those of another crop or name."""
    stays = {row["file"] for row in rows}
    for row in before.values():
        if row["file"] not in stays:
            (out / Path(row["file"]).name).unlink(missing_ok=True)


def _without(lines: Sequence[Prompt] | None, told: Sequence[Told]) -> tuple[str, ...]:
    found = {said.id for said in told}
    return tuple(dict.fromkeys(p.cluster for p in lines or () if p.cluster not in found))


def _lines(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [{"file": r["file"], "id": r["id"], "prompt": r["prompt"]} for r in rows if r["prompt"] is not None]


def _notes(name: str, system: System, wish: Wish, rows: Sequence[Row], told: Sequence[Told]) -> Iterator[str]:
    """What a careful person would want to know."""
    if wish.crop == WHOLE and name != "other":
        said = "" if system.watermark.value == "unknown" else f" ({system.watermark.value})"
        yield f"nothing is cropped: where a watermark of {system.title} lies is not known here{said}; see --crop"
    bare = [said for said in told if said.prompt is None]
    if bare:
        yield f"{len(bare)} video(s) without a prompt; the first: {bare[0].why}"
    done = [row for row in rows if row["reason"] is None]
    for what, fact, found in (
        ("size", system.size, [(r["was"]["width"], r["was"]["height"]) for r in done]),
        ("frames a second", system.fps, [r["was"]["fps"] for r in done]),
        ("number of frames", system.frames, [r["was"]["frames"] for r in done]),
    ):
        if fact.value != "unknown" and (odd := [f for f in found if f != fact.value]):
            usual, seen = _said(fact.value), ", ".join(_said(f) for f, _ in Counter(odd).most_common(3))
            yield f"{len(odd)} of {len(found)} videos have another {what} than {system.title}'s {usual}: {seen}"
    short = [r for r in done if wish.seconds and r["is"]["frames"] / r["is"]["fps"] < wish.seconds - 1e-3]
    if short:
        yield f"{len(short)} of {len(done)} videos are shorter than {wish.seconds:g} s"


def _said(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
