"""`magicvideo generate`: videos from prompts, with each stage's result beside them."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from magicvideo import public
from magicvideo.checkpoints import searching
from magicvideo.clip import VideoClip, read_clip, write_image
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.files import atomic_path, write_json
from magicvideo.presets import POCKET, files, names
from magicvideo.prompts import read_prompts
from magicvideo.runs import StageRecord, Store, content_key, environment
from magicvideo.stage_config import STAGES, SWITCHES
from magicvideo.world import known_words, read_caption

PREVIEW_SIDE = 512
"""Previews of small clips repeat pixels up to about this many, so that they stay crisp on a screen."""
LONGEST_NAME = 60


@dataclass(frozen=True)
class Prompt:
    name: str
    """Folder name of its results."""
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="*", help="what the video shows; several prompts make several videos")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="more prompts: .txt, one a line, or JSONL / CSV")
    parser.add_argument(
        "--preset",
        default=POCKET,
        metavar="NAME",
        help=f"which models: {', '.join(names())}, or a file (default: pocket)",
    )
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="look for public weights here first")
    parser.add_argument(
        "--seed", type=int, default=0, help="the noise; the same seed gives the same bytes (default: 0)"
    )
    parser.add_argument("--without", default="", metavar="SWITCH,...", help=f"switch off: {', '.join(SWITCHES)}")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. noise_prior.strength=2")
    parser.add_argument(
        "--fit",
        action="store_true",
        help="with public weights: set what makes the run fit the GPU's free memory (tiles, bfloat16, windows)",
    )
    parser.add_argument("--from", dest="start", type=Path, metavar="IMAGE_OR_CLIP", help="start from your own material")
    parser.add_argument("--until", default="vfi", choices=STAGES, help="last stage to run (default: vfi)")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that make several prompts' videos side by side, sharing the cores (default: 1)",
    )
    parser.add_argument("--out", type=Path, default=Path("outputs"), metavar="DIR", help="folder (default: outputs)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with searching(arguments.weights):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    config = configuration(arguments.without, arguments.set, arguments.preset)
    if arguments.fit:
        config = _fitted(config)
    start = read_clip(arguments.start) if arguments.start else None
    prompts = _prompts(arguments.prompt, arguments.prompts)
    if not prompts and start is not None and len(start) > 1:
        prompts = [Prompt(slug(arguments.start.stem), "")]  # refining and interpolating an own clip needs no words
    if not prompts:
        raise InputError('no prompt: give one, e.g. magicvideo generate "a red star bouncing on a striped background"')
    for text in filter(None, (p.text for p in prompts)) if config.public is None else ():
        warn_unknown(text)
    for line in licences(config):
        print(line, file=sys.stderr)
    from magicvideo.batch import Job, made

    job = Job(config, arguments.out / "store", arguments.seed, start, arguments.until)
    store, items = Store(job.store), dict[int, dict[str, Any]]()
    videos = made(job, [p.text for p in prompts], arguments.workers)
    began = time.perf_counter()
    for n, records in tqdm(videos, total=len(prompts), unit="video", file=sys.stderr, disable=len(prompts) < 2):
        prompt = prompts[n]
        folder = arguments.out / f"{prompt.name}-seed{arguments.seed}{_variant(config, start, arguments.until)}"
        item = {"prompt": prompt.text, "seed": arguments.seed, **_write(folder, store, records)}
        record = {**item, "config": config.model_dump(mode="json"), "made": environment(), **public.record(config)}
        write_json(folder / "record.json", record)
        items[n] = item
        took = f"  ({time.perf_counter() - began:.1f} s)" if len(prompts) == 1 else ""  # of many the bar tells
        print(f"{prompt.text}\n  {item['video']}{took}", file=sys.stderr)
    return {"items": [items[n] for n in sorted(items)]}


def configuration(without: str, settings: list[str], preset: str = POCKET) -> PipelineConfig:
    """A preset's configuration with switches off and settings changed; unknown names are `InputError`s."""
    config = PipelineConfig.of(preset)
    for switch in filter(None, (s.strip() for s in without.split(","))):
        config = config.without(switch)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: write KEY=VALUE, e.g. noise_prior.strength=2")
        config = config.with_setting(key.strip(), value.strip())
    return config


