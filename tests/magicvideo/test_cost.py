"""The verb `cost` on the world's stages, which need no weights, through the real process."""

from __future__ import annotations

import json

import pytest

from magicvideo.cli import main
from magicvideo.cost import ArmCost, StageCost, operations
from magicvideo.stage_config import STAGES


def test_cost_prints_stages_arms_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["t2i.source=world", "i2v.source=world", "v2v.source=world", "vfi=linear", "t2i.size=16", "i2v.size=16"]
    words = [word for setting in small for word in ("--set", setting)]
    assert main(["cost", "--json", "--runs", "1", "--threads", "1", *words]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert list(result["stages"]) == list(STAGES)
    for cost in result["stages"].values():
        assert cost["cold"] > 0
        assert cost["seconds"] > 0
        assert cost["bytes"] > 0
        assert cost["operations"] == 0
    assert result["arms"]["full"]["seconds"] == sum(cost["seconds"] for cost in result["stages"].values())
    assert result["machine"]["processor"]
    assert result["threads"] == 1
    assert "vfi" in printed.err


def test_an_arm_is_the_sum_of_its_stages_and_the_most_of_their_memory() -> None:
    one, other = StageCost(1.0, 2.0, 50, None, 7, 10), StageCost(0.5, 1.0, 40, None, 3, 5)
    assert ArmCost.of({"t2i": one, "i2v": other}) == ArmCost(1.5, 3.0, 50, None, 10, 15)


def test_operations_of_a_product_of_matrices_are_those_of_the_textbook() -> None:
    import torch

    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert operations(lambda: a @ b) == 2 * 3 * 5 * 7


def test_what_the_other_process_says_reaches_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--set", "t2i.fault=blur"]) == 2
    assert "needs t2i.source=world" in capsys.readouterr().err
    assert main(["cost", "--runs", "0"]) == 2
