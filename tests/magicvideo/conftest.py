"""A whole weights folder of untrained networks in their true shapes, and what the tests of the pipeline share."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from magicvideo import weights
from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.models import lora, pocket
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Generator
from magicvideo.models.interpolator import Interpolator
from magicvideo.models.refiner import Refiner
from magicvideo.models.verifier import Verifier

TINY = {"t2i.size": 32, "t2i.steps": 2, "i2v.size": 32, "i2v.frames": 3, "i2v.steps": 2, "v2v.size": 48, "v2v.steps": 2}
NETWORKS = (
    pocket.autoencoder,
    pocket.generator,
    pocket.image_generator,
    pocket.verifier,
    pocket.refiner,
    pocket.interpolator,
)


def shaken(module: nn.Module, seed: int, scale: float = 0.05) -> nn.Module:
    """Noise on every parameter, so that layers which start at zero have a say."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=scale)
    return module.eval()


def forget_networks() -> None:
    """`pocket` keeps networks for the process; another weights folder needs others."""
    for load in NETWORKS:
        load.cache_clear()


def _parts() -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(0)
    joint, alone = Generator(), Generator()
    shaken(joint, 1), shaken(alone, 2)
    own = Generator()
    lora.attach(own.spatial, 2)
    shaken(own, 8)
    refiner = Refiner(joint)
    shaken(refiner.control, 3), shaken(refiner.motion, 4)
    return {
        "autoencoder": shaken(Autoencoder(), 5).state_dict(),
        "generator": joint.weights(),
        "generator-video-only": alone.weights(),
        "t2i-lora": lora.changes(own.spatial),
        "verifier": shaken(Verifier(), 7).state_dict(),
        "refiner": refiner.weights(),
        "vfi": shaken(Interpolator(), 6, 0.01).state_dict(),
    }


@pytest.fixture(scope="session")
def shake() -> Callable[[nn.Module, int], nn.Module]:
    """`shake(module, seed)`: noise on every parameter, so that what starts at zero has a say."""
    return shaken


def descended(loss: Callable[[], Tensor], parameters: list[nn.Parameter]) -> tuple[Tensor, Tensor]:
    """A loss before and after a step of length 0.01 against its gradient; the step is taken in place."""
    before = loss()
    gradients = torch.autograd.grad(before, parameters, allow_unused=True)
    size = torch.stack([g.norm() for g in gradients if g is not None]).norm()
    with torch.no_grad():
        for p, g in zip(parameters, gradients, strict=True):
            if g is not None:
                p.sub_(g / size, alpha=0.01)
        return before, loss()


@pytest.fixture(scope="session")
def descend() -> Callable[[Callable[[], Tensor], list[nn.Parameter]], tuple[Tensor, Tensor]]:
    """`descend(loss, parameters)`: the loss before and after a small step against its gradient."""
    return descended


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder that `magicvideo.weights.save` wrote: every network of the pipeline, untrained."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGICVIDEO_WEIGHTS", str(folder))
        for part, state in _parts().items():
            weights.save(part, state, recipe={"steps": 0}, figures={})
    return folder


@pytest.fixture(scope="module")
def untrained_weights(untrained: Path) -> Iterator[Path]:
    """Makes the untrained networks those in force for a whole module, each loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGICVIDEO_WEIGHTS", str(untrained))
        forget_networks()
        yield untrained
    forget_networks()


@pytest.fixture
def tiny() -> PipelineConfig:
    """The default mechanisms at sizes and steps that take a second in all."""
    config = PipelineConfig()
    for key, value in TINY.items():
        config = config.with_setting(key, value)
    return config


@pytest.fixture
def noise_clip() -> Callable[..., VideoClip]:
    """`noise_clip(frames, height, width, fps=8.0, seed=0)`: every level, every pixel its own."""

    def make(frames: int = 4, height: int = 24, width: int = 32, fps: float = 8.0, seed: int = 0) -> VideoClip:
        rng = np.random.default_rng(seed)
        return VideoClip(rng.integers(0, 256, (frames, 3, height, width), dtype=np.uint8), fps)

    return make


@contextmanager
def _file_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """`with full_disk(n)`: the kernel refuses to write past n bytes of any file, as it does when no space is left."""
    return _file_limit