def _fitted(config: PipelineConfig) -> PipelineConfig:
    """The configuration that fits the GPU as it is now; what that changes is told."""
    config.check()
    if config.public is None:
        raise InputError("--fit is for presets of public weights: the preset pocket fits every machine")
    from magicvideo.estimate.needs import fitted

    config, changes = fitted(config)
    print(f"to fit this GPU: {', '.join(changes) or 'nothing has to change'}", file=sys.stderr)
    return config


def licences(config: PipelineConfig) -> list[str]:
    """A line for each public repository whose weights will be loaded."""
    return [f"weights of {w['repository']}: {w['licence']}, {w['terms']}" for w in files.used(public.used(config))]


def warn_unknown(text: str) -> None:
    """Tell on standard error what the pocket models do not know of a prompt."""
    read = read_caption(text)
    missing = [name for name in ("shape", "colour", "background", "motion") if getattr(read, name) is None]
    if not read.unknown and not missing:
        return
    said = [f"does not know {', '.join(map(repr, read.unknown))}"] if read.unknown else []
    said += [f"found no {', no '.join(missing)}"] if missing else []
    print(f"warning: {text!r}: the pocket model {' and '.join(said)}. It knows {known_words()}.", file=sys.stderr)


def _prompts(texts: list[str], file: Path | None) -> list[Prompt]:
    found = [Prompt(slug(t), t) for t in texts]
    for p in read_prompts(file, named=False) if file is not None else ():
        found.append(Prompt(slug(Path(p.file).stem if p.file else p.id or p.prompt), p.prompt))
    if any(not p.text.strip() for p in found):
        raise InputError("an empty prompt: say what the video shows")
    names = [p.name for p in found]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise InputError(f"two prompts would both be written to {twice}: drop one of them")
    return found


def slug(text: str) -> str:
    """A folder name of letters, digits and dashes. Where that loses letters or the end, a hash keeps names apart."""
    whole = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if whole and len(whole) <= LONGEST_NAME and text.isascii():
        return whole
    return f"{whole[:LONGEST_NAME].strip('-') or 'prompt'}-{content_key(text)[:6]}"


def _variant(config: PipelineConfig, start: VideoClip | None, until: str) -> str:
    """Marks a folder that is not made the default way, so that variants lie beside each other and never mix."""
    if config == PipelineConfig.of(config.preset) and start is None and until == STAGES[-1]:
        return "" if config.public is None else f"-{config.public.name}"
    return f"-{content_key([config.model_dump(mode='json'), start.digest if start else None, until])[:6]}"


def _write(folder: Path, store: Store, records: list[StageRecord]) -> dict[str, Any]:
    """Each stage's picture or clip for people, and the last one without loss."""
    stages: dict[str, Any] = {}
    for record in records:
        clip = store.clip(record.digest)
        path = folder / f"{record.stage}{'.png' if len(clip) == 1 else '.mp4'}"
        if len(clip) == 1:
            write_image(path, clip)
        else:
            _copy(store.preview(record.digest, scale=_scale(clip)), path)
        stages[record.stage] = {"digest": record.digest, "seconds": record.seconds, "file": str(path)}
    last = records[-1]
    lossless = folder / "clip.mkv"
    _copy(store.clip_path(last.digest), lossless)
    video = folder / "video.mp4"
    if last.frames > 1:
        _copy(Path(stages[last.stage]["file"]), video)
    return {
        "video": str(video if last.frames > 1 else stages[last.stage]["file"]),
        "clip": str(lossless),
        "digest": last.digest,
        "stages": stages,
    }


def _scale(clip: VideoClip) -> int:
    return max(1, PREVIEW_SIDE // max(clip.size))


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_bytes(source.read_bytes())
