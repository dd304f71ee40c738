"""What a stage of public weights has at hand: its networks on their device, its tokenizers, its frames as latents.

Networks are loaded once a process and kept, each under its files, device and dtype; `forget` lets go of them. How they
keep within memory is a `Choice` (`magicvideo.fitting`), which is carried out here: what is asked for is moved to the
device first if it waits elsewhere, the VAE takes few frames or tiles, feed-forward layers work in parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from magicvideo.clip import VideoClip, from_floats
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.fitting import PLAIN, Choice
from magicvideo.models import public
from magicvideo.models.parts import PARTS, feed_forward_in_parts
from magicvideo.presets import Part, Placed, Preset, Stage
from magicvideo.presets.files import check
from magicvideo.stage_config import Attention
from magicvideo.stages.public import waiting

KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
_preset = [""]
"""Whose networks a GPU holds."""
KEPT = 32
"""Networks that are kept at most: more than any preset has."""


@dataclass(frozen=True)
class Loaded:
    """One stage of a preset, the files of the parts it uses checked. Networks are loaded when first asked for."""

    preset: Preset
    name: Literal["t2i", "i2v", "v2v"]
    files: dict[str, list[Path]]
    device: torch.device
    dtype: torch.dtype
    choice: Choice = PLAIN

    @property
    def stage(self) -> Stage:
        return self.preset.stages[self.name]

    def load(self) -> None:
        """Load all networks that the stage uses, so that nothing is left to load when it runs."""
        moving = self.stage.kind == "animatediff"
        if moving:
            self.motion_unet()
        for role, name in self.stage.parts.items():
            if role.startswith("tokenizer") and name in self.files:
                self.tokens(role, [""])
            elif name in self.files and not (moving and role in ("unet", "motion_adapter")):
                self.network(role)

    def network(self, role: str) -> Any:
        """The network that plays this role, in eval mode, wherever it is."""
        placed = self.preset.part(self.name, role)
        dtype = public.precision(placed.part, self.dtype)
        return _network(_told(placed.part), tuple(self.files[placed.name]), self._home, dtype)

    def use(self, role: str) -> Any:
        """The network that plays this role, on the device. Others that may wait do so from now on."""
        network = self.network(role)
        if self.choice.offload:
            waiting.bring(self.device, [network])
        return network

    @contextmanager
    def denoising(self, *networks: Any) -> Iterator[None]:
        """Inside, these are on the device together and work within the choice's memory."""
        if self.choice.offload:
            waiting.bring(self.device, networks)
        with ExitStack() as stack:
            for network in networks:
                stack.enter_context(feed_forward_in_parts(network, PARTS if self.choice.parts else 1))
            yield

    @contextmanager
    def at_work(self, attention: Attention) -> Iterator[None]:
        """Around the whole stage: attention by this kernel, and networks that may wait do so at the end."""
        try:
            with sdpa_kernel(KERNELS[attention]) if attention in KERNELS else nullcontext():
                yield
        finally:
            if self.choice.offload:
                waiting.bring(self.device, [])

    @property
    def _home(self) -> torch.device:
        """Where networks are loaded to."""
        return torch.device("cpu") if self.choice.offload else self.device

    def motion_unet(self) -> Any:
        """The video UNet of UNet, motion adapter and IP-Adapter. No other stage's UNet shares its modules."""
        parts = [self.preset.part(self.name, role) for role in ("unet", "motion_adapter", "ip_adapter")]
        files = tuple((_told(p.part), tuple(self.files[p.name])) for p in parts)
        unet = _motion_unet(files, self._home, self.dtype)
        public.set_appearance_scale(unet, self.stage.appearance_scale)
        return unet

    def tokens(self, role: str, texts: Sequence[str]) -> Tensor:
        """Token numbers [N,L], cut and padded to the encoder's length."""
        placed = self.preset.part(self.name, role)
        tokenizer = _tokenizer(_told(placed.part), tuple(self.files[placed.name]))
        length = int(placed.part.config["length"])
        found = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return found.input_ids.to(self.device)

    def encode(self, frames: Tensor) -> Tensor:
        """Frames [T,3,H,W] in [0,1] -> scaled latents [T,C,h,w], float32: the mode, so that nothing is drawn."""
        vae = self.vae()
        parts = (x.to(self.device, vae.dtype) * 2 - 1 for x in frames.split(self._at_once))
        return torch.cat([vae.encode(x).latent_dist.mode().float() for x in parts]) * vae.config.scaling_factor

    def decode(self, latents: Tensor, fps: float) -> VideoClip:
        """Scaled latents [T,C,h,w] -> clip, some frames at a time. A temporal decoder sees those together."""
        vae, frames = self.vae(), list[Tensor]()
        for z in (latents / vae.config.scaling_factor).split(self._at_once):
            more = {"num_frames": len(z)} if self._temporal else {}
            frames.append((vae.decode(z.to(vae.dtype), **more).sample.float() / 2 + 0.5).cpu())
        return from_floats(torch.cat(frames).numpy(), fps)

    def vae(self) -> Any:
        """The VAE on the device, with or without tiles; its dtype may be another than the other networks'."""
        vae = self.use("vae")
        if not self._temporal:  # that one has no tiles
            (vae.enable_tiling if self.choice.tile else vae.disable_tiling)()
        return vae

    @property
    def _temporal(self) -> bool:
        """Whether the VAE's decoder sees frames together."""
        return self.preset.part(self.name, "vae").part.network == "AutoencoderKLTemporalDecoder"

    @property
    def _at_once(self) -> int:
        """Frames for the VAE. Fewer than the preset says would be another clip where its decoder sees them together."""
        own, fits = self.stage.decode_at_once, self.choice.decode_at_once
        return own if self._temporal or fits == 0 else min(own, fits)


