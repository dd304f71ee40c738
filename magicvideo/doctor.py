"""`magicvideo doctor`: checks environment, codecs, weights, golden behaviour, free space and a store.

What it checks of the evaluation is in `evals.doctor`.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evals import doctor as evaluation
from evals.backbones import BACKBONES
from evals.fetch import searching
from magicvideo import weights
from magicvideo.checks import Check, Group, lines
from magicvideo.clip import read_clip, write_lossless, write_preview
from magicvideo.errors import GateFailed, InputError
from magicvideo.store_check import check_store
from magicvideo.world import render_clip, sample_scene

PACKAGES = ("torch", "torchvision", "diffusers", "open_clip", "lpips", "av", "cv2", "altair", "pandas", "streamlit")
LEAST_FREE = 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="a line for each check, and for each absent file")
    parser.add_argument("--store", type=Path, metavar="DIR", help="also check a store's records and clips")
    parser.add_argument(
        "--weights", type=Path, metavar="FOLDER", help="look for the checkpoints of standard and packaged here first"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with searching(arguments.weights):
        checks = [check for group in (*GROUPS, *evaluation.GROUPS) for check in _show(group, arguments.all)]
    if arguments.store:
        checks += _show(Group("store", partial(_store, arguments.store)), arguments.all)
    result = {"checks": [asdict(c) for c in checks]}
    failed = [c.name for c in checks if not c.ok and not c.optional]
    if failed:
        raise GateFailed(f"{len(failed)} of {len(checks)} checks: {', '.join(failed)}", result)
    absent = sum(not c.ok for c in checks)
    without = f"; {absent} optional thing(s) absent, which the suite pocket does without" if absent else ""
    hint = "" if arguments.all else " (--all lists everything)"
    print(f"all {len(checks) - absent} checks passed{without}{hint}", file=sys.stderr)
    return result


def _show(group: Group, each: bool) -> list[Check]:
    checks = list(group.look())
    for line in (line for c in checks for line in lines(c)) if each else group.short(checks):
        print(line, file=sys.stderr)
    return checks


def _packages() -> Iterator[Check]:
    ok = sys.version_info >= (3, 11)
    yield Check("python", ok, sys.version.split()[0], "install Python 3.11 or newer")
    for name in PACKAGES:
        try:
            module = importlib.import_module(name)
            yield Check(name, True, str(getattr(module, "__version__", "present")))
        except ImportError as error:
            yield Check(name, False, str(error), "run `make install`")


def _machine() -> Iterator[Check]:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none; the pocket preset needs none"
    yield Check("gpu", True, gpu)
    free = shutil.disk_usage(Path.cwd()).free
    yield Check(
        "free space", free > LEAST_FREE, f"{free / 1e9:.1f} GB here", "free at least 1 GB, or use another --out"
    )


def _codecs() -> Iterator[Check]:
    clip = render_clip(sample_scene(np.random.default_rng(0)), frames=4, size=64)
    with tempfile.TemporaryDirectory() as folder:
        lossless, preview = Path(folder) / "clip.mkv", Path(folder) / "clip.mp4"
        try:
            write_lossless(lossless, clip)
            write_preview(preview, clip)
            same, frames = read_clip(lossless) == clip, len(read_clip(preview))
        except (InputError, ValueError) as error:
            yield Check("codecs", False, str(error), "reinstall the package `av`")
            return
    yield Check("FFV1", same, "bit-exact" if same else "frames came back changed", "reinstall the package `av`")
    yield Check("H.264", frames == 4, f"{frames} of 4 frames", "reinstall the package `av`")


def _weights() -> Iterator[Check]:
    from magicvideo.models.pocket import PARTS

    parts = weights.manifest()
    missing = sorted({*PARTS, *(part for _, _, part in BACKBONES.values())} - parts.keys())
    detail = f"missing in {weights.folder()}: {', '.join(missing)}" if missing else f"{len(parts)} parts"
    yield Check("weights", not missing, detail, "restore the folder, or run `magicvideo train all`")
    for part, info in parts.items():
        try:
            weights.verify(part)
            yield Check(f"weights {part}", True, f"{info['bytes'] / 1e6:.1f} MB, sha256 {info['sha256'][:12]}")
        except InputError as error:
            yield Check(f"weights {part}", False, str(error), "git checkout the file, or train the part again")


def _golden() -> Iterator[Check]:
    """What must come out where the answer is known: pictures coded and read back."""
    try:
        yield from _golden_autoencoder()
    except InputError as error:
        yield Check("golden values", False, str(error), "mend the weights first")


def _golden_autoencoder() -> Iterator[Check]:
    import torch

    from magicvideo.models import pocket

    clip = render_clip(sample_scene(np.random.default_rng(1)), frames=2, size=64)
    coder = pocket.autoencoder()
    frames = torch.from_numpy(clip.floats())
    error = (coder.decode(coder.encode(frames)).clamp(0, 1) - frames).square().mean()
    decibel = float(-10 * torch.log10(error))
    yield Check("autoencoder", decibel > 28, f"{decibel:.1f} dB on a fixed picture", "train the autoencoder again")


def _store(root: Path) -> Iterator[Check]:
    """Every record readable, every clip present and still what its name says, nothing left by the dead."""
    for found in check_store(root):
        yield Check(found.name, found.ok, found.detail, found.remedy)


GROUPS = (
    Group("packages", _packages),
    Group("machine", _machine),
    Group("codecs", _codecs),
    Group("weights", _weights),
    Group("pictures", _golden),
)
