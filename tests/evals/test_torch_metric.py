"""The suite in a training loop: batches, resets and processes add up to what `evaluate` says of all clips."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from evals import evaluate
from evals.suite import Suite
from evals.torch_metric import VideoMetrics
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

Make = Callable[..., VideoClip]
PROMPTS = ["red", "green", "blue", "red", "green", "blue", "red", None, "green", "red", "blue", "green"]


@pytest.fixture
def clips(noise_clip: Make) -> list[VideoClip]:
    return [noise_clip(n, frames=4, size=(16, 24)) for n in range(12)]


def batch(clips: list[VideoClip]) -> torch.Tensor:
    return torch.from_numpy(np.stack([clip.frames for clip in clips]))


@pytest.mark.parametrize("size", [1, 5, 12])
def test_batches_add_up_to_an_evaluation(suite: Suite, clips: list[VideoClip], size: int) -> None:
    metric = VideoMetrics(suite)
    for start in range(0, 12, size):
        part, references = clips[start : start + size], clips[start : start + size]
        metric.update(batch(part), PROMPTS[start : start + size], [batch([r])[0, 0] for r in references])
    found = metric.compute()
    items = [(clip, prompt) for clip, prompt in zip(clips, PROMPTS, strict=True)]
    whole = evaluate(items, suite, progress=False)
    for name, score in whole.scores.items():
        if name == "lpips_reference":
            assert found["lpips_reference/n"] == 12
            continue
        assert found[name].item() == pytest.approx(score.value)
        assert found[f"{name}/n"] == score.n
        assert found[f"{name}/low"] <= found[name] <= found[f"{name}/high"]
    assert found["clip_score/n"] == 11
    assert metric.reasons[7] == {"clip_score": "no prompt"}


def test_floats_in_0_to_1_are_the_same_videos(suite: Suite, clips: list[VideoClip]) -> None:
    metric = VideoMetrics(suite, ["flicker", "clip_score"])
    metric.update(batch(clips), PROMPTS)
    bytes_ = metric.compute()
    metric.reset()
    metric.update(batch(clips).float() / 255, PROMPTS)
    assert metric.compute() == bytes_
    with pytest.raises(InputError, match=r"floats must be in \[0,1\], found -0"):
        metric.update(batch(clips).float() / 127.5 - 1)
    with pytest.raises(ValueError):
        metric.update(batch(clips), PROMPTS[:3])


def test_a_reset_forgets_and_nothing_gives_nothing(suite: Suite, clips: list[VideoClip]) -> None:
    metric = VideoMetrics(suite, ["flicker", "fvd_pocket"])
    metric.update(batch(clips))
    assert metric.compute()["fvd_pocket/n"] == 12
    metric.reset()
    metric.update(batch(clips[:2]))
    assert metric.compute()["flicker/n"] == 2
    assert torch.isnan(metric.compute()["fvd_pocket"]), "two clips are no set"
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute()["flicker/n"] == 0


PROCESS = """
import sys, numpy as np, torch, torch.distributed as dist
from evals.torch_metric import VideoMetrics
rank, world, port = map(int, sys.argv[1:])
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
rng = np.random.default_rng(0)
videos = torch.from_numpy(rng.integers(0, 256, (7, 3, 3, 8, 8), np.uint8))
metric = VideoMetrics(metrics=["flicker", "motion_magnitude"])
shares = [videos[:5], videos[5:], videos[:0]]
if len(shares[rank]):
    metric.update(shares[rank], [f"p{n % 3}" for n in range(len(shares[rank]))])
found = metric.compute()
if rank == 0:
    print({name: value.item() for name, value in found.items()})
dist.destroy_process_group()
"""


def test_processes_add_up_also_those_that_saw_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = [sys.executable, "-W", "ignore", "-c", PROCESS]
    runs = [
        subprocess.Popen([*call, str(rank), "3", str(port)], stdout=subprocess.PIPE, text=True) for rank in range(3)
    ]
    told = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    videos = np.random.default_rng(0).integers(0, 256, (7, 3, 3, 8, 8), np.uint8)
    whole = evaluate(videos, metrics=["flicker", "motion_magnitude"], progress=False)
    found = eval(told[0])
    for name, score in whole.scores.items():
        assert found[name] == pytest.approx(score.value)
        assert found[f"{name}/n"] == 7
