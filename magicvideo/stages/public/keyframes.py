"""I2V and V2V by Stable Diffusion with AnimateDiff's motion modules, IP-Adapter and ControlNet.

Both see the reference as appearance tokens (IP-Adapter's decoupled cross-attention) and as RGB (ControlNet, the same
picture for every frame, in the first `control_end` of the steps). I2V starts from the latent noise prior; V2V from the
enlarged keyframes, noised (SDEdit, arXiv 2108.01073). A mechanism that is off is an input that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from magicvideo.clip import VideoClip, fit_square
from magicvideo.config import refuse_too_many
from magicvideo.models import windows
from magicvideo.models.generator import Condition
from magicvideo.presets import controlled
from magicvideo.stage_config import I2VConfig, Mechanisms, V2VConfig
from magicvideo.stages.common import named, noise, tensor
from magicvideo.stages.public.loaded import Loaded
from magicvideo.stages.public.sampling import Predict, denoise, guide, last_steps, scheduler, start
from magicvideo.stages.public.t2i import factor
from magicvideo.stages.public.text import encode
from magicvideo.stages.v2v import enlarge

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's own preprocessing (Radford et al. 2021)."""


@torch.inference_mode()
def image_to_video(
    loaded: Loaded, config: I2VConfig, mechanisms: Mechanisms, prompt: str, reference: VideoClip, seed: int
) -> VideoClip:
    """Keyframes [T,3,size,size] from the reference's first frame (cropped square and resized if need be).

    A window shorter than the clip slides over it; the windows share their noise (`models/windows.py`).
    """
    refuse_too_many(loaded.preset, "i2v", config.frames, config.window)
    picture = tensor(fit_square(reference, config.size))[:1]
    seen = (mechanisms.appearance_encoder, mechanisms.controlnet)
    sight = _Sight.of(loaded, prompt, reference, picture, seen, config.guidance)
    window = min(config.frames, config.window or config.frames)
    side = config.size // factor(loaded)
    eps = noise((1, sight.channels, config.frames, side, side), seed, prompt, "i2v")
    eps = windows.shared_noise(eps, window, named(seed, prompt, "i2v windows")).to(loaded.device)
    sampler = scheduler(loaded.stage, config.scheduler, config.steps, loaded.device)
    x = start(sampler, mechanisms.noise_prior, eps, loaded.encode(picture))
    with loaded.denoising(*sight.networks):
        x = denoise(sampler, sight.predict(window, sampler.timesteps), x)
    return loaded.decode(x[0].transpose(0, 1), config.fps)


@torch.inference_mode()
def refine(
    loaded: Loaded,
    config: V2VConfig,
    mechanisms: Mechanisms,
    prompt: str,
    keyframes: VideoClip,
    reference: VideoClip,
    seed: int,
) -> VideoClip:
    """Noise the enlarged keyframes up to `config.strength` of the schedule and denoise them.

    The reference is seen if `v2v_reference` is on, by each of its two ways that is on itself. A window shorter than the
    clip slides over it; its noise needs no sharing, since the keyframes beneath hold it together.
    """
    refuse_too_many(loaded.preset, "v2v", len(keyframes), config.window)
    picture = tensor(fit_square(reference, config.size))[:1]
    look = mechanisms.v2v_reference
    seen = (look and mechanisms.appearance_encoder, look and mechanisms.controlnet)
    sight = _Sight.of(loaded, prompt, reference, picture, seen, config.guidance)
    x0 = loaded.encode(tensor(enlarge(config, keyframes))).transpose(0, 1)[None]
    sampler = scheduler(loaded.stage, config.scheduler, config.steps, loaded.device)
    steps = last_steps(sampler, config.steps, config.strength)
    eps = noise(tuple(x0.shape), seed, prompt, "v2v").to(loaded.device)
    x = sampler.add_noise(x0, eps, steps[:1])
    window = min(len(keyframes), config.window or len(keyframes))
    with loaded.denoising(*sight.networks):
        x = denoise(sampler, sight.predict(window, steps), x, steps)
    return loaded.decode(x[0].transpose(0, 1), keyframes.fps)


