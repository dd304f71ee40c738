"""The networks that metrics look through. Importing this does not import torch; `load` does.

The pocket ones are trained by us on the pocket world (`evals.train`) and ship. The public ones read checkpoints of
others (`evals.checkpoints`). Each carries its weights' hash in its id, and a file whose hash differs is refused.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from evals.fetch import Found, ensure
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
PUBLIC = {
    "clip-vit-b32": ("evals.backbones.openclip", "OpenClip", ("clip-vit-b32",)),
    "clip-vit-l14": ("evals.backbones.openclip", "OpenClip", ("clip-vit-l14",)),
    "lpips-alex": ("evals.backbones.lpips_alex", "LpipsAlex", ("alexnet", "lpips-alex")),
    "laion": ("evals.backbones.laion", "Laion", ("clip-vit-l14", "laion-linear", "laion-mlp")),
    "dino-vit-b16": ("evals.backbones.dino", "Dino", ("dino-vit-b16",)),
    "i3d": ("evals.backbones.i3d", "I3D", ("i3d",)),
    "inception": ("evals.backbones.inception", "Inception", ("inception",)),
    "musiq": ("evals.backbones.musiq", "Musiq", ("musiq-spaq",)),
    "nima": ("evals.backbones.nima", "Nima", ("nima-vgg16",)),
    "efficientnet-lite0": ("evals.backbones.efficientnet", "EfficientNet", ("efficientnet-lite0",)),
    "efficientnet-perceptual": ("evals.backbones.efficientnet", "EfficientNetPerceptual", ("efficientnet-lite0",)),
    "transnetv2": ("evals.backbones.transnet", "TransNet", ("transnetv2",)),
}
"""Name -> module, class, and the checkpoints that its constructor takes, in order."""


def checkpoints(name: str) -> tuple[str, ...]:
    """The public checkpoints that a backbone reads; none for a shipped one. `InputError` for an unknown name."""
    if name not in {**BACKBONES, **PUBLIC}:
        raise unknown_name("backbone", name, [*BACKBONES, *PUBLIC])
    return PUBLIC[name][2] if name in PUBLIC else ()


def load(name: str) -> Any:
    """The backbone of that name, loaded once for each version of its weights.

    pocket-clip and clip-* are `TextBackbone`s, pocket-reader a `ReaderBackbone`, pocket-video a `VideoBackbone`, and
    pocket-perceptual, lpips-alex and efficientnet-perceptual `Perceptual`s (`evals.features`); pocket-subject gives
    {"image": [T,D]}. A public checkpoint that is missing is fetched. Raises `InputError` for an unknown name, and for
    weights that cannot be had or whose hash differs.
    """
    needed = checkpoints(name)
    if needed:
        found = ensure(needed)
        return _load_public(name, tuple(found[checkpoint] for checkpoint in needed))
    return _load(name, str(weights.folder()), weights.digest(BACKBONES[name][2]))


@lru_cache(maxsize=16)
def _load(name: str, folder: str, digest: str) -> Any:
    module, kind, _ = BACKBONES[name]
    return getattr(import_module(module), kind)()


@lru_cache(maxsize=16)
def _load_public(name: str, found: tuple[Found, ...]) -> Any:
    module, kind, _ = PUBLIC[name]
    return getattr(import_module(module), kind)(*found)
