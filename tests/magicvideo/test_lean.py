"""What a start loads and what it leaves out; networks as they were, whatever was hidden while they were imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from magicvideo.config import PipelineConfig
from magicvideo.models import pocket

HEAVY = (
    "transformers",
    "accelerate",
    "peft",
    "scipy.stats",
    "torchvision",
    "torch._dynamo",
    "torch._inductor",
    "pandas",
)
RUN = """
import json, sys
from pathlib import Path
from magicvideo.config import PipelineConfig
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store
config = PipelineConfig.model_validate_json(sys.argv[1])
Pipeline(config, Store(Path(sys.argv[2]))).run("a red star", 0)
print(json.dumps(sorted(sys.modules)))
"""
LEFT_AS_IT_WAS = """
import sys
from magicvideo.models import lean
assert "scipy" not in sys.modules
import scipy.stats, torchvision                      # hidden only while diffusers was imported
import torch._dynamo
assert torch._dynamo is sys.modules["torch._dynamo"] and hasattr(torch._dynamo, "optimize")
import torch
from diffusers import UNetMotionModel                # the public names are the same classes
assert UNetMotionModel is lean.UNetMotionModel
twice = torch.compile(lambda x: x * 2, backend="eager")
assert twice(torch.ones(1)).item() == 2
"""

BESIDE_OTHERS = """
import open_clip                                     # brings transformers, which loads its parts at first use
from magicvideo.models import lean
from transformers import PreTrainedModel
import accelerate
"""


@pytest.mark.usefixtures("untrained_weights")
def test_a_whole_run_never_imports_what_it_does_not_use(tiny: PipelineConfig, tmp_path: Path) -> None:
    words = [sys.executable, "-c", RUN, tiny.model_dump_json(), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"torch", "diffusers.models.unets.unet_motion_model"} <= loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("program", [LEFT_AS_IT_WAS, BESIDE_OTHERS], ids=["afterwards", "beside open_clip"])
def test_what_was_hidden_can_be_imported(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.usefixtures("untrained_weights")
def test_loaded_networks_hold_the_shipped_numbers_everywhere() -> None:
    """Built without initial weights: a parameter that loading forgot would hold whatever was in memory."""
    from magicvideo import weights

    model, shipped = pocket.generator(True), weights.load("generator")
    state = model.state_dict()
    for name, value in state.items():
        spatial = name.replace("motion.", "spatial.", 1)
        source = name if name in shipped else spatial
        assert value.equal(shipped[source]), name
    refiner, shipped_refiner = pocket.refiner().state_dict(), weights.load("refiner")
    own = {name for name in refiner if name.startswith("control.") or "motion_modules" in name}
    assert own == set(shipped_refiner)
    assert all(refiner[name].equal(shipped_refiner[name]) for name in own)
