"""Which prompt a video of another system was made from, told by its file's name.

Asked in this order: a line of the prompt file that names the file; one whose id is the name; the system's own way of
naming; EvalCrafter's numbers, where the prompt file is a plain list; the prompt's words in the name, in whole or, where
the name ends early, their beginning, if it fits one prompt alone. A name that fits several prompts tells none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.layouts import NUMBERED
from evals.prompts import clip_name
from evals.systems import System
from magicvideo.prompts import Prompt

TAIL = re.compile(
    r"(?:[\s_-]+(?:seed[\s_-]*)?\d+|(?:^|[\s_-]+)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})+$", re.IGNORECASE
)
"""What follows the words: a number, `seed123`, a UUID."""
LEAST_WORDS = 3
"""So many words of a name may be taken for a prompt where no prompt file says otherwise."""
LEAST_BEGINNING = 12
"""Characters of a cut name that must agree with a prompt's beginning."""


@dataclass(frozen=True)
class Told:
    """What a name says. `id` groups the videos of one prompt; `why` says why there is no prompt."""

    prompt: str | None
    id: str | None = None
    seed: str | None = None
    why: str | None = None


@dataclass(frozen=True)
class _Said:
    """The words of a name, and whether it is certain that they end early."""

    words: str
    seed: str | None
    cut: int | None


def tell(path: Path, system: System, prompts: Sequence[Prompt] | None) -> Told:
    """The prompt of one video. `prompts` are the lines of the prompt file, None without one."""
    said = _said(clip_name(path), system)
    if prompts is None:
        return _by_itself(said)
    found = _named(path, prompts)
    if not found:
        bare = all(p.id is None and p.file is None for p in prompts)
        if bare and NUMBERED.fullmatch(path.stem):
            number = int(path.stem)
            found = list(prompts[number : number + 1])
        else:
            found = _by_words(said, prompts)
    clusters = {p.cluster for p in found}
    if len(clusters) == 1:
        return Told(found[0].prompt, found[0].cluster, said.seed)
    if not clusters:
        return Told(None, None, said.seed, "no line of the prompt file fits its name")
    return Told(None, None, said.seed, f"its name fits {len(clusters)} prompts: {' / '.join(sorted(clusters)[:3])}")


def words(text: str) -> str:
    """Lower case, letters and digits of any script, single blanks: what survives a file name."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"[^\W_]+", plain))


def _said(name: str, system: System) -> _Said:
    for rule in system.names:
        if match := re.fullmatch(rule.pattern, name):
            groups = match.groupdict()
            return _Said(groups["prompt"], groups.get("seed"), rule.cut)
    tail = TAIL.search(name)
    seed = re.search(r"seed[\s_-]*(\d+)", tail[0], re.IGNORECASE) if tail else None
    return _Said(name[: tail.start()] if tail else name, seed[1] if seed else None, None)


def _by_itself(said: _Said) -> Told:
    """Without a prompt file: a name that is certainly whole, and has words enough, is the prompt."""
    if said.cut is not None and len(said.words) >= said.cut:
        why = f"its name holds only the first {said.cut} characters of its prompt; give --prompts"
        return Told(None, None, said.seed, why)
    text = " ".join(said.words.replace("_", " ").split())
    if said.cut is None and sum(word.isalpha() for word in words(text).split()) < LEAST_WORDS:
        return Told(None, None, said.seed, "its name holds no prompt; give --prompts")
    return Told(text, text, said.seed)


def _named(path: Path, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Lines that name the file, or else those whose id is its name."""
    by_file = [p for p in prompts if p.file is not None and p.file in (path.name, clip_name(path))]
    return by_file or [p for p in prompts if p.file is None and p.id is not None and p.id == clip_name(path)]


def _by_words(said: _Said, prompts: Sequence[Prompt]) -> list[Prompt]:
    here = words(said.words)
    if said.cut is not None:  # something else may follow; the longest beginning that agrees is meant
        fits = [p for p in prompts if f"{here} ".startswith(f"{words(p.prompt[: said.cut])} ")]
        most = max((len(words(p.prompt[: said.cut])) for p in fits), default=0)
        return [p for p in fits if len(words(p.prompt[: said.cut])) == most]
    whole = [p for p in prompts if words(p.prompt) == here]
    if whole or len(here) < LEAST_BEGINNING:
        return whole
    return [p for p in prompts if words(p.prompt).startswith(here)]
