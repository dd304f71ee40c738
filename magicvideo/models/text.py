"""Prompts as token states: a small transformer over the world's words, trained with the generator.

Unknown words share one token; the empty prompt is what guidance compares with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from magicvideo.world import VOCABULARY, tokenize

LENGTH = 24
"""Tokens a prompt is padded or cut to."""
PAD, _UNKNOWN = 0, 1
_IDS = {word: i + 2 for i, word in enumerate(VOCABULARY)}


def token_ids(prompts: Sequence[str]) -> Tensor:
    """Prompts -> int64 [N,24]; 0 pads, 1 stands for any word outside the vocabulary."""
    rows = [[_IDS.get(word, _UNKNOWN) for word in tokenize(p)][:LENGTH] for p in prompts]
    return torch.tensor([row + [PAD] * (LENGTH - len(row)) for row in rows], dtype=torch.long)


class TextEncoder(nn.Module):
    """Token ids [N,24] -> states [N,24,width]."""

    def __init__(self, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(len(_IDS) + 2, width)
        self.places = nn.Parameter(torch.randn(LENGTH, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, nhead=4, dim_feedforward=2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        return self.norm(self.body(self.words(ids) + self.places))
