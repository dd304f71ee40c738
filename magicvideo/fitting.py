"""Whether a run fits the machine, and how: which of several ways to compute it needs no more memory than there is.

A stage is told as its networks and its kinds of work. Work needs its networks on the device, and beside them
`fixed + each * n` bytes, n being how many frames it takes together. Choices are tried in the order of what they cost:

    1. fewer frames a time for the VAE    the same clip but for rounding, a little slower
    2. feed-forward layers in parts    likewise
    3. networks wait in the machine's memory until they are needed    the same clip, slower
    4. the VAE works on tiles    nearly the same clip
    5. bfloat16 for float32    nearly the same clip
    6. shorter windows    another clip: no window sees more than its frames

The stages carry out the first three unasked, and the others where the configuration says so (`estimate/needs.py`).
What the user has fixed stays fixed. `fit` is pure: it does not look at the machine, `free` does. Does not know torch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import inf
from typing import Literal

from magicvideo.errors import InputError
from magicvideo.stage_config import Compute

Kind = Literal["once", "vae", "window"]
"""What n is: fixed; frames that the VAE takes together; frames that are denoised together."""
GIB = 1 << 30
WORKSPACE = GIB // 2
SPARE = 0.06
"""Kernels' workspace, and the share of the memory that an allocator loses."""
HALVINGS = 5
LEAST_WINDOW = 8
"""Frames: what motion modules need to show a motion."""


@dataclass(frozen=True)
class Work:
    """One kind of call of a stage. Bytes are those of 16-bit numbers; float32 needs twice as much.

    `frames` is n at most. `tile` is the share of `each` that is left when the VAE works on tiles; None where there are
    none. `parts` is (fixed, each) with feed-forward layers in parts; None where they make no difference.
    """

    name: str
    networks: tuple[str, ...]
    fixed: float
    each: float
    kind: Kind = "once"
    frames: int = 1
    tile: float | None = None
    parts: tuple[float, float] | None = None


