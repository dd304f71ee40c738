"""Prompts as the text encoders' states, as Stable Diffusion and Stable Diffusion XL were trained on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from magicvideo.stages.public.loaded import Loaded


@dataclass(frozen=True)
class Text:
    """States [N,L,D], and for SDXL the pooled state [N,E]. With guidance N is 2: the negative prompt's first."""

    states: Tensor
    pooled: Tensor | None = None


def encode(loaded: Loaded, prompt: str, guided: bool) -> Text:
    """The prompt, and before it the stage's negative prompt if there is guidance."""
    negative = loaded.stage.negative_prompt
    prompts = [negative, prompt] if guided else [prompt]
    if loaded.stage.kind != "stable-diffusion-xl":
        return Text(loaded.use("text_encoder")(loaded.tokens("tokenizer", prompts)).last_hidden_state)
    text = _two_encoders(loaded, prompts)
    if guided and not negative:  # SDXL was trained to drop its text to zeros, not to an empty prompt
        assert text.pooled is not None
        return Text(_without_first(text.states), _without_first(text.pooled))
    return text


def _two_encoders(loaded: Loaded, prompts: list[str]) -> Text:
    """SDXL: the last but one layer of both encoders side by side, and the second one's pooled projection."""
    one = loaded.use("text_encoder")(loaded.tokens("tokenizer", prompts), output_hidden_states=True)
    two = loaded.use("text_encoder_2")(loaded.tokens("tokenizer_2", prompts), output_hidden_states=True)
    return Text(torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1), two.text_embeds)


def _without_first(x: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(x[:1]), x[1:]])
