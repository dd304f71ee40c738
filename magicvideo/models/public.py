"""Networks of public weights: built from their architecture alone, or from files whose hashes were checked.

A part (`magicvideo.presets.Part`) names a class of diffusers or transformers and the arguments of its config.json; only
these classes are built, and no code of a repository is run. `build` gives it random weights on any device, `meta`
included; `load` reads safetensors, and refuses a file that lacks a name, has one too many or another shape.

Checkpoints were written by many versions of these libraries. `state_of` gives their names as today's classes have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from magicvideo.errors import InputError
from magicvideo.models.lean import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    ControlNetModel,
    IPAdapterAttnProcessor2_0,
    MotionAdapter,
    UNet2DConditionModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from magicvideo.models.unet import share_spatial
from magicvideo.presets import Part

State = dict[str, Tensor]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""By the name of the arithmetic (`magicvideo.stage_config.Compute`)."""


def precision(part: Part, dtype: torch.dtype) -> torch.dtype:
    """What a part computes in where the others compute in `dtype`: a VAE whose configuration does not deny it
    (`force_upcast`) leaves float16's range, and stays in float32."""
    upcast = part.network.startswith("AutoencoderKL") and part.config.get("force_upcast", True)
    return torch.float32 if upcast and dtype == torch.float16 else dtype


