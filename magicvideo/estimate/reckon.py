"""Stages and arms of a preset of public weights, as sums of calls counted on the device `meta`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.estimate.calls import Call, Networks, calls
from magicvideo.estimate.counting import Count, count
from magicvideo.estimate.gpus import GPUS
from magicvideo.models.public import DTYPES
from magicvideo.stage_config import STAGES

ADDED = ("noise_prior", "appearance_encoder", "controlnet")
"""The mechanisms that come on top of a pipeline with the same stages."""


@dataclass(frozen=True)
class CallCost:
    """One call: what it costs each of the `times` times that the stage makes it."""

    name: str
    times: int
    operations: int
    memory: int
    traffic: int


@dataclass(frozen=True)
class StageReckoning:
    """One stage. `networks`: name -> parameters. Bytes are those of the arithmetic that the configuration asks for."""

    calls: tuple[CallCost, ...]
    networks: Mapping[str, int]
    weight_bytes: int

    @property
    def operations(self) -> int:
        return sum(c.times * c.operations for c in self.calls)

    @property
    def traffic(self) -> int:
        return sum(c.times * c.traffic for c in self.calls)

    @property
    def activations(self) -> int:
        """The most that any call needs beside the weights."""
        return max((c.memory for c in self.calls), default=0)

    @property
    def parameters(self) -> int:
        return sum(self.networks.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, sums and floors included."""
        return {
            "seconds": None,
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
            "operations": self.operations,
            "bytes": self.traffic,
            "peak_memory": self.weight_bytes + self.activations,
            "activations": self.activations,
            "floor": floors(self.operations),
            "calls": [asdict(c) for c in self.calls],
            "networks": dict(self.networks),
        }


@dataclass
class Reckoner:
    """Counts configurations of one preset; calls that are alike are counted once."""

    networks: Networks

    @classmethod
    def of(cls, config: PipelineConfig) -> Reckoner:
        """Raises `InputError` for the preset pocket, whose weights ship: it is measured, not reckoned."""
        if config.public is None:
            raise InputError("the preset pocket ships its weights: leave out --random-weights, or name a --preset")
        return cls(Networks(config.public, torch.device("meta"), DTYPES[config.compute]))

    def __post_init__(self) -> None:
        self._counted: dict[tuple[Any, ...], tuple[Count, frozenset[str]]] = {}

    def stages(self, config: PipelineConfig) -> dict[str, StageReckoning]:
        """Every stage in which networks run."""
        config.check()
        found = {stage: self._stage(config, stage) for stage in STAGES}
        return {stage: reckoned for stage, reckoned in found.items() if reckoned.calls}

    def _stage(self, config: PipelineConfig, stage: str) -> StageReckoning:
        costs, used = list[CallCost](), set[str]()
        for call in calls(config, stage):
            found, networks = self.counted(stage, call)
            costs.append(CallCost(call.name, call.times, found.operations, found.memory, found.traffic))
            used |= networks
        parameters = self.networks.parameters()
        known = {name: parameters[name] for name in sorted(_whole(used))}
        return StageReckoning(tuple(costs), known, self.networks.weight_bytes(known))

    def counted(self, stage: str, call: Call) -> tuple[Count, frozenset[str]]:
        """One pass of the call, and the networks that it asked for."""
        key = (stage, call.name, call.shape)
        if key not in self._counted:
            self.networks.used.clear()
            found = count(lambda: call.run(self.networks))
            self._counted[key] = found, frozenset(self.networks.used)
        return self._counted[key]


def arms(config: PipelineConfig) -> dict[str, PipelineConfig]:
    """The full pipeline, without each mechanism that the preset has, and without all that come on top."""
    preset = config.public
    lacks = preset.lacks if preset is not None else {}
    found = {"full": config}
    for switch in (*ADDED, "v2v_reference", "v2v", "vfi"):
        if switch not in lacks:
            found[f"without {switch}"] = config.without(switch)
    bare = config
    for switch in ADDED:
        bare = bare if switch in lacks else bare.without(switch)
    found["without all that come on top"] = bare
    return found


def floors(operations: float) -> dict[str, float]:
    """GPU -> seconds that its matrix rate alone allows: nothing that computes so much can be faster there."""
    return {gpu.name: operations / gpu.rate for gpu in GPUS}


def _whole(used: set[str]) -> set[str]:
    """Without parts that also stand in a larger network: the video UNet holds the IP-Adapter asked for apart."""
    inside = {part for name in used if "+" in name for part in name.split("+")}
    return {name for name in used if name not in inside}
