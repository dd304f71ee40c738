"""The pocket CLIP: an `open_clip` model with a small configuration of ours, trained on the world's frames and captions.

Beside the joint space of pictures and words it carries a quality head. That head measures how close a frame is to a
clean render (`evals.train.degrade` has the formula it learned); it has never seen a person's judgement and says
nothing about taste.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.model import CLIP
from torch import Tensor, nn

from evals.backbones.frames import SIDE, in_chunks, square
from evals.backbones.trunk import with_contrast
from evals.features import Array, Arrays
from magicvideo import weights
from magicvideo.clip import VideoClip
from magicvideo.world import tokenize

DIM = 128
CONTEXT = 24
"""Tokens of a prompt, start and end included."""
VISION: dict[str, Any] = {"image_size": SIDE, "layers": (1, 2, 2, 1), "width": 16}
TEXT: dict[str, Any] = {"context_length": CONTEXT, "width": 128, "heads": 4, "layers": 2}
QUALITY_INPUTS = 2 * (16 + 64 + 128 + 256)
"""Mean and standard deviation over space of the stem's and the first three stages' channels."""


class Tokenizer:
    """Words to numbers: 0 padding, 1 start, 2 a word it does not know, then the vocabulary, and the end token last.

    The end must be the largest number: open_clip takes a prompt's features where the number is largest.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.words = {word: 3 + i for i, word in enumerate(vocabulary)}
        self.end = 3 + len(self.words)

    def __len__(self) -> int:
        return self.end + 1

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """int64 [N,24]. A prompt with more than 22 words loses the last ones and keeps its end token."""
        rows = torch.zeros(len(prompts), CONTEXT, dtype=torch.long)
        for row, prompt in zip(rows, prompts, strict=True):
            words = [self.words.get(word, 2) for word in tokenize(prompt)[: CONTEXT - 2]]
            ids = [1, *words, self.end]
            row[: len(ids)] = torch.tensor(ids)
        return rows


class PocketClipNet(nn.Module):
    """open_clip's CLIP (modified ResNet, text transformer), and a linear quality head on the ResNet's early stages.

    Its first convolution takes six channels, pictures and their local contrast, instead of three.
    """

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.clip = CLIP(DIM, VISION, {**TEXT, "vocab_size": vocabulary_size})
        self.clip.visual.conv1 = nn.Conv2d(
            6, VISION["width"] // 2, 3, 2, 1, bias=False
        )  # with_contrast gives 6 channels
        self.quality = nn.Linear(QUALITY_INPUTS, 1)

    def image(self, pictures: Tensor) -> Tensor:
        """Float [N,3,64,64] in [0,1] -> embeddings [N,128] of length 1."""
        return self._embedding(self._maps(pictures))

    def statistics(self, pictures: Tensor) -> Tensor:
        """Float [N,3,64,64] in [0,1] -> the quality head's inputs [N,928]."""
        return _statistics(self._maps(pictures))

    def text(self, tokens: Tensor) -> Tensor:
        """int64 [N,24] -> [N,128] of length 1."""
        return F.normalize(self.clip.encode_text(tokens), dim=-1)

    def both(self, pictures: Tensor) -> Tensor:
        """[N,3,64,64] -> [N,129]: the embedding, then quality in 1..10."""
        maps = self._maps(pictures)
        return torch.cat([self._embedding(maps), self.quality(_statistics(maps)).clamp(1, 10)], 1)

    def _maps(self, pictures: Tensor) -> list[Tensor]:
        visual = self.clip.visual
        maps = [visual.stem(with_contrast(pictures))]
        for stage in (visual.layer1, visual.layer2, visual.layer3):
            maps.append(stage(maps[-1]))
        return maps

    def _embedding(self, maps: list[Tensor]) -> Tensor:
        visual = self.clip.visual
        return F.normalize(visual.attnpool(visual.layer4(maps[-1])), dim=-1)


def _statistics(maps: list[Tensor]) -> Tensor:
    """Maps [N,C,H,W] -> [N,928]: mean and standard deviation over space of each channel."""
    flat = [x.flatten(2) for x in maps]
    return torch.cat([s for x in flat for s in (x.mean(2), x.std(2))], 1)


class PocketClip:
    """Looks at each frame: cut to the centred square, brought to 64x64 (areas averaged, or enlarged bilinearly), floats
    in [0,1], mapped to [-1,1] beside their local contrast (`trunk.with_contrast`). A clip's frames go through in chunks
    of 32 in float32, never mixed with another clip's.
    """

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self) -> None:
        self.tokenizer = Tokenizer(weights.entry("clip")["recipe"]["vocabulary"])
        self.network = PocketClipNet(len(self.tokenizer)).eval().requires_grad_(False)
        self.network.load_state_dict(weights.load("clip"))
        self.id = f"pocket-clip-v1:{weights.digest('clip')[:12]}:square{SIDE}"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"image": [T,128] of length 1, "aesthetic": [T], nearness to a clean render from 1 (ruined) to 10} a clip."""
        return [self._observe(clip) for clip in clips]

    @torch.inference_mode()
    def text(self, prompts: Sequence[str]) -> Array:
        """[N,128] of length 1. Lower-case words; unknown ones share a token; at most 22 words count."""
        rows = [self.network.text(self.tokenizer([prompt])) for prompt in prompts]
        return torch.cat(rows).numpy() if rows else np.zeros((0, DIM), np.float32)

    def _observe(self, clip: VideoClip) -> Arrays:
        found: NDArray[np.float32] = in_chunks(self.network.both, square(clip.frames))
        return {"image": np.ascontiguousarray(found[:, :DIM]), "aesthetic": np.ascontiguousarray(found[:, DIM])}
