"""The run that a branch is measured against: STORE/baselines.json keeps branch -> run, commit, when."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from magicvideo.errors import InputError, unknown_name
from magicvideo.files import read_json, write_json
from reports.sides import read_side, split_name

FILE = "baselines.json"


@dataclass(frozen=True)
class Baseline:
    """What is pinned for a branch."""

    branch: str
    run: str
    """The run's folder relative to the store; RUN:ARM for an arm."""
    commit: str
    """Of the run's own record; empty where it is not known."""
    pinned: str
    """When, UTC, ISO 8601."""


def store_of(run: str) -> Path:
    """The folder that holds the run's folder."""
    return split_name(run)[0].absolute().parent


def read_baselines(store: Path) -> dict[str, Baseline]:
    """Branch -> what is pinned; {} where nothing is. Raises `InputError` for a broken file."""
    path = store / FILE
    if not path.exists():
        return {}
    try:
        return {str(b["branch"]): Baseline(**b) for b in read_json(path)["baselines"]}
    except (KeyError, TypeError):
        raise InputError(f"{path}: not a list of baselines; mend or delete it, then pin again with --pin") from None


def baseline_of(store: Path, branch: str) -> str:
    """The pinned run as `read_side` takes it. Raises `InputError` where nothing is pinned for the branch."""
    known = read_baselines(store)
    if branch not in known:
        if known:
            raise unknown_name("branch", branch, known, str(store / FILE))
        raise InputError(f"{store}: no baseline is pinned; pin one: magicvideo compare RUN --pin {branch}")
    return str(store / known[branch].run)


def pin(store: Path, branch: str, run: str) -> Baseline:
    """Pin a finished run of the store as the branch's baseline, in the place of an earlier one; written atomically.

    Raises `InputError` for a run that cannot be read, is not finished, or lies outside the store.
    """
    if not branch.strip():
        raise InputError("--pin needs the name of a branch")
    side = read_side(run)
    inside = Path(os.path.relpath(side.path.absolute(), store.absolute()))
    if ".." in inside.parts:
        raise InputError(f"{side.path} lies outside the store {store}; move it there, or give its folder as --store")
    name = f"{inside.as_posix()}:{side.arm}" if side.arm is not None else inside.as_posix()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    found = Baseline(branch, name, str(side.environment.get("commit") or ""), when)
    known = read_baselines(store) | {branch: found}
    write_json(store / FILE, {"baselines": [asdict(known[b]) for b in sorted(known)]})
    return found
