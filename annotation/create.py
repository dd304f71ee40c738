"""Make a study: collect the systems' videos, match them by prompt, make them alike, plan, freeze.

A system is a folder of videos, what `magicvideo generate` or `evaluate --out` wrote, or an arm of an ablation run.
Files of unknown origin are decoded in a child process.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import category

from tqdm import tqdm

from annotation.design import Settings, plan
from annotation.media import Format, Shape, alike, common, degrade, frame_count, served_name, write_served
from annotation.planning import detectable_net
from annotation.study import (
    BUNDLE,
    INSTRUCTIONS,
    MEDIA,
    QUESTIONS,
    Bundle,
    Item,
    Rules,
    Study,
    Use,
    Video,
    extra_key,
    make_secret,
    read_study,
    write_bundle,
)
from annotation.terms import Question
from evals.decode import Decoder
from evals.prompts import find_clips, match
from evals.states import Unscored
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError, unknown_name
from magicvideo.files import read_json, read_jsonl
from magicvideo.prompts import Prompt, read_prompts
from magicvideo.runs import Store

LONGEST_TEXT = 2000
"""Characters of a prompt or a name."""
ASSUMED_TIES, ASSUMED_ICC = 0.3, 0.2
"""Share of ties, and how far votes on one prompt resemble each other, for saying what a plan can see."""


@dataclass(frozen=True)
class Source:
    """One video of one system. `take` counts its videos of this prompt from 0."""

    prompt_id: str
    prompt: str
    take: int
    path: Path

    @property
    def key(self) -> str:
        return self.prompt_id if not self.take else f"{self.prompt_id} #{self.take + 1}"


@dataclass(frozen=True)
class Wish:
    """What a study is to be made of."""

    systems: tuple[str, ...]
    """NAME=FOLDER, NAME=RUN:ARM, FOLDER, or an ablation RUN for all its arms."""
    prompts: Path | None = None
    strata: Path | None = None
    title: str = "Which video is better?"
    instructions: str | None = None
    """None for the usual ones."""
    questions: tuple[Question, ...] = QUESTIONS
    design: Settings = field(default_factory=Settings)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Created:
    """The study, and what its owner should know: prompts without all videos, seconds cut from the longest clip."""

    study: Study
    left_out: tuple[str, ...]
    cut_seconds: float
    detectable: float
    """Net win of one pair that the plan sees with 80 % power, under `ASSUMED_TIES` and `ASSUMED_ICC`."""


def create(folder: Path, wish: Wish, say: Callable[[str], None] = lambda message: None) -> Created:
    """Make the study in `folder`. Raises `InputError` for bad sources, or if there is a study already.

    `study.json` is written last: interrupted, the same call starts over.
    """
    if (folder / BUNDLE).exists():
        raise InputError(f"{folder}: holds a study already; choose another --out")
    systems = collect(wish.systems, wish.prompts)
    names = list(systems)
    keys, left_out = shared(systems)
    strata = read_strata(wish.strata) if wish.strata is not None else {}
    items = [_item(next(iter(systems.values()))[key], strata) for key in keys]
    planned = plan(keys, names, wish.design)
    secret = make_secret(folder)
    with Decoder() as decoder:
        shapes, digests = _look(decoder, systems, keys, say)
        wanted = common(shape for of in shapes.values() for shape in of.values())
        frames = {key: frame_count((of[key] for of in shapes.values()), wanted.fps) for key in keys}
        served = _Served(folder / MEDIA, secret, decoder, wanted, frames, systems)
        say(f"making {len(names) * len(keys)} videos alike")
        videos: dict[str, dict[str, Video]] = {name: {} for name in names}
        every = [(name, key) for name in names for key in keys]
        for name, key in tqdm(every, desc="made alike", unit="video", disable=None):
            videos[name][key] = Video(digest=digests[name][key], served=served.write("main", name, key))
        extra = {extra_key(*words): served.write(*words) for words in _extras(planned.golds, keys[0], names[0])}
    height, width = wanted.shown
    bundle = Bundle(
        title=_text("the title", wish.title),
        systems=tuple(names),
        items=tuple(items),
        videos=videos,
        extra=extra,
        fps=wanted.fps,
        height=height,
        width=width,
        frames=frames,
        questions=wish.questions,
        instructions=wish.instructions or INSTRUCTIONS,
        rules=wish.rules,
        design=asdict(wish.design),
        units=tuple((u.item, u.first, u.second) for u in planned.units),
        golds=tuple((g.kind, g.item, g.system) for g in planned.golds),
        replicates=planned.replicates,
        slots=tuple((s.block, s.position, s.kind, s.unit, s.swapped) for s in planned.slots),
        example=(keys[0], names[0]),
    )
    write_bundle(folder, bundle)
    longest = max(shape.seconds - frames[key] / wanted.fps for of in shapes.values() for key, shape in of.items())
    prompts = len({item.prompt_id for item in items})
    effective = prompts * wish.design.raters / (1 + (wish.design.raters - 1) * ASSUMED_ICC)
    return Created(read_study(folder), tuple(left_out), max(0.0, longest), detectable_net(effective, ASSUMED_TIES))


def collect(specs: Sequence[str], prompts: Path | None) -> dict[str, dict[str, Source]]:
    """System -> key -> video, in the order given. Raises `InputError` naming what cannot be used."""
    lines = read_prompts(prompts) if prompts is not None else None
    found = dict[str, dict[str, Source]]()
    for spec in specs:
        for name, sources in _systems(spec, lines, prompts):
            _text("a system's name", name)
            if name in found:
                raise InputError(f"two systems are called {name!r}; name them: A=FOLDER B=FOLDER")
            found[name] = {source.key: source for source in sources}
    if len(found) < 2:
        raise InputError(f"a study compares two systems or more, got {len(found)}: give NAME=FOLDER twice, or a run")
    return found


def shared(systems: Mapping[str, Mapping[str, Source]]) -> tuple[list[str], list[str]]:
    """(keys that all systems have, keys that one lacks), in the order of the first system."""
    every = list(dict.fromkeys(key for of in systems.values() for key in of))
    whole = [key for key in every if all(key in of for of in systems.values())]
    if not whole:
        first, second = list(systems)[:2]
        a, b = next(iter(systems[first]), "nothing"), next(iter(systems[second]), "nothing")
        raise InputError(
            f"no prompt has a video of every system: {first} begins with {a!r}, {second} with {b!r}. "
            "Videos are matched by prompt: give --prompts, or use the same file names"
        )
    return whole, [key for key in every if key not in whole]


def read_strata(path: Path) -> dict[str, str]:
    """Prompt id -> stratum, from .csv or .jsonl with `id` and `stratum`."""
    if path.suffix.lower() == ".csv":
        try:
            rows: list[Any] = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from None
    else:
        rows = read_jsonl(path)
    try:
        return {str(row["id"]): str(row["stratum"]) for row in rows}
    except (KeyError, TypeError):
        raise InputError(f"{path}: every line needs `id` (of a prompt) and `stratum`") from None


def _systems(spec: str, lines: list[Prompt] | None, prompts: Path | None) -> Iterator[tuple[str, list[Source]]]:
    name, equals, place = spec.partition("=")
    if not equals or os.path.exists(spec):  # unlike Path's, these say False for names no file can have
        name, place = "", spec
    path, arm = Path(place), ""
    if not os.path.exists(path) and ":" in place:
        head, _, arm = place.rpartition(":")
        path = Path(head)
    if not os.path.isdir(path):
        raise InputError(f"{spec[:200]}: no such folder: {place[:200]}")
    record = read_json(path / "run.json") if (path / "run.json").is_file() else {}
    kind = record.get("kind") if isinstance(record, dict) else None
    if kind == "ablation":
        yield from _arms(path, record, name, arm)
    elif arm:
        raise InputError(f"{spec}: {path} is no ablation run, so it has no arm {arm!r}")
    elif kind == "evaluation":
        yield name or path.name, _evaluated(path, record)
    else:
        yield name or path.resolve().name, _folder(path, lines, prompts)


def _arms(path: Path, record: dict[str, Any], name: str, arm: str) -> Iterator[tuple[str, list[Source]]]:
    arms = [str(a["name"]) for a in record["arms"]]
    if arm and arm not in arms:
        raise unknown_name("arm", arm, arms, str(path))
    wanted = [arm] if arm else [str(record.get("base") or arms[0])] if name else arms
    rows = sorted(read_jsonl(path / "items.jsonl"), key=lambda row: row["seed"])
    store = Store(path / str(record.get("store") or "store"))
    for one in wanted:
        made = [r for r in rows if r["arm"] == one and r["clip"]]
        videos = [(r["prompt_id"], r["prompt"], store.clip_path(r["clip"])) for r in made]
        yield (name or one), _takes(videos)


def _evaluated(path: Path, record: dict[str, Any]) -> list[Source]:
    bare = next((i["item"] for i in record["items"] if not i.get("prompt")), None)
    if bare is not None:
        raise InputError(f"{path / 'run.json'}: the video {bare!r} has no prompt; evaluate again with --prompts")
    return _takes([(i["prompt_id"], i["prompt"], Path(i["clip"])) for i in record["items"]])


def _folder(path: Path, lines: list[Prompt] | None, prompts: Path | None) -> list[Source]:
    clips, _ = find_clips(path)
    if lines is not None and prompts is not None:
        pairs = match(clips, lines, prompts).pairs
        return _takes([(p.cluster, p.prompt, clip.path) for clip, p in pairs if p is not None])
    bare = next((clip for clip in clips if not clip.prompt), None)
    if bare is not None:
        raise InputError(f"{bare.path}: no prompt is known for it; give --prompts FILE (.jsonl with file and prompt)")
    return _takes([(str(clip.prompt), str(clip.prompt), clip.path) for clip in clips])


def _takes(videos: Sequence[tuple[str, str, Path]]) -> list[Source]:
    seen = Counter[str]()
    found = []
    for prompt_id, prompt, path in videos:
        found.append(Source(_text("a prompt's id", prompt_id), _text("a prompt", prompt), seen[prompt_id], path))
        seen[prompt_id] += 1
    return found


def _text(what: str, text: str) -> str:
    if not text.strip() or len(text) > LONGEST_TEXT or any(category(c) in ("Cc", "Cs") for c in text):
        shown = ascii(text[:60])
        raise InputError(f"{what} must have 1 to {LONGEST_TEXT} characters on one line, none of control, got {shown}")
    return text


def _item(source: Source, strata: Mapping[str, str]) -> Item:
    stratum = strata.get(source.prompt_id, "")
    return Item(key=source.key, prompt_id=source.prompt_id, prompt=source.prompt, stratum=stratum)


def _look(
    decoder: Decoder, systems: Mapping[str, Mapping[str, Source]], keys: Sequence[str], say: Callable[[str], None]
) -> tuple[dict[str, dict[str, Shape]], dict[str, dict[str, str]]]:
    """Shape and digest of every video, by system and key."""
    shapes, digests = dict[str, dict[str, Shape]](), dict[str, dict[str, str]]()
    for name, of in systems.items():
        say(f"reading {len(keys)} videos of {name}")
        shapes[name], digests[name] = {}, {}
        for key in keys:
            clip = _read(decoder, of[key].path)
            shapes[name][key] = Shape(len(clip), clip.fps, *clip.size)
            digests[name][key] = clip.digest
    return shapes, digests


def _read(decoder: Decoder, path: Path) -> VideoClip:
    found = decoder.decode(path)
    if isinstance(found, Unscored):
        raise InputError(f"{found.reason}. Replace the video, or leave its prompt out of the study")
    return found.clip


@dataclass(frozen=True)
class _Served:
    """Writes served files."""

    folder: Path
    secret: bytes
    decoder: Decoder
    wanted: Format
    frames: Mapping[str, int]
    systems: Mapping[str, Mapping[str, Source]]

    def write(self, use: Use, system: str, key: str) -> str:
        """sha256 of the file."""
        path = self.folder / served_name(self.secret, use, system, key)
        clip = alike(_read(self.decoder, self.systems[system][key].path), self.wanted, self.frames[key])
        write_served(path, degrade(clip) if use.endswith("degraded") else clip, self.wanted)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _extras(golds: Sequence[Any], example_key: str, example_system: str) -> list[tuple[Use, str, str]]:
    wanted: list[tuple[Use, str, str]] = []
    for gold in golds:
        wanted.append(("original", gold.system, gold.item))
        wanted.append(("copy" if gold.kind == "identical" else "degraded", gold.system, gold.item))
    wanted.append(("example", example_system, example_key))
    wanted.append(("example_degraded", example_system, example_key))
    return list(dict.fromkeys(wanted))