def build(part: Part, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> nn.Module:
    """The part's network with the random weights that its class draws, in eval mode, without gradients.

    On the device `meta` nothing is allocated, and parameters have shapes only. Raises `InputError` for a configuration
    that the class refuses.
    """
    with torch.device(device), _default(dtype):
        return _made(part).eval().requires_grad_(False)


def load(
    part: Part, files: Iterable[Path], device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The part's network with the weights of its safetensors files, whose hashes have been checked before.

    Raises `InputError` for a file that is damaged, is no safetensors file, or does not fit the architecture.
    """
    paths = list(files)
    model = build(part, "meta", dtype)
    _fill(model, state_of(part, read(paths, device)), dtype, ", ".join(map(str, paths)))
    return model


def read(files: Iterable[Path], device: str | torch.device = "cpu") -> State:
    """All tensors of some safetensors files, on the device. Raises `InputError` naming a file that is not one."""
    state: State = {}
    for path in files:
        try:
            state |= load_file(path, device=str(device))
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: cannot be read as safetensors ({error})") from None
    return state


def state_of(part: Part, state: State) -> State:
    """Tensors under the names that the part's class has today.

    Older files say `query`, `key`, `value`, `proj_attn` for the attention of the VAE's middle block, hold CLIP's
    position numbers, and call CLIP's text encoder `text_model`.
    """
    if part.network.startswith("AutoencoderKL"):
        return {_today(name): tensor for name, tensor in state.items()}
    if part.network.startswith("CLIP"):
        state = {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")}
    if part.network == "CLIPTextModel":
        return {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    return state


_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def _today(name: str) -> str:
    return re.sub(r"\.(query|key|value|proj_attn)\.", lambda found: f".{_OLD_ATTENTION[found[1]]}.", name)


class IPAdapter(nn.Module):
    """IP-Adapter's weights (arXiv 2308.06721) under the names of its file, with its projection of CLIP embeddings.

    `widths` are those of the UNet's cross-attentions, in the order of its attention processors; the file numbers them
    1, 3, 5, ..., counting self-attentions between.
    """

    def __init__(self, cross_attention_dim: int, clip_embeddings_dim: int, widths: list[int], tokens: int = 4) -> None:
        super().__init__()
        self.tokens = tokens
        self.image_proj = nn.ModuleDict(
            {
                "proj": nn.Linear(clip_embeddings_dim, tokens * cross_attention_dim),
                "norm": nn.LayerNorm(cross_attention_dim),
            }
        )
        self.ip_adapter = nn.ModuleDict(
            {str(2 * n + 1): _key_value(cross_attention_dim, width) for n, width in enumerate(widths)}
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """CLIP image embeddings [N,D] -> appearance tokens [N,tokens,cross_attention_dim]."""
        tokens = self.image_proj["proj"](embeddings).unflatten(1, (self.tokens, -1))
        return self.image_proj["norm"](tokens)


def _key_value(width: int, inner: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {"to_k_ip": nn.Linear(width, inner, bias=False), "to_v_ip": nn.Linear(width, inner, bias=False)}
    )


def motion_unet(unet: nn.Module, adapter: nn.Module, ip_adapter: nn.Module | None = None) -> UNetMotionModel:
    """The video UNet of an image UNet and a motion adapter. It *shares* the modules of both: nothing is copied.

    With an `ip_adapter` its cross-attentions attend to text and to appearance tokens apart; `unet`'s then do too, and
    take text and a list of tokens. Raises `InputError` where the parts do not fit each other.
    """
    assert isinstance(unet, UNet2DConditionModel)
    assert isinstance(adapter, MotionAdapter)
    try:
        with torch.device("meta"), _default(unet.dtype):
            model = UNetMotionModel.from_unet2d(unet, adapter, load_weights=False)
    except ValueError as error:
        raise InputError(f"the motion adapter does not fit the UNet: {error}") from None
    share_spatial(unet, model)
    for mine, theirs in zip(_motion_blocks(model), _motion_blocks(adapter), strict=True):
        mine.motion_modules = theirs.motion_modules
    if ip_adapter is not None:
        assert isinstance(ip_adapter, IPAdapter)
        _attend_to_appearance(model, ip_adapter)
    return model.eval().requires_grad_(False)


def set_appearance_scale(unet: UNetMotionModel, scale: float) -> None:
    """How much the attention to appearance tokens adds to the attention to text."""
    for processor in unet.attn_processors.values():
        if isinstance(processor, IPAdapterAttnProcessor2_0):
            processor.scale = [scale]


def _motion_blocks(model: nn.Module) -> list[Any]:
    middle = [model.mid_block] if hasattr(model.mid_block, "motion_modules") else []
    return [*model.down_blocks, *middle, *model.up_blocks]  # type: ignore[misc]  # ModuleLists, in both classes


def _attend_to_appearance(model: UNetMotionModel, adapter: IPAdapter) -> None:
    processors = model.attn_processors
    crossing = [n for n in processors if n.endswith("attn2.processor") and "motion_modules" not in n]
    if len(crossing) != len(adapter.ip_adapter):
        raise InputError(
            f"the IP-Adapter has weights for {len(adapter.ip_adapter)} cross-attentions, the UNet has {len(crossing)}"
        )
    for name, weights in zip(crossing, adapter.ip_adapter.values(), strict=True):
        assert isinstance(weights, nn.ModuleDict)
        width, inner = weights["to_k_ip"].in_features, weights["to_k_ip"].out_features
        with torch.device("meta"):
            processor = IPAdapterAttnProcessor2_0(inner, cross_attention_dim=width, num_tokens=(adapter.tokens,))
        processor.to_k_ip[0], processor.to_v_ip[0] = weights["to_k_ip"], weights["to_v_ip"]
        processors[name] = processor
    model.set_attn_processor(processors)


_CLASSES: dict[str, type[nn.Module]] = {
    "UNet2DConditionModel": UNet2DConditionModel,
    "UNetSpatioTemporalConditionModel": UNetSpatioTemporalConditionModel,
    "MotionAdapter": MotionAdapter,
    "ControlNetModel": ControlNetModel,
    "AutoencoderKL": AutoencoderKL,
    "AutoencoderKLTemporalDecoder": AutoencoderKLTemporalDecoder,
    "IPAdapter": IPAdapter,
}


def _made(part: Part) -> nn.Module:
    """The part's class with its arguments; one that the class does not know is an error."""
    try:
        if part.network.startswith("CLIP"):
            return _clip(part.network, part.config)
        return _CLASSES[part.network](**part.config)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{part.network} refuses its configuration: {error}") from None


def _clip(network: str, config: dict[str, Any]) -> nn.Module:
    import transformers  # takes seconds, and the other parts do without it

    vision = network == "CLIPVisionModelWithProjection"
    form = transformers.CLIPVisionConfig if vision else transformers.CLIPTextConfig
    return getattr(transformers, network)(form(**config))


def _fill(model: nn.Module, state: State, dtype: torch.dtype, source: str) -> None:
    """Put the tensors in place of a meta model's, without copies where the dtype is the same."""
    wanted = model.state_dict()
    missing, unknown = wanted.keys() - state.keys(), state.keys() - wanted.keys()
    shapes = [n for n in wanted.keys() & state.keys() if wanted[n].shape != state[n].shape]
    if missing or unknown or shapes:
        raise InputError(f"{source}: does not fit {type(model).__name__}: {_told(missing, unknown, shapes)}")
    right = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
    model.load_state_dict(right, assign=True)
    model.requires_grad_(False)
    device = next(iter(right.values())).device
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:  # CLIP's position numbers, which no file needs to hold
                assert name == "position_ids", name
                module.register_buffer(name, torch.arange(buffer.numel(), device=device)[None], persistent=False)


def _told(missing: Iterable[str], unknown: Iterable[str], shapes: Iterable[str]) -> str:
    said = {"lacks": sorted(missing), "has beside it": sorted(unknown), "has other shapes of": sorted(shapes)}
    return "; ".join(f"it {what} {', '.join(names[:3])} ({len(names)})" for what, names in said.items() if names)


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
