"""The pocket preset's networks with the shipped weights, each loaded once a process, at first use.

They are built without drawing initial weights, since every one is replaced: loading refuses a missing name. Weights lie
channels-last, which on a CPU makes the autoencoder and the ControlNets faster and the UNets no slower.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TypeVar

import torch
from torch import nn

from magicvideo import weights
from magicvideo.models import lora
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Generator
from magicvideo.models.interpolator import Interpolator
from magicvideo.models.lean import no_init_weights
from magicvideo.models.refiner import Refiner
from magicvideo.models.verifier import Verifier

GENERATORS = {True: "generator", False: "generator-video-only"}
"""Weights of each position of the `joint_training` switch."""
T2I_CHANGES = "t2i-lora"
"""Low-rank changes of the generator's spatial layers, which T2I alone makes."""
PARTS = ("autoencoder", *GENERATORS.values(), T2I_CHANGES, "verifier", "refiner", "vfi")
"""All weights the pipeline may load."""

Network = TypeVar("Network", bound=nn.Module)


@cache
def autoencoder() -> Autoencoder:
    with no_init_weights():
        model = Autoencoder()
    model.load_state_dict(weights.load("autoencoder"))
    return _for_sampling(model)


@cache
def generator(joint_training: bool) -> Generator:
    with no_init_weights():
        model = Generator()
    model.load_weights(weights.load(GENERATORS[joint_training]))
    return _for_sampling(model)


@cache
def image_generator() -> Generator:
    """The jointly trained generator as T2I runs it: its own low-rank changes are in the spatial layers."""
    model = deepcopy(generator(True))
    lora.merge(model.spatial, weights.load(T2I_CHANGES))
    return model


@cache
def verifier() -> Verifier:
    with no_init_weights():
        model = Verifier()
    model.load_state_dict(weights.load("verifier"))
    return _for_sampling(model)


@cache
def refiner() -> Refiner:
    spatial_layers = generator(True)
    with no_init_weights():
        model = Refiner(spatial_layers)
    model.load_weights(weights.load("refiner"))
    return _for_sampling(model)


@cache
def interpolator(device: str = "cpu") -> Interpolator:
    with no_init_weights():
        model = Interpolator()
    model.load_state_dict(weights.load("vfi"))
    return model.to(device).eval().requires_grad_(False)


def _for_sampling(model: Network) -> Network:
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