@dataclass(frozen=True)
class StageNeeds:
    """A stage: parameters of its networks by name, its work, and which networks float16 leaves in float32."""

    stage: str
    networks: dict[str, int]
    work: tuple[Work, ...]
    wide: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Free bytes of the device, and of the machine beside it, where networks can wait; None where it is not known."""

    device: int | None
    beside: int | None = None

    @property
    def usable(self) -> float | None:
        return None if self.device is None else self.device * (1 - SPARE) - WORKSPACE


@dataclass(frozen=True)
class Wish:
    """What is asked for; None leaves it to `fit`. `window` 0 is the whole clip, `decode_at_once` the most of it."""

    compute: Compute | None = None
    window: int | None = None
    decode_at_once: int | None = None
    parts: bool | None = None
    offload: bool | None = None
    tile: bool | None = None
    most_decoded: int = 8
    frames: int = 32


@dataclass(frozen=True)
class Choice:
    """One way to compute a run. `window` 0 is the whole clip, `decode_at_once` 0 as many as the stage says."""

    compute: Compute = "float32"
    window: int = 0
    decode_at_once: int = 0
    parts: bool = False
    offload: bool = False
    tile: bool = False


PLAIN = Choice()
"""As the stages do it where nothing is asked and nothing has to fit."""


@dataclass(frozen=True)
class Plan:
    """The choice, the bytes that each stage then needs at most, what differs from what costs nothing, and the bytes
    that could be used."""

    choice: Choice
    peaks: dict[str, float] = field(hash=False)
    changes: tuple[str, ...] = ()
    usable: float = inf


def fit(needs: Sequence[StageNeeds], memory: Memory, wish: Wish | None = None) -> Plan:
    """The first choice that fits. Where the memory is not known it is the first choice of all.

    Raises `InputError` with what is needed and what there is, if none fits.
    """
    asked = wish or Wish()
    listed = list(choices(asked))
    for choice in listed:
        peaks = {need.stage: peak(need, choice)[0] for need in needs}
        if memory.usable is None or (max(peaks.values(), default=0) <= memory.usable and _waits(needs, choice, memory)):
            usable = inf if memory.usable is None else memory.usable
            return Plan(choice, peaks, tuple(_changes(choice, listed[0])), usable)
    raise InputError(_refusal(needs, memory, listed))


def choices(wish: Wish) -> Iterator[Choice]:
    """Every way that the wish leaves open, the dearest in quality and time last."""
    decoded = [wish.decode_at_once] if wish.decode_at_once else _halved(wish.most_decoded, 1)
    shorter = [0, *(w for w in _halved(wish.frames // 2, LEAST_WINDOW) if w >= LEAST_WINDOW)]
    computes: list[Compute] = [wish.compute] if wish.compute else ["float32", "bfloat16"]
    for window in [wish.window] if wish.window is not None else shorter:
        for compute in computes:
            for tile, offload, parts in product(*map(_open, (wish.tile, wish.offload, wish.parts))):
                yield from (Choice(compute, window, n, parts, offload, tile) for n in decoded)


def peak(need: StageNeeds, choice: Choice) -> tuple[float, str]:
    """Bytes that a stage needs at most, and the work that needs them."""
    found = [(_bytes(need, work, choice), work.name) for work in need.work]
    return max(found, default=(0.0, "nothing"))


def together(needs: Sequence[StageNeeds]) -> list[StageNeeds]:
    """The same work where networks of earlier stages stay on the device, as they do in a pipeline that runs again."""
    every = {name: size for need in needs for name, size in need.networks.items()}
    wide = tuple({name: None for need in needs for name in need.wide})
    return [StageNeeds(need.stage, every, need.work, wide) for need in needs]


def free(device: str) -> Memory:
    """What is free here and now: of the CUDA GPU and of the machine, or of the machine alone for the CPU.

    What this process holds on the GPU counts as free: it is the same networks, which needs count, or those of another
    preset, which are let go of first (`stages/public/loaded.py`).
    """
    import psutil

    available = int(psutil.virtual_memory().available)
    torch = sys.modules.get("torch")
    if device != "cuda":
        return Memory(available)
    if torch is None or not torch.cuda.is_available():
        return Memory(None, available)
    return Memory(int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved()), available)


def _open(wish: bool | None) -> list[bool]:
    return [False, True] if wish is None else [wish]


def _bytes(need: StageNeeds, work: Work, choice: Choice) -> float:
    held = work.networks if choice.offload else tuple(need.networks)
    most = {"once": 1, "vae": choice.decode_at_once, "window": choice.window}[work.kind]
    n = min(most, work.frames) if most else work.frames
    fixed, each = work.parts if choice.parts and work.parts else (work.fixed, work.each)
    each *= work.tile if choice.tile and work.tile is not None else 1
    size = _size(need, work.networks[0], choice) if work.networks else 2
    return _weights(need, held, choice) + size * (fixed + each * n) / 2


def _size(need: StageNeeds, network: str, choice: Choice) -> int:
    """Bytes of a number."""
    return 4 if choice.compute == "float32" or (choice.compute == "float16" and network in need.wide) else 2


def _weights(need: StageNeeds, networks: Iterable[str], choice: Choice) -> float:
    return sum(_size(need, name, choice) * need.networks[name] for name in networks)


def _waits(needs: Sequence[StageNeeds], choice: Choice, memory: Memory) -> bool:
    """Whether networks that wait have a place to do so."""
    return not choice.offload or memory.beside is None or _waiting(needs, choice) <= memory.beside


def _halved(most: int, least: int) -> list[int]:
    found = [max(least, most >> n) for n in range(HALVINGS)]
    return list(dict.fromkeys(found))


def _changes(choice: Choice, first: Choice) -> Iterator[str]:
    if choice.decode_at_once != first.decode_at_once:
        yield f"the VAE takes {choice.decode_at_once} frame{'s' * (choice.decode_at_once > 1)} together"
    if choice.parts != first.parts:
        yield "feed-forward layers work in parts"
    if choice.offload != first.offload:
        yield "networks wait in the machine's memory"
    if choice.tile != first.tile:
        yield "the VAE works on tiles"
    if choice.compute != first.compute:
        yield f"arithmetic in {choice.compute}"
    if choice.window != first.window:
        yield f"windows of {choice.window} frames, which makes another clip"


def _refusal(needs: Sequence[StageNeeds], memory: Memory, listed: Sequence[Choice]) -> str:
    def worst(choice: Choice) -> tuple[float, str, str]:
        return max((*peak(need, choice), need.stage) for need in needs)

    least = min(listed, key=lambda choice: worst(choice)[0])
    size, name, stage = worst(least)
    how = ", ".join(_changes(least, listed[0])) or "as it was asked for"
    usable = memory.usable or 0
    if size <= usable:
        return (
            f"the networks need {_gb(_waiting(needs, least))} of the machine's memory to wait in, and "
            f"{_gb(memory.beside or 0)} are free"
        )
    return (
        f"{stage} ({name}) needs {_gb(size)} at the least ({how}), and {_gb(max(0, usable))} of "
        f"{_gb(memory.device or 0)} free can be used: make sizes or frames smaller, or take a larger device"
    )


def _waiting(needs: Sequence[StageNeeds], choice: Choice) -> float:
    """Bytes of the networks of one stage: the next stage's are loaded when it begins."""
    return max((_weights(need, need.networks, choice) for need in needs), default=0)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
