"""The training loop on a toy: it learns, and a killed training ends like an uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from magicvideo.train.loop import Training


class Toy(nn.Module):
    """A line with a batch norm (a buffer that moves) and dropout (noise of its own)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm1d(3)
        self.line = nn.Linear(3, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.line(self.drop(self.norm(x)))


def batch(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(rng.normal(size=(32, 3)).astype(np.float32))
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 3


def training(folder: Path, module: nn.Module, steps: int = 60, **other: Any) -> Training:
    def loss(given: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        error = (module(given[0]) - given[1]).square().mean()
        return {"error": error, "seen": error.detach().sqrt()}

    settings = {"lr": 0.05, "warmup": 5, "ema": 0.9, "bf16": False, **other}
    return Training("toy", module, steps, batch=batch, loss=loss, folder=folder, **settings)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The state after an uninterrupted training."""
    module = Toy()
    training(tmp_path_factory.mktemp("whole"), module).run()
    return state(module)


def test_the_loss_goes_down_and_the_curve_is_kept(tmp_path: Path) -> None:
    module = Toy()
    done = training(tmp_path, module, steps=121)
    done.run()
    curve = [json.loads(line) for line in (tmp_path / "toy" / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in curve] == list(range(0, 121, 20))
    assert curve[-1]["error"] < 0.2 * curve[0]["error"]
    assert curve[-1]["seen"] == pytest.approx(curve[-1]["error"] ** 0.5, rel=1e-3)
    assert not module.training
    assert done.seconds > 0


def test_two_trainings_are_equal_bit_for_bit(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    module = Toy()
    torch.manual_seed(99)  # whatever was drawn before
    training(tmp_path, module).run()
    assert same(state(module), whole)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("at", [1, 59])
def test_a_stopped_training_ends_like_an_uninterrupted_one(at: int, tmp_path: Path, whole: dict[str, Tensor]) -> None:
    module = Toy()
    first = training(tmp_path, module, checkpoint_seconds=-1.0)
    learn, calls = first.loss, iter(range(60))

    def stopping(given: Any) -> dict[str, Tensor]:
        if next(calls) == at:
            raise Stopped
        return learn(given)

    first.loss = stopping
    with pytest.raises(Stopped):
        first.run()
    fresh = Toy()
    with torch.no_grad():
        fresh.line.weight.zero_()  # must come from the checkpoint
    training(tmp_path, fresh).run(resume=True)
    assert same(state(fresh), whole)


def test_progress_since_the_last_checkpoint_is_lost_and_nothing_else(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    short = training(tmp_path, Toy(), steps=60)
    learn, calls = short.loss, iter(range(60))

    def stopping(given: Any) -> dict[str, Tensor]:
        number = next(calls)
        short.checkpoint_seconds = -1.0 if number == 20 else 1e9
        if number == 40:
            raise Stopped
        return learn(given)

    short.loss = stopping
    with pytest.raises(Stopped):
        short.run()
    saved = torch.load(tmp_path / "toy" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 21
    module = Toy()
    training(tmp_path, module).run(resume=True)
    assert same(state(module), whole)


def test_resuming_a_finished_training_changes_nothing(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    training(tmp_path, Toy()).run()
    module = Toy()
    training(tmp_path, module).run(resume=True)
    assert same(state(module), whole)


def test_without_resume_it_starts_again(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    training(tmp_path, Toy(), steps=7).run()
    module = Toy()
    training(tmp_path, module).run()
    assert same(state(module), whole)


def test_the_moving_average_is_what_is_kept(tmp_path: Path) -> None:
    averaged, last = Toy(), Toy()
    training(tmp_path / "a", averaged, ema=0.99).run()
    training(tmp_path / "b", last, ema=0.0).run()
    assert not same(state(averaged), state(last))
    saved = torch.load(tmp_path / "b" / "toy" / "checkpoint.pt", weights_only=True)
    assert same(state(last), saved["module"])
    assert torch.equal(averaged.norm.num_batches_tracked, last.norm.num_batches_tracked)


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    module = Toy()
    module.line.bias.requires_grad_(False)
    before = module.line.bias.clone()
    training(tmp_path, module).run()
    assert torch.allclose(module.line.bias, before)


def test_a_loss_that_is_no_number_stops_at_once(tmp_path: Path) -> None:
    module = Toy()
    broken = training(tmp_path, module)
    before = {k: v.clone() for k, v in module.named_parameters()}
    broken.loss = lambda given: {"error": module.line.weight.sum() * float("nan")}
    with pytest.raises(FloatingPointError, match="toy: the loss is nan at step 0; lower the learning rate"):
        broken.run()
    assert all(torch.equal(v, before[k]) for k, v in module.named_parameters())
    assert not (tmp_path / "toy" / "checkpoint.pt").exists()


def test_the_rate_warms_up_and_falls(tmp_path: Path) -> None:
    schedule = [training(tmp_path, Toy(), steps=100, warmup=10)._schedule(n) for n in range(100)]
    assert schedule[0] == 0.1
    assert max(schedule) == schedule[9] == 1
    assert schedule[10:] == sorted(schedule[10:], reverse=True)
    assert 0.02 <= schedule[-1] < 0.03


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_loop import Toy, training
t = training(Path(sys.argv[2]), Toy(), checkpoint_seconds=-1.0)
learn, calls = t.loss, iter(range(60))
def announcing(given):
    if next(calls) == 25:
        print("at step 25", flush=True)
        import time; time.sleep(60)
    return learn(given)
t.loss = announcing
t.run()
"""


def test_killed_by_the_system_and_resumed(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    words = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at step 25\n"
        process.send_signal(signal.SIGKILL)
    module = Toy()
    training(tmp_path, module).run(resume=True)
    assert same(state(module), whole)
