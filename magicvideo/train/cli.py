"""`magicvideo train PART`: trains a part of the pocket preset and writes its weights with their manifest entry."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import Any

from magicvideo import weights
from magicvideo.errors import InputError, unknown_name

PARTS = {
    "autoencoder": "magicvideo.train.autoencoder:train",
    "t2i": "magicvideo.train.t2i:train",
    "verifier": "magicvideo.train.verifier:train",
    "i2v": "magicvideo.train.i2v:train",
    "t2i-lora": "magicvideo.train.t2i_lora:train",
    "i2v-video-only": "magicvideo.train.i2v:train_video_only",
    "v2v": "magicvideo.train.v2v:train",
    "vfi": "magicvideo.train.vfi:train",
    "reader": "evals.train.reader:train",
    "clip": "evals.train.clip:train",
    "video": "evals.train.video:train",
}
"""Part -> its trainer `(resume, steps) -> {steps, seconds, figures}`, in the order `all` trains them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("part", help=f"what to train: {', '.join(PARTS)}, or all")
    parser.add_argument("--preset", default="pocket", choices=["pocket"], help="which preset (default: pocket)")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint under training/")
    parser.add_argument("--steps", type=int, help="steps instead of the recipe's (a short run to try things)")
    parser.add_argument("--out", help="folder for the weights (default: the shipped folder, replacing what is there)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.part != "all" and arguments.part not in PARTS:
        raise unknown_name("part", arguments.part, [*PARTS, "all"])
    if arguments.steps is not None and arguments.steps < 1:
        raise InputError(f"--steps must be 1 or more, got {arguments.steps}")
    if arguments.out:
        os.environ["MAGICVIDEO_WEIGHTS"] = arguments.out
    names = list(PARTS) if arguments.part == "all" else [arguments.part]
    results = {}
    for name in names:
        module, function = PARTS[name].split(":")
        trainer = getattr(import_module(module), function)
        results[name] = trainer(resume=arguments.resume, steps=arguments.steps)
        print(f"{name}: {results[name]}", file=sys.stderr)
    print(f"weights are in {weights.folder()}", file=sys.stderr)
    return {"parts": results}