@dataclass(frozen=True)
class _Sight:
    """What the denoiser sees of prompt and reference, with guidance the untold half first."""

    unet: Any
    text: Tensor
    appearance: Tensor | None
    controlnet: Any
    picture: Tensor
    scale: float
    control_end: float
    guidance: float
    dtype: torch.dtype

    @classmethod
    def of(
        cls,
        loaded: Loaded,
        prompt: str,
        reference: VideoClip,
        picture: Tensor,
        seen: tuple[bool, bool],
        guidance: float,
    ) -> _Sight:
        guided, (appearance, control) = guidance != 1, seen
        return cls(
            loaded.motion_unet(),
            encode(loaded, prompt, guided).states,
            appearance_tokens(loaded, reference, guided) if appearance else None,
            loaded.network("controlnet") if control else None,
            picture.to(loaded.device, loaded.dtype),
            loaded.stage.control_scale,
            loaded.stage.control_end,
            guidance,
            loaded.dtype,
        )

    @property
    def channels(self) -> int:
        return int(self.unet.config.in_channels)

    @property
    def networks(self) -> list[Any]:
        """What a step runs."""
        return [self.unet] if self.controlnet is None else [self.controlnet, self.unet]

    def predict(self, window: int, steps: Tensor) -> Predict:
        """The guided prediction for a clip [1,C,T,h,w] in these steps, by windows of so many frames."""
        given = Condition(self.text, self.appearance)
        plain = windows.windowed(partial(self._frames, False), window)
        if self.controlnet is None:
            return lambda x, t: plain(x, t, given)
        last = float(steps[controlled(len(steps), self.control_end) - 1])
        seeing = windows.windowed(partial(self._frames, True), window)
        return lambda x, t: (seeing if float(t) >= last else plain)(x, t, given)

    def _frames(self, control: bool, x: Tensor, t: Tensor, given: Condition) -> Tensor:
        frames, batch = x.shape[2], len(given.text)
        both = x.to(self.dtype).expand(batch, -1, -1, -1, -1)
        text = given.text.repeat_interleave(frames, 0)
        tokens = [] if given.appearance is None else [given.appearance.repeat_interleave(frames, 0)]
        down, middle = self._control(both, t, text) if control else (None, None)
        told = self.unet(
            both,
            t,
            encoder_hidden_states=(text, tokens),
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return guide(told, self.guidance)

    def _control(self, both: Tensor, t: Tensor, text: Tensor) -> Any:
        """ControlNet's residuals for every frame; it sees the noisy frames and the same picture for all."""
        frames = both.transpose(1, 2).flatten(0, 1)
        shown = self.picture.expand(len(frames), -1, -1, -1)
        return self.controlnet(
            frames,
            t,
            encoder_hidden_states=text,
            controlnet_cond=shown,
            conditioning_scale=self.scale,
            return_dict=False,
        )


def appearance_tokens(loaded: Loaded, reference: VideoClip, guided: bool) -> Tensor:
    """The reference as IP-Adapter's tokens [N,A,D]; the untold half sees a CLIP embedding of zeros."""
    seen = image_embedding(loaded, reference)
    adapter = loaded.use("ip_adapter")
    return adapter(torch.cat([torch.zeros_like(seen), seen]) if guided else seen)


def image_embedding(loaded: Loaded, reference: VideoClip) -> Tensor:
    """CLIP's projected embedding [1,D] of the centred square, at the encoder's size."""
    encoder = loaded.use("image_encoder")
    pixels = tensor(fit_square(reference, encoder.config.image_size))[:1]
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (CLIP_MEAN, CLIP_STD))
    return encoder(((pixels - mean) / std).to(loaded.device, loaded.dtype)).image_embeds
