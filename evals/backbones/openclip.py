"""OpenAI's CLIP, ViT-B/32 and ViT-L/14 (Radford et al. 2021, arXiv 2103.00020), built and fed by `open_clip`.

The checkpoints are OpenAI's own TorchScript archives. Their numbers are read out of the archive; the program in it is
not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import SimpleTokenizer, image_transform
from open_clip.model import CLIP, build_model_from_openai_state_dict
from PIL import Image
from torch import Tensor

from evals.backbones.checkpoint import script
from evals.backbones.frames import device, over_frames
from evals.features import Array, Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip
from magicvideo.errors import InputError


class OpenClip:
    """Looks at each frame as `open_clip` does: shorter side to 224 (bicubic, antialiased, in 8 bits), centred square,
    normalised by CLIP's mean and deviation, float32. Frames go through in chunks of 32, never mixed with another
    clip's."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, found: Found) -> None:
        self.network = _network(found)
        side = self.network.visual.image_size[0]
        self.transform = image_transform(self.network.visual.image_size, is_train=False)
        self.tokenizer = SimpleTokenizer(context_length=self.network.context_length)
        self.id = f"openai-{found.name}:{found.short}:short{side}-bicubic,crop{side},all-frames"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"image": [T,D] of length 1} a clip; D is 512 for ViT-B/32 and 768 for ViT-L/14."""
        return [{"image": over_frames(self.image, clip.frames)} for clip in clips]

    @torch.inference_mode()
    def text(self, prompts: Sequence[str]) -> Array:
        """[N,D] of length 1. A prompt of more than 77 tokens loses the last ones and keeps its end token, which is
        where CLIP reads its features (torchmetrics loses it, Lightning-AI/torchmetrics#2883)."""
        rows = [self._text(prompt) for prompt in prompts]
        return np.concatenate(rows) if rows else np.zeros((0, self.network.text_projection.shape[1]), np.float32)

    def image(self, frames: Frames) -> Tensor:
        """uint8 [N,3,H,W] -> [N,D] of length 1."""
        pictures = [self.transform(Image.fromarray(frame.transpose(1, 2, 0))) for frame in frames]
        return F.normalize(self.network.encode_image(torch.stack(pictures).to(device())), dim=-1)

    def _text(self, prompt: str) -> Array:
        tokens = self.tokenizer([prompt]).to(device())
        return F.normalize(self.network.encode_text(tokens), dim=-1).float().cpu().numpy()


def _network(found: Found) -> Any:
    """CLIP of the archive's own shape, float32."""
    state = dict(script(found).state_dict())
    try:
        network: CLIP = build_model_from_openai_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{found.path} does not hold CLIP in OpenAI's format: {str(error)[:300]}") from None
    return network.float().eval().requires_grad_(False).to(device())
