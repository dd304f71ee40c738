"""Which networks run how often, and on what, while a stage of a preset of public weights makes its clip.

This is the stages' own order of calls (`magicvideo/stages/public`), told by shapes: text and the reference are encoded
once a clip, the video UNet runs in every step on all frames, with guidance on both halves, the ControlNet does so in
the first steps (`control_end`), and the VAE works on `decode_at_once` frames at a time. Samplers are left out: a few
multiplications a latent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from magicvideo.config import PipelineConfig
from magicvideo.estimate.counting import not_counted
from magicvideo.models import public, windows
from magicvideo.models.interpolator import Interpolator
from magicvideo.presets import Preset, Stage, controlled
from magicvideo.stage_config import I2VConfig, V2VConfig

StageName = Literal["t2i", "i2v", "v2v"]
PER_LATENT = 8
"""Pixels a side that one latent stands for, in all presets."""


@dataclass(frozen=True)
class Call:
    """One pass of a network, and how often the stage makes it."""

    name: str
    times: int
    run: Callable[[Networks], Any]
    """Makes its inputs on the networks' device and runs them once."""
    shape: tuple[Any, ...] = ()
    """What decides the shapes: calls of one stage with one name and one shape are alike."""


@dataclass
class Networks:
    """A preset's networks with random weights on one device, built when they are first asked for."""

    preset: Preset
    device: torch.device
    dtype: torch.dtype
    used: set[str] = field(default_factory=set)
    """Names of the networks that were asked for; whoever wants to know empties it before."""
    _built: dict[str, nn.Module] = field(default_factory=dict)

    def part(self, stage: StageName, role: str) -> Any:
        placed = self.preset.part(stage, role)
        dtype = public.precision(placed.part, self.dtype)
        return self._of(placed.name, lambda: public.build(placed.part, self.device, dtype))

    def video_unet(self, stage: StageName) -> Any:
        """UNet, motion modules and IP-Adapter as one; its parts are no networks of their own then."""
        parts = [self.preset.part(stage, role) for role in ("unet", "motion_adapter", "ip_adapter")]

        def build() -> nn.Module:
            return public.motion_unet(*(public.build(p.part, self.device, self.dtype) for p in parts))

        return self._of("+".join(p.name for p in parts), build)

    def interpolator(self) -> Any:
        """The pocket preset's EDSC network; it computes in float32."""

        def build() -> nn.Module:
            with torch.device(self.device):
                return Interpolator().eval().requires_grad_(False)

        return self._of("pocket/vfi", build)

    def words(self, stage: StageName) -> int:
        """Tokens of a prompt, padded."""
        return int(self.preset.part(stage, "tokenizer").part.config["length"])

    def forget(self) -> None:
        """Let go of all networks."""
        self._built.clear()

    def built(self) -> list[nn.Module]:
        """Every network built so far."""
        return list(self._built.values())

    def parameters(self) -> dict[str, int]:
        """Of every network built so far."""
        return {name: sum(p.numel() for p in net.parameters()) for name, net in self._built.items()}

    def weight_bytes(self, names: Iterable[str]) -> int:
        """Of these networks, in the arithmetic that each computes in."""
        return sum(p.numel() * p.element_size() for name in names for p in self._built[name].parameters())

    def frames(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Something of that shape. On a device that computes it is Gaussian: zeros would make some kernels faster."""
        kind = dtype or self.dtype
        if self.device.type == "meta":
            return torch.empty(shape, device=self.device, dtype=kind)
        return torch.randn(shape, device=self.device, dtype=kind)

    def step(self) -> Tensor:
        return torch.full((), 500, device=self.device)

    def _of(self, name: str, build: Callable[[], nn.Module]) -> nn.Module:
        self.used.add(name)
        if name not in self._built:
            with not_counted():
                self._built[name] = build().to(self.device)  # some classes make a scalar on the CPU, whatever is asked
        return self._built[name]


def calls(config: PipelineConfig, stage: str) -> list[Call]:
    """The calls of one stage, in order; none where no network of the preset runs."""
    preset = config.public
    if stage == "vfi":
        return _vfi(config)
    if preset is None or stage not in preset.stages or getattr(config, stage).source != "model":
        return []
    if stage == "v2v" and not (config.mechanisms.v2v and config.v2v.kind == "diffusion"):
        return []
    made = config.stage(stage)
    if stage == "t2i":
        return list(_t2i(config, made))
    if made.kind == "stable-video-diffusion":
        return list(_svd(config, made))
    return list(_keyframes(config, made, "i2v" if stage == "i2v" else "v2v"))


def _t2i(config: PipelineConfig, made: Stage) -> Iterator[Call]:
    halves, side = _halves(config.t2i.guidance), config.t2i.size // PER_LATENT
    yield from _text("t2i", made, halves)
    large = made.kind == "stable-diffusion-xl"

    def unet(at: Networks) -> Any:
        net = at.part("t2i", "unet")
        width = net.config.cross_attention_dim
        pooled = net.config.projection_class_embeddings_input_dim if large else 0
        size = 6 * net.config.addition_time_embed_dim if large else 0
        given = {"text_embeds": at.frames(halves, pooled - size), "time_ids": at.frames(halves, 6)} if large else None
        x, text = at.frames(halves, net.config.in_channels, side, side), at.frames(halves, at.words("t2i"), width)
        return net(x, at.step(), encoder_hidden_states=text, added_cond_kwargs=given, return_dict=False)

    yield Call("UNet step", config.t2i.steps, unet, (halves, side))
    yield from _decode("t2i", 1, config.t2i.size, made.decode_at_once)


def _keyframes(config: PipelineConfig, made: Stage, stage: Literal["i2v", "v2v"]) -> Iterator[Call]:
    """I2V and V2V by AnimateDiff: how the reference is seen is the mechanisms' business."""
    asked: I2VConfig | V2VConfig = getattr(config, stage)
    m, frames = config.mechanisms, config.i2v.frames
    looks = stage == "i2v" or m.v2v_reference
    appearance, control = looks and m.appearance_encoder, looks and m.controlnet
    halves, size, steps = _halves(asked.guidance), asked.size, asked.steps
    window = min(frames, asked.window or frames)
    each = len(windows.starts(frames, window))
    yield from _text(stage, made, halves)
    if appearance:
        yield from _appearance(stage, halves)
    yield from _encode(stage, 1 if stage == "i2v" else frames, size, made.decode_at_once)
    if stage == "v2v":
        steps = max(1, round(steps * config.v2v.strength))
    if control:
        times = controlled(steps, made.control_end) * each
        yield Call("ControlNet step", times, _control(stage, halves * window, size), (halves * window, size))
    shape = (halves, window, size, appearance, control)
    yield Call("video UNet step", steps * each, _video_unet(stage, *shape), shape)
    yield from _decode(stage, frames, size, made.decode_at_once)


def _control(stage: StageName, pictures: int, size: int) -> Callable[[Networks], Any]:
    def run(at: Networks) -> Any:
        net, side = at.part(stage, "controlnet"), size // PER_LATENT
        return net(
            at.frames(pictures, net.config.in_channels, side, side),
            at.step(),
            encoder_hidden_states=at.frames(pictures, at.words(stage), net.config.cross_attention_dim),
            controlnet_cond=at.frames(1, 3, size, size).expand(pictures, -1, -1, -1),
            return_dict=False,
        )

    return run


def _video_unet(
    stage: StageName, halves: int, window: int, size: int, appearance: bool, control: bool
) -> Callable[[Networks], Any]:
    def run(at: Networks) -> Any:
        net, side, pictures = at.video_unet(stage), size // PER_LATENT, halves * window
        width = net.config.cross_attention_dim
        tokens = [at.frames(pictures, 1, at.part(stage, "ip_adapter").tokens, width)] if appearance else []
        down, middle = _residuals(at, net, pictures, side) if control else (None, None)
        return net(
            at.frames(halves, net.config.in_channels, window, side, side),
            at.step(),
            encoder_hidden_states=(at.frames(pictures, at.words(stage), width), tokens),
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )

    return run


def _residuals(at: Networks, net: Any, pictures: int, side: int) -> tuple[list[Tensor], Tensor]:
    """Of the shapes that the ControlNet gives: one after the first convolution, one a layer and one a halving."""
    channels, layers = net.config.block_out_channels, net.config.layers_per_block
    down = [at.frames(pictures, channels[0], side, side)]
    for n, width in enumerate(channels):
        deep = layers if isinstance(layers, int) else layers[n]
        down += [at.frames(pictures, width, side, side) for _ in range(deep)]
        if n < len(channels) - 1:
            side = -(-side // 2)
            down.append(at.frames(pictures, width, side, side))
    return down, at.frames(pictures, channels[-1], side, side)


def _svd(config: PipelineConfig, made: Stage) -> Iterator[Call]:
    halves, frames, size = _halves(config.i2v.guidance), config.i2v.frames, config.i2v.size
    yield Call("image encoder", 1, _image_encoder("i2v"))
    yield from _encode("i2v", 1, size, made.decode_at_once)

    def unet(at: Networks) -> Any:
        net, side = at.part("i2v", "unet"), size // PER_LATENT
        x = at.frames(halves, frames, net.config.in_channels, side, side)
        seen = at.frames(halves, 1, net.config.cross_attention_dim)
        return net(x, at.step(), encoder_hidden_states=seen, added_time_ids=at.frames(halves, 3), return_dict=False)

    yield Call("video UNet step", config.i2v.steps, unet, (halves, frames, size))
    yield from _decode("i2v", frames, size, made.decode_at_once)


def _vfi(config: PipelineConfig) -> list[Call]:
    """The interpolating network, gap by gap; optical flow is not a network and runs on the CPU."""
    if config.mechanisms.vfi not in ("edsc", "fused") or config.vfi.factor == 1:
        return []
    size = config.v2v.size

    def gap(at: Networks) -> Any:
        net, times = at.interpolator(), config.vfi.factor - 1
        keys = at.frames(2, 3, size, size, dtype=torch.float32)
        features = net.encode(keys)
        one, two = (torch.full((times,), n, device=at.device) for n in (0, 1))
        t = at.frames(times, dtype=torch.float32)
        return net.decode(keys[one], keys[two], features.take(one), features.take(two), t)

    return [Call("interpolating one gap", config.i2v.frames - 1, gap, (size, config.vfi.factor))]


def _text(stage: StageName, made: Stage, halves: int) -> Iterator[Call]:
    for role in ("text_encoder", "text_encoder_2"):
        if role in made.parts:
            name = "text encoder" if role == "text_encoder" else "second text encoder"
            yield Call(name, 1, _tokens(stage, role, halves), (halves,))


def _tokens(stage: StageName, role: str, halves: int) -> Callable[[Networks], Any]:
    def run(at: Networks) -> Any:
        tokens = torch.full((halves, at.words(stage)), 1, device=at.device)
        return at.part(stage, role)(tokens, output_hidden_states=True)

    return run


def _appearance(stage: StageName, halves: int) -> Iterator[Call]:
    yield Call("image encoder", 1, _image_encoder(stage))

    def adapter(at: Networks) -> Any:
        net = at.part(stage, "ip_adapter")
        return net(at.frames(halves, net.image_proj["proj"].in_features))

    yield Call("appearance tokens", 1, adapter, (halves,))


def _image_encoder(stage: StageName) -> Callable[[Networks], Any]:
    def run(at: Networks) -> Any:
        net = at.part(stage, "image_encoder")
        return net(at.frames(1, 3, net.config.image_size, net.config.image_size))

    return run


def _encode(stage: StageName, frames: int, size: int, at_once: int) -> Iterator[Call]:
    for some, times in _chunks(frames, at_once):
        yield Call(f"VAE, {some} frame{'s' * (some > 1)} in", times, vae_in(stage, some, size), (some, size))


def _decode(stage: StageName, frames: int, size: int, at_once: int) -> Iterator[Call]:
    for some, times in _chunks(frames, at_once):
        yield Call(f"VAE, {some} frame{'s' * (some > 1)} out", times, vae_out(stage, some, size), (some, size))


def _chunks(frames: int, at_once: int) -> Iterator[tuple[int, int]]:
    """(frames together, how often)."""
    whole, rest = divmod(frames, at_once)
    if whole:
        yield at_once, whole
    if rest:
        yield rest, 1


def vae_in(stage: StageName, frames: int, size: int) -> Callable[[Networks], Any]:
    def run(at: Networks) -> Any:
        net = at.part(stage, "vae")
        return net.encode(at.frames(frames, 3, size, size, dtype=net.dtype)).latent_dist.mode()

    return run


def vae_out(stage: StageName, frames: int, size: int) -> Callable[[Networks], Any]:
    def run(at: Networks) -> Any:
        net, side = at.part(stage, "vae"), size // PER_LATENT
        more = {"num_frames": frames} if type(net).__name__ == "AutoencoderKLTemporalDecoder" else {}
        return net.decode(at.frames(frames, net.config.latent_channels, side, side, dtype=net.dtype), **more).sample

    return run


def _halves(guidance: float) -> int:
    return 1 if guidance == 1 else 2