def loaded(
    config: PipelineConfig, stage: Literal["t2i", "i2v", "v2v"], parts: Iterable[Placed], choice: Choice = PLAIN
) -> Loaded:
    """The stage with the files of these parts checked. Raises `InputError` for what is missing, wrong or not there.

    On a GPU the networks of another preset are let go of, since nobody plans for both.
    """
    preset = config.public
    assert preset is not None
    device = device_of(config)
    if device.type != "cpu" and _preset[0] != config.preset:
        forget()
        _preset[0] = config.preset
    asked = preset.model_copy(update={"stages": {**preset.stages, stage: config.stage(stage)}})
    return Loaded(asked, stage, check(parts, config.preset), device, public.DTYPES[config.compute], choice)


def device_of(config: PipelineConfig) -> torch.device:
    """The device; `InputError` for a GPU that torch does not find."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"the preset {config.preset} computes on a CUDA GPU, and torch finds none here. "
            "--set device=cpu computes on the processor: the same, very slowly"
        )
    return torch.device(config.device)


def forget() -> None:
    """Let go of all networks."""
    for kept in (_network, _motion_unet, _tokenizer):
        kept.cache_clear()


def _told(part: Part) -> str:
    return json.dumps([part.network, part.config], sort_keys=True)


def _part(told: str) -> Part:
    network, config = json.loads(told)
    return Part.model_construct(network=network, config=config, files=())


@lru_cache(maxsize=KEPT)
def _network(part: str, files: tuple[Path, ...], device: torch.device, dtype: torch.dtype) -> nn.Module:
    return public.load(_part(part), files, device, dtype)


@lru_cache(maxsize=2)
def _motion_unet(parts: tuple[tuple[str, tuple[Path, ...]], ...], device: torch.device, dtype: torch.dtype) -> Any:
    return public.motion_unet(*(public.load(_part(part), files, device, dtype) for part, files in parts))


@lru_cache(maxsize=KEPT)
def _tokenizer(part: str, files: tuple[Path, ...]) -> Any:
    from transformers import CLIPTokenizer

    named = {path.name: path for path in files}
    pairs = named["merges.txt"].read_text(encoding="utf-8").splitlines()
    merges: list[Any] = [tuple(line.split()) for line in pairs if line and not line.startswith("#version")]
    vocabulary = json.loads(named["vocab.json"].read_text(encoding="utf-8"))
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=_part(part).config["pad"])
