"""The shipped networks that metrics look through. Importing this does not import torch; `load` does.

Each is trained by us on the pocket world (`evals.train`), carries its weights' hash in its id, and is refused if the
file's hash differs from the manifest's.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from magicvideo import weights
from magicvideo.errors import unknown_name

BACKBONES = {
    "pocket-clip": ("evals.backbones.clip", "PocketClip", "clip"),
    "pocket-reader": ("evals.backbones.reader", "PocketReader", "reader"),
    "pocket-perceptual": ("evals.backbones.perceptual", "PocketPerceptual", "reader"),
    "pocket-subject": ("evals.backbones.subject", "PocketSubject", "reader"),
    "pocket-video": ("evals.backbones.video", "PocketVideo", "video"),
}
"""Name -> module, class and the part of the weights it reads."""


def load(name: str) -> Any:
    """The backbone of that name, loaded once for each version of its weights.

    pocket-clip is a `TextBackbone`, pocket-reader a `ReaderBackbone`, pocket-video a `VideoBackbone`, pocket-perceptual
    a `Perceptual` (`evals.features`); pocket-subject gives {"image": [T,D]}. Raises `InputError` for an unknown name, and
    for weights that are missing or whose hash differs.
    """
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    return _load(name, str(weights.folder()), weights.digest(BACKBONES[name][2]))


@lru_cache(maxsize=16)
def _load(name: str, folder: str, digest: str) -> Any:
    module, kind, _ = BACKBONES[name]
    return getattr(import_module(module), kind)()
