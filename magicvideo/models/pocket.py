"""The pocket preset's networks with the shipped weights, each loaded once a process, at first use."""

from __future__ import annotations

from functools import cache

from magicvideo import weights
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Generator
from magicvideo.models.interpolator import Interpolator
from magicvideo.models.refiner import Refiner

GENERATORS = {True: "generator", False: "generator-video-only"}
"""Weights of each position of the `joint_training` switch."""
PARTS = ("autoencoder", *GENERATORS.values(), "refiner", "vfi")
"""All weights the pipeline may load."""


@cache
def autoencoder() -> Autoencoder:
    model = Autoencoder()
    model.load_state_dict(weights.load("autoencoder"))
    return model.eval().requires_grad_(False)


@cache
def generator(joint_training: bool) -> Generator:
    model = Generator()
    model.load_weights(weights.load(GENERATORS[joint_training]))
    return model.eval().requires_grad_(False)


@cache
def refiner() -> Refiner:
    model = Refiner(generator(True))
    model.load_weights(weights.load("refiner"))
    return model.eval().requires_grad_(False)


@cache
def interpolator() -> Interpolator:
    model = Interpolator()
    model.load_state_dict(weights.load("vfi"))
    return model.eval().requires_grad_(False)
