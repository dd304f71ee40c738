"""What people hand to `evaluate`, as items: folders, paths, arrays, tensors, clips, each with a prompt or without.

Tensors are known by what they can do; torch is not imported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evals.layouts import find_videos
from evals.measure import Item
from evals.prompts import Found, clip_name
from magicvideo.clip import VideoClip, from_floats
from magicvideo.errors import InputError

Video: TypeAlias = Any
"""A path, a `VideoClip`, or an array or tensor [T,3,H,W] or [T,H,W,3]: uint8, or floats in [0,1]."""
Videos: TypeAlias = Any
"""A folder, one `Video`, a batch [B,T,3,H,W] or [B,T,H,W,3], or a sequence of `Video`, (`Video`, prompt) or `Item`."""
SLACK = 1e-3
"""How far floats may leave [0,1], by rounding of what made them; they are cut to it."""


def as_items(videos: Videos, prompts: Sequence[str | None] | None = None, fps: float = 8.0) -> list[Item]:
    """Items of whatever was handed over; `prompts` by order. Arrays are named clip0, clip1, ..., files by their names.

    Raises `InputError` for what is no video, and for another number of prompts.
    """
    found = _listed(videos)
    if prompts is not None:
        if any(isinstance(one, Item) for one in found):
            raise InputError("items carry their prompts; leave `prompts` out")
        if len(prompts) != len(found):
            raise InputError(f"{len(prompts)} prompts for {len(found)} videos; they go together by order")
        found = [(one[0] if _with_prompt(one) else one, p) for one, p in zip(found, prompts, strict=True)]
    items = [_item(n, one, fps) for n, one in enumerate(found)]
    return _told_apart(items)


def as_clip(frames: Any, fps: float = 8.0, what: str = "video") -> VideoClip:
    """A clip of an array or tensor [T,3,H,W] or [T,H,W,3]: uint8, or floats in [0,1], which are rounded to 8 bits.

    Raises `InputError`, naming `what`, for other shapes, types and ranges: nothing is guessed.
    """
    array = _array(frames)
    if array.ndim == 4 and array.shape[1] != 3 and array.shape[3] == 3:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] != 3 or 0 in array.shape:
        raise InputError(f"{what}: needs frames [T,3,H,W] or [T,H,W,3], got {list(array.shape)}")
    if array.dtype == np.uint8:
        return VideoClip(array, fps)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{what}: needs uint8 or floats in [0,1], got {array.dtype}")
    low, high = float(array.min()), float(array.max())
    if not (low >= -SLACK and high <= 1 + SLACK):
        raise InputError(f"{what}: floats must be in [0,1], found {low:.3g} to {high:.3g}; scale them, or give uint8")
    return from_floats(array, fps)


def _array(frames: Any) -> NDArray[Any]:
    if hasattr(frames, "detach"):
        tensor = frames.detach().cpu()
        return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    return np.asarray(frames)


def _listed(videos: Videos) -> list[Any]:
    """One entry a video."""
    if isinstance(videos, str | Path):
        path = Path(videos)
        return [_of_folder(clip) for clip in find_videos(path).clips] if path.is_dir() else [path]
    if isinstance(videos, VideoClip | Item):
        return [videos]
    if _is_array(videos):
        if len(videos.shape) not in (4, 5):
            raise InputError(f"needs one video [T,3,H,W] or a batch [B,T,3,H,W], got {list(videos.shape)}")
        return [videos] if len(videos.shape) == 4 else list(videos)
    if not isinstance(videos, Sequence):
        raise InputError(f"needs a folder, videos or items, got {type(videos).__name__}")
    return list(videos)


def _is_array(one: Any) -> bool:
    return hasattr(one, "shape") and hasattr(one, "dtype")


def _with_prompt(one: Any) -> bool:
    return isinstance(one, tuple) and len(one) == 2 and (one[1] is None or isinstance(one[1], str))


def _of_folder(clip: Found) -> Item:
    return item_of(clip, clip.prompt, None)


def item_of(clip: Found, prompt: str | None, cluster: str | None, **others: Any) -> Item:
    """A found clip as an item. Without prompt it is a cluster of its own."""
    reference = others.pop("reference", clip.reference)
    return Item(clip.name, clip.path, prompt, cluster or prompt or f"video {clip.name}", reference, **others)


def _item(number: int, one: Any, fps: float) -> Item:
    if isinstance(one, Item):
        return one
    video, prompt = one if _with_prompt(one) else (one, None)
    if isinstance(video, Item):
        return replace(video, prompt=prompt, prompt_id=prompt or video.prompt_id)
    if isinstance(video, str | Path):
        path = Path(video)
        return item_of(Found(path, clip_name(path)), prompt, None)
    if not isinstance(video, VideoClip):
        if not _is_array(video):
            raise InputError(f"video {number}: needs a path, an array, a tensor or a clip, got {type(video).__name__}")
        video = as_clip(video, fps, f"video {number}")
    name = f"clip{number}"
    return Item(name, video, prompt, prompt or f"video {name}")


def _told_apart(items: list[Item]) -> list[Item]:
    """Files of several folders that share a name are named by their whole path."""
    often = Counter(item.name for item in items)
    return [_renamed(item) if often[item.name] > 1 and isinstance(item.clip, Path) else item for item in items]


def _renamed(item: Item) -> Item:
    own = item.prompt_id == f"video {item.name}"
    return replace(item, name=str(item.clip), prompt_id=f"video {item.clip}" if own else item.prompt_id)
