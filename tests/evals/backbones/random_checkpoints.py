"""Checkpoints in the public networks' true formats and architectures, with random weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
import torchvision
from open_clip.model import CLIP, convert_weights_to_fp16
from torch import Tensor, nn

from evals.backbones.laion import Mlp
from evals.checkpoints import CHECKPOINTS, Checkpoint
from magicvideo.files import sha256


class Archive(nn.Module):
    """OpenAI's file: a TorchScript module whose parameters have CLIP's names, with three integers beside them."""

    def __init__(self, network: CLIP) -> None:
        super().__init__()
        for name, child in copy.deepcopy(network).named_children():
            setattr(self, name, _bare(child))
        for name, parameter in network.named_parameters(recurse=False):
            setattr(self, name, nn.Parameter(parameter.detach().clone(), requires_grad=False))
        for name, value in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return x


def _bare(module: nn.Module) -> nn.Module:
    """The module's names and parameters without its program."""
    bare = nn.Module()
    for name, parameter in module.named_parameters(recurse=False):
        setattr(bare, name, nn.Parameter(parameter.detach().clone(), requires_grad=False))
    for name, child in module.named_children():
        setattr(bare, name, _bare(child))
    return bare


class SmallI3D(nn.Module):
    """The interface of StyleGAN-V's file: [B,3,T,H,W], three switches, 400 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 8, (5, 7, 7), (2, 8, 8))
        self.logits = nn.Linear(8, 400)

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        n, c, t = x.shape[0], x.shape[1], x.shape[2]
        if resize:
            flat = x.transpose(1, 2).reshape(n * t, c, x.shape[3], x.shape[4])
            flat = F.interpolate(flat, size=[224, 224], mode="bilinear", align_corners=False)
            x = flat.reshape(n, t, c, 224, 224).transpose(1, 2)
        if rescale:
            x = x / 127.5 - 1
        logits = self.logits(torch.relu(self.conv(x)).mean([2, 3, 4]))
        return logits if return_features else torch.softmax(logits, 1)


def _clip(path: Path, width: int, layers: int, patch: int) -> None:
    vision = {"image_size": 224, "layers": layers, "width": width, "patch_size": patch}
    text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": layers}
    network = CLIP(512 if patch == 32 else 768, vision, text, quick_gelu=True)
    convert_weights_to_fp16(network)
    torch.jit.script(Archive(network)).save(str(path))


def make_checkpoints(folder: Path) -> None:
    """All that the suite `standard` needs but InceptionV3, MUSIQ and the real I3D, by the file names of the table."""
    torch.manual_seed(0)
    files = {name: folder / entry.file for name, entry in CHECKPOINTS.items()}
    _clip(files["clip-vit-b32"], 768, 12, 32)
    _clip(files["clip-vit-l14"], 128, 2, 14)  # ViT-L/14's embedding and patches; a hundredth of its size
    alexnet = torchvision.models.AlexNet()
    torch.save(alexnet.state_dict(), files["alexnet"])
    torch.save(nn.Linear(768, 1).state_dict(), files["laion-linear"])
    torch.save(Mlp().state_dict(), files["laion-mlp"])
    dino = timm.create_model("vit_base_patch16_224", num_classes=0)
    torch.save(dino.state_dict(), files["dino-vit-b16"])
    torch.jit.script(SmallI3D()).save(str(files["i3d"]))
    trunk = {
        f"base_model.features_{key}": value for key, value in torchvision.models.vgg16().features.state_dict().items()
    }
    head = {f"classifier.2.{key}": value for key, value in nn.Linear(512, 10).state_dict().items()}
    torch.save(trunk | head, files["nima-vgg16"])


def own_hashes(folder: Path) -> dict[str, Checkpoint]:
    """The table's entries of the files that are there, each with its file's own hash."""
    made = {name: entry for name, entry in CHECKPOINTS.items() if (folder / entry.file).is_file()}
    return {name: replace(entry, sha256=sha256(folder / entry.file)) for name, entry in made.items()}
