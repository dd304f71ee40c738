"""Reckoned and measured costs as tables: plain text for a terminal, Markdown for a page.

Everything is read from the plain data that `magicvideo cost --random-weights --json` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magicvideo.estimate.gpus import GPUS

TITLES = {"t2i": "T2I", "i2v": "I2V", "v2v": "V2V", "vfi": "VFI"}


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """For a terminal."""
    yield f"{found['preset']}: reckoned from the architectures at their sizes; {found['measured_note']}"
    yield ""
    yield from _aligned(list(stage_rows(found)))
    yield ""
    yield from _aligned(list(arm_rows(found)))


def markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def stage_rows(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """Stages, then the whole: parameters, operations, memory, floors, and seconds where something was measured."""
    measured = any(s["seconds"] is not None for s in found["stages"].values())
    head = ["stage", "parameters", "operations", "weights", "activations", *(f"floor {g.name}" for g in GPUS)]
    yield head + (["measured", "of the floor's rate"] if measured else [])
    for name, stage in found["stages"].items():
        row = [TITLES[name], _millions(stage["parameters"]), _tera(stage["operations"])]
        row += [_giga(stage["weight_bytes"]), _giga(stage["activations"]), *_floors(stage["floor"])]
        yield row + ([_seconds(stage["seconds"]), _share(stage, found)] if measured else [])
    whole = found["arms"]["full"]
    row = ["whole video", _millions(found["parameters"]), _tera(whole["operations"]), _giga(found["weight_bytes"])]
    row += [_giga(max(s["activations"] for s in found["stages"].values())), *_floors(whole["floor"])]
    seconds = [s["seconds"] for s in found["stages"].values()]
    yield row + ([_seconds(None if None in seconds else sum(seconds)), ""] if measured else [])


def call_rows(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """What each stage calls how often."""
    yield ["stage", "call", "times", "operations each", "memory", "share of the video"]
    whole = found["arms"]["full"]["operations"]
    for name, stage in found["stages"].items():
        for call in stage["calls"]:
            share = f"{100 * call['times'] * call['operations'] / whole:.1f} %"
            row = [TITLES[name], call["name"], str(call["times"]), _tera(call["operations"])]
            yield [*row, _giga(call["memory"]), share]


def arm_rows(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """Arms: operations, and beside them what the full pipeline adds to the arm."""
    yield ["arm", "operations", "floor H100", "the full pipeline does more by"]
    full = found["arms"]["full"]["operations"]
    for name, arm in found["arms"].items():
        more = "" if name == "full" else f"{100 * (full / arm['operations'] - 1):.1f} %"
        yield [name, _tera(arm["operations"]), f"{arm['floor']['H100']:.2f} s", more]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _share(stage: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    gpu = next((g for g in GPUS if g.name.replace("RTX ", "") in str(found["machine"]["gpu"] or "")), None)
    if gpu is None or not stage["seconds"]:
        return "-"
    return f"{100 * stage['floor'][gpu.name] / stage['seconds']:.0f} %"


def _floors(floor: Mapping[str, float]) -> list[str]:
    return [f"{floor[g.name]:.2f} s" for g in GPUS]


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:,.0f} M" if parameters >= 1e7 else f"{parameters / 1e6:.1f} M"


def _tera(operations: int) -> str:
    if operations >= 1e14:
        return f"{operations / 1e12:,.0f} T"
    unit, letter = next(((u, name) for u, name in ((1e12, "T"), (1e9, "G")) if operations >= u), (1e6, "M"))
    return f"{operations / unit:.3g} {letter}"


def _giga(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
