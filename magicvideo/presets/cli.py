"""`magicvideo presets`: which presets there are, what each has and lacks, and what of its weights is here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from magicvideo import presets
from magicvideo.checkpoints import searching
from magicvideo.config import PipelineConfig
from magicvideo.errors import GateFailed, InputError
from magicvideo.presets import files
from magicvideo.presets.files import Wanted
from magicvideo.stage_config import SWITCHES

OK, MISSING, UNTRUSTED, WRONG = "ok", "missing", "untrusted", "wrong"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", nargs="?", metavar="NAME", help="one preset, or a path to one's own; all without")
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="look for files, and put fetched ones, here")
    parser.add_argument("--fetch", action="store_true", help="fetch from the hub what is missing, at pinned revisions")
    parser.add_argument(
        "--trust-new",
        action="store_true",
        help="record the hashes of files for which none is published; another file in their place is then refused",
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.preset is None and (arguments.fetch or arguments.trust_new):
        raise InputError(f"--fetch and --trust-new need a preset's NAME: one of {', '.join(presets.names()[1:])}")
    with searching(arguments.weights):
        if arguments.preset is None:
            return _all()
        return _one(arguments.preset, arguments.fetch, arguments.trust_new)


def _all() -> dict[str, Any]:
    found = [_about(name, look=False) for name in presets.names()]
    for about in found:
        size = f"{about['bytes'] / 1e9:.1f} GB" if about["files"] else "ships with the package"
        gone = [f for f in about["files"] if f["state"] == MISSING]
        state = f"{len(gone)} of {len(about['files'])} files missing" if gone else "here" if about["files"] else ""
        print(f"{about['name']:<12} {about['title']}", file=sys.stderr)
        print(f"{'':<12} {', '.join(word for word in (size, state) if word)}", file=sys.stderr)
    return {"presets": found}


def _one(name: str, fetch: bool, trust_new: bool) -> dict[str, Any]:
    if name != presets.POCKET:
        preset = presets.read(name)
        _show_licences(name)
        if fetch:
            files.fetch(preset)
        if trust_new:
            for file, found in files.trust(files.wanted(preset.parts_of())).items():
                print(f"recorded {found}  {file}", file=sys.stderr)
    about = _about(name, look=True)
    _show(about, name)
    wrong = [f for f in about["files"] if f["state"] == WRONG]
    if wrong:
        more = f"\nso are {len(wrong) - 1} others marked wrong above" if len(wrong) > 1 else ""
        raise GateFailed(f"{wrong[0]['why']}{more}", {"presets": [about]})
    return {"presets": [about]}


def _about(name: str, look: bool) -> dict[str, Any]:
    """A preset in plain data. `look` reads the files that are here, to check their hashes."""
    if name == presets.POCKET:
        about = {"title": "the package's own models, for its small rendered world", "description": "", "lacks": {}}
        return {"name": name, **about, "switches": list(SWITCHES), "bytes": 0, "files": []}
    preset = presets.read(name)
    wanted = files.wanted(preset.parts_of())
    PipelineConfig.of(name)  # its defaults hold
    return {
        "name": name,
        "title": preset.title,
        "description": preset.description.strip(),
        "switches": [s for s in SWITCHES if s not in preset.lacks],
        "lacks": preset.lacks,
        "bytes": sum(w.file.bytes or 0 for w in wanted),
        "files": [_file(w, look) for w in wanted],
    }


def _file(w: Wanted, look: bool) -> dict[str, Any]:
    about: dict[str, Any] = {"repository": w.placed.repository, "revision": w.placed.revision, "path": w.file.path}
    about |= {"bytes": w.file.bytes, "sha256": w.sha256, "licence": w.placed.licence, "terms": w.placed.terms}
    about |= {"lies": str(w.path or ""), "belongs": str(w.places[0])}
    return {**about, **_state(w, look)}


def _state(w: Wanted, look: bool) -> dict[str, str]:
    if w.path is None:
        return {"state": MISSING}
    try:
        if look:
            files.examine(w)
    except InputError as error:
        return {"state": WRONG, "why": str(error)}
    return {"state": UNTRUSTED if w.sha256 is None else OK}


def _show_licences(name: str) -> None:
    for repository in files.used(presets.read(name).parts_of()):
        print(f"{repository['repository']}: {repository['licence']}, {repository['terms']}", file=sys.stderr)


def _show(about: dict[str, Any], name: str) -> None:
    lines = [f"{about['name']}: {about['title']}", about["description"], f"switches: {', '.join(about['switches'])}"]
    lines += [f"lacks {switch}: {why}" for switch, why in about["lacks"].items()]
    for file in about["files"]:
        size = f"{file['bytes'] / 1e6:,.0f} MB" if file["bytes"] else "?"
        lines.append(f"  {file['state']:<9} {size:>9}  {file['repository']}/{file['path']}")
        if file["state"] == MISSING:
            lines.append(f"{'':<22}belongs at {file['belongs']}")
    if any(file["state"] == MISSING for file in about["files"]):
        lines.append(f"fetch what is missing with: {files.command(name, '--fetch')}")
    if any(file["state"] == UNTRUSTED for file in about["files"]):
        lines.append(f"record what is untrusted with: {files.command(name, '--trust-new')}")
    print("\n".join(line for line in lines if line), file=sys.stderr)
