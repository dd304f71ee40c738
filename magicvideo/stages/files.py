"""T2I from files: a folder of pictures named by their prompts, for systems whose weights nobody has. NumPy only."""

from __future__ import annotations

import re
from pathlib import Path

from magicvideo.clip import IMAGE_SUFFIXES, VideoClip, fit_square, read_clip
from magicvideo.errors import InputError
from magicvideo.stage_config import T2IConfig


def picture_from(config: T2IConfig, prompt: str) -> VideoClip:
    """The prompt's picture, its centred square at `config.size`, as a clip with T = 1."""
    clip = read_clip(find_picture(Path(config.folder), prompt))
    return fit_square(VideoClip(clip.frames[:1], 1.0), config.size)


def find_picture(folder: Path, prompt: str) -> Path:
    """The first picture by name whose stem is the prompt, or the prompt's words with dashes, in any case of letters."""
    if not folder.is_dir():
        raise InputError(f"t2i.folder={folder}: no such folder")
    pictures = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    found = next((p for p in pictures if dashed(p.stem) == dashed(prompt)), None)
    if found is None:
        name = f"{dashed(prompt) or 'prompt'}.png"
        raise InputError(f"{folder} holds no picture for {prompt!r}: name it {name} ({len(pictures)} others are there)")
    return found


def dashed(text: str) -> str:
    """Its words in lower case with dashes between."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")
