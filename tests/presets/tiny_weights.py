"""Shipped presets made tiny: the same files in the same formats and folders, with few channels and random weights.

Checkpoints are written as their publishers did: by diffusers' `save_pretrained` with variant fp16 where the file is
named so, CLIP's text encoders and Stable Diffusion's VAE under the names that their older files have. Only numbers of
channels, layers and words differ from what ships.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from magicvideo.config import PipelineConfig
from magicvideo.models import public
from magicvideo.presets import SHIPPED, Part

TEXT, TEXT_2, SEEN = 16, 24, 20
"""Widths of CLIP's two text encoders and of its image embeddings."""
WORDS = ["<|startoftext|>", "<|endoftext|>"]
SETTINGS: dict[str, Any] = {
    "device": "cpu",
    "compute": "float32",
    "t2i": {"size": 32, "steps": 2},
    "i2v": {"size": 16, "frames": 3, "steps": 2},
    "v2v": {"size": 32, "steps": 2},
}


def write(folder: Path) -> Path:
    """Presets into `folder/presets`, weights into `folder/weights`; returns the former."""
    presets, weights = folder / "presets", folder / "weights"
    (presets / "repositories").mkdir(parents=True)
    torch.manual_seed(0)
    for path in sorted((SHIPPED / "repositories").glob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, part in data["parts"].items():
            part["config"] = smaller(part["network"], part["config"], path.stem)
            save(part, weights / data["repository"], f"{path.stem}/{name}")
        dump(presets / "repositories" / path.name, data)
    for path in sorted(SHIPPED.glob("*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in SETTINGS.items():
            own = data["defaults"].get(key)
            data["defaults"][key] = {**(own or {}), **value} if isinstance(value, dict) else value
        dump(presets / path.name, data)
    return presets


def configured(folder: Path, name: str, **settings: object) -> PipelineConfig:
    """A tiny preset's configuration with settings changed, dots written as __."""
    config = PipelineConfig.of(str(folder / f"{name}.yaml"))
    for key, value in settings.items():
        config = config.with_setting(key.replace("__", "."), value)
    return config


def dump(path: Path, data: Any) -> None:
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def smaller(network: str, config: dict[str, Any], repository: str) -> dict[str, Any]:
    """The part's architecture with few channels, layers and words."""
    blocks = len(config.get("block_out_channels", ()))
    if network in ("UNet2DConditionModel", "ControlNetModel"):
        wide = "addition_embed_type" in config
        few = {
            "block_out_channels": [8, 16, 16, 16][:blocks],
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "cross_attention_dim": TEXT + TEXT_2 if wide else TEXT,
            "attention_head_dim": [2] * blocks if wide else 2,
        }
        if wide:
            few |= {"transformer_layers_per_block": [1] * blocks, "addition_time_embed_dim": 4}
            few["projection_class_embeddings_input_dim"] = TEXT_2 + 6 * 4
        if network == "ControlNetModel":
            few["conditioning_embedding_out_channels"] = [4, 4, 8, 8]
        return config | few
    if network == "MotionAdapter":
        few = {"block_out_channels": [8, 16, 16, 16], "motion_layers_per_block": 1}
        return config | few | {"motion_norm_num_groups": 4, "motion_num_attention_heads": 2}
    if network == "UNetSpatioTemporalConditionModel":
        few = {"block_out_channels": [32, 64], "layers_per_block": 1, "num_attention_heads": [2, 2]}
        few |= {"down_block_types": config["down_block_types"][-2:], "up_block_types": config["up_block_types"][:2]}
        few |= {"cross_attention_dim": SEEN, "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 12}
        return config | few
    if network.startswith("AutoencoderKL"):
        few = {"block_out_channels": [32] * 4 if "Temporal" in network else [8] * 4, "layers_per_block": 1}
        return config | few | ({} if "Temporal" in network else {"norm_num_groups": 4})
    if network == "IPAdapter":
        few = {"cross_attention_dim": TEXT, "clip_embeddings_dim": SEEN}
        return config | few | {"widths": [8, 16, 16, 16, 16, 16, 16, 8, 8, 16]}
    if network.startswith("CLIPText"):
        width = TEXT_2 if network.endswith("Projection") else TEXT
        few = {"vocab_size": 519, "hidden_size": width, "projection_dim": width, "max_position_embeddings": 12}
        return config | few | {"intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 2}
    if network.startswith("CLIPVision"):
        few = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        return config | few | {"image_size": 28, "projection_dim": SEEN}
    assert network == "CLIPTokenizer", network
    return config | {"length": 12}


def save(part: dict[str, Any], folder: Path, name: str) -> None:
    """Write a part's files and pin their hashes in its data."""
    for file in part["files"]:
        path = folder / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if part["network"] == "CLIPTokenizer":
            write_words(path)
        else:
            write_network(part, path, name)
        file["bytes"] = path.stat().st_size
        file["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()


def write_words(path: Path) -> None:
    """A vocabulary of single bytes, each alone and at a word's end, and a few pairs."""
    from transformers.models.clip.tokenization_clip import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = ["r e", "re d</w>", "s t", "st a", "# #"]
    every = [*letters, *(f"{letter}</w>" for letter in letters), *(pair.replace(" ", "") for pair in pairs), *WORDS]
    if path.name == "merges.txt":
        path.write_text("\n".join(["#version: 0.2", *pairs, ""]), encoding="utf-8")
    else:
        path.write_text(json.dumps({word: n for n, word in enumerate(every)}), encoding="utf-8")


def write_network(part: dict[str, Any], path: Path, name: str) -> None:
    model = public.build(Part.model_construct(network=part["network"], config=part["config"], files=()))
    stir(model)
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    if part["network"] == "CLIPTextModel":
        state = {f"text_model.{k}": v for k, v in state.items()}
        state["text_model.embeddings.position_ids"] = torch.arange(12)[None]
        save_file(state, path)
    elif name == "sd15/vae":
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        for new, was in old.items():
            state = {k.replace(f".{new}.", f".{was}."): v for k, v in state.items()}
        assert any(".proj_attn." in k for k in state)
        save_file(state, path)
    elif part["network"] == "IPAdapter" or part["network"].startswith("CLIP"):
        save_file(state, path)
    else:
        model.save_pretrained(path.parent / "saved", variant="fp16" if ".fp16." in path.name else None)
        (written,) = (path.parent / "saved").glob("*.safetensors")
        shutil.move(written, path)
        shutil.rmtree(path.parent / "saved")


def stir(model: nn.Module) -> None:
    """Random numbers also where a class starts with zeros, so that every input makes a difference."""
    for parameter in model.parameters():
        if not parameter.any():
            parameter.normal_(0, 0.2)
