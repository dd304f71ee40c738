"""Diffusers' networks, imported without the libraries that they do not use here.

Importing one diffusers network brings in transformers, accelerate, scipy.stats and torch's compiler, for text encoders,
offloading, beta noise levels and `torch.compile`. None of these is used here, and they take most of the time from the
start of a command to its first sampling step. So they are hidden while diffusers is imported, in the way that Python
documents for `sys.modules` (None there makes an import fail). Diffusers then works as where they are not installed,
which it supports; afterwards they can be imported as ever.

The networks are the same public classes. What changes for the rest of the process: ready-made pipelines of diffusers
say that transformers is missing, and `from_pretrained` reads weights without accelerate. A program that needs those
beside this package imports diffusers first: what is already there is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

UNUSED = ("transformers", "accelerate", "peft", "scipy", "torchvision")
COMPILER = "torch._dynamo"


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Modules that cannot be imported inside, unless they are already loaded; torch's compiler is stood in for.

    Nothing is hidden where transformers or diffusers is loaded: they load their parts as these are first used, and
    would miss what is hidden.
    """
    stands_in: dict[str, ModuleType | None] = dict.fromkeys(names)
    stands_in[COMPILER] = _no_compiler()
    in_use = any(name in sys.modules for name in ("transformers", "diffusers"))
    hidden = {name: module for name, module in stands_in.items() if not in_use and name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None is documented: "import halted"
    try:
        yield
    finally:
        for name, module in hidden.items():
            if sys.modules.get(name, module) is module:
                sys.modules.pop(name, None)


def _no_compiler() -> ModuleType:
    """The two decorators that diffusers applies to its classes, doing nothing.

    They tell `torch.compile` to leave a function uncompiled or as it is; without them it sees ordinary code.
    """
    module: Any = ModuleType(COMPILER)
    module.allow_in_graph = _as_it_is
    module.disable = _as_it_is
    return module


def _as_it_is(decorated: Any = None, *_: Any, **__: Any) -> Any:
    return _as_it_is if decorated is None else decorated


with without(*UNUSED):
    from diffusers.models.attention import FeedForward
    from diffusers.models.attention_processor import AttnProcessor, IPAdapterAttnProcessor, IPAdapterAttnProcessor2_0
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
    from diffusers.models.autoencoders.vae import VectorQuantizer
    from diffusers.models.controlnets.controlnet import ControlNetModel
    from diffusers.models.modeling_utils import no_init_weights
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.models.unets.unet_motion_model import MotionAdapter, UNetMotionModel
    from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

__all__ = [
    "AttnProcessor",
    "AutoencoderKL",
    "AutoencoderKLTemporalDecoder",
    "ControlNetModel",
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "FeedForward",
    "IPAdapterAttnProcessor",
    "IPAdapterAttnProcessor2_0",
    "MotionAdapter",
    "UNet2DConditionModel",
    "UNetMotionModel",
    "UNetSpatioTemporalConditionModel",
    "VectorQuantizer",
    "no_init_weights",
]
