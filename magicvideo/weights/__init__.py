"""Shipped weights: safetensors files beside this module, listed in `manifest.json`.

The manifest holds for each part its file, sha256, licence, training recipe, data seed, steps and figures. A file whose
hash differs is refused before it is read: a wrong weight gives plausible numbers. `MAGICVIDEO_WEIGHTS` names
another folder (one that `magicvideo train` wrote). A folder of public checkpoints alone (`evals.fetch`) leaves the
shipped parts in force.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicvideo.errors import InputError, unknown_name
from magicvideo.files import atomic_path, read_json, sha256, write_json

if TYPE_CHECKING:
    import torch

SHIPPED = Path(__file__).parent


def folder() -> Path:
    """The weights folder in force: `MAGICVIDEO_WEIGHTS`, or the shipped one."""
    named = _named()
    return SHIPPED if _holds_only_others(named) else named


def _named() -> Path:
    return Path(os.environ.get("MAGICVIDEO_WEIGHTS") or SHIPPED)


def _holds_only_others(path: Path) -> bool:
    """Whether a folder holds files, but none that `magicvideo train` wrote or began to write."""
    if not path.is_dir():
        return False
    names = [file.name for file in path.iterdir()]
    ours = any(name == "manifest.json" or name.endswith(".safetensors") for name in names)
    return bool(names) and not ours


def manifest() -> dict[str, Any]:
    """Part name -> {file, sha256, bytes, licence, recipe, figures}. Empty when nothing was trained yet."""
    return _manifest(folder())


def _manifest(path: Path) -> dict[str, Any]:
    listed = path / "manifest.json"
    return read_json(listed) if listed.exists() else {}


def entry(part: str) -> dict[str, Any]:
    """The manifest's entry of a part; `InputError` if it has none."""
    parts = manifest()
    if not parts:
        raise InputError(f"no weights in {folder()}: restore them, or train them there with `magicvideo train all`")
    if part not in parts:
        raise unknown_name("weights", part, parts, where=str(folder() / "manifest.json"))
    return parts[part]


def digest(part: str) -> str:
    """The sha256 a part must have: what cache keys and protocol ids use."""
    return str(entry(part)["sha256"])


@lru_cache(maxsize=64)
def _verified(path: Path, expected: str) -> Path:
    if not path.exists():
        raise InputError(f"weights file missing: {path}. Restore it from the repository or run `magicvideo train`")
    found = sha256(path)
    if found != expected:
        raise InputError(
            f"weights file {path} has sha256 {found[:12]}..., the manifest says {expected[:12]}...: "
            "it is damaged or from another training. Restore it from the repository or run `magicvideo train`"
        )
    return path


def load(part: str) -> dict[str, torch.Tensor]:
    """A part's state dict (float32), its hash checked first."""
    import torch
    from safetensors.torch import load_file

    info = entry(part)
    state = load_file(_verified(folder() / info["file"], info["sha256"]))
    return {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()}


def verify(part: str) -> Path:
    """Check a part's file against the manifest and return its path; raises `InputError` if it differs."""
    info = entry(part)
    return _verified(folder() / info["file"], info["sha256"])


def save(
    part: str,
    state: dict[str, torch.Tensor],
    recipe: dict[str, Any],
    figures: dict[str, Any],
    keep: Collection[str] = (),
) -> Path:
    """Write a part in float16 with its manifest entry (the manifest last). Returns the file's path.

    Tensors named in `keep` stay as they are (float32 for sums and moments that float16 would spoil).
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = _named() / f"{part}.safetensors"
    rounded = {k: v.to(torch.float16) if v.is_floating_point() and k not in keep else v for k, v in state.items()}
    half = {k: v.contiguous().cpu() for k, v in rounded.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(half, temporary)
        except SafetensorError as error:
            raise OSError(str(error)) from None
    parts = _manifest(path.parent)
    parts[part] = {
        "file": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "licence": "Apache-2.0",
        "recipe": recipe,
        "figures": figures,
    }
    write_json(path.parent / "manifest.json", dict(sorted(parts.items())))
    _verified.cache_clear()
    return path
