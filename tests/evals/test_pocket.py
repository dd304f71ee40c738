"""The whole pocket suite from end to end on its real networks, untrained: everything but accuracy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch

from evals import Evaluation, Item, evaluate
from evals.backbones import load
from evals.backbones.clip import PocketClipNet, Tokenizer
from evals.backbones.reader import ATTRIBUTES, ReaderNet
from evals.backbones.video import DIM, VideoNet
from evals.suites import POCKET
from magicvideo import weights
from magicvideo.cli import main
from magicvideo.clip import VideoClip, write_lossless
from magicvideo.world import VOCABULARY, caption, render_clip, sample_scene

NEED_MORE = ("fvd_pocket_infinity", "kvd_pocket")
"""Of a set: 192 clips, and clips of a reference."""


@pytest.fixture(scope="module", autouse=True)
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Fresh networks in a weights folder of their own, in force for this file."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    patch = pytest.MonkeyPatch()
    patch.setenv("MAGICVIDEO_WEIGHTS", str(folder))
    weights.save("reader", ReaderNet().state_dict(), {}, {name: {"value": 0.98, "n": 100} for name in ATTRIBUTES})
    words = list(VOCABULARY)
    weights.save("clip", PocketClipNet(len(Tokenizer(words))).state_dict(), {"vocabulary": words}, {})
    moments = {"reference.mean": torch.zeros(DIM), "reference.cov": torch.eye(DIM) * 1e-3}
    weights.save("video", {**VideoNet().state_dict(), **moments}, {}, {"reference_n": 500}, keep=tuple(moments))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """12 rendered clips of 4 scenes (three lengths each), their first frames as references."""
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(4)]
    clips = [(s, n, render_clip(scenes[s], frames=n, size=64)) for s in range(4) for n in (4, 6, 8)]
    return [
        Item(f"{s}-{n}", clip, caption(scenes[s], None), f"p{s}", VideoClip(clip.frames[:1], 8.0))
        for s, n, clip in clips
    ]


@pytest.fixture(scope="module")
def found(items: list[Item]) -> Evaluation:
    return evaluate(items, progress=False)


def test_every_metric_gives_a_number_with_its_interval(found: Evaluation) -> None:
    for name, score in found.scores.items():
        if name in NEED_MORE:
            assert score.value is None, name
            continue
        assert score.value is not None, name
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.value <= score.high
        assert score.n + score.unscored == 12
    assert found.scores["fvd_pocket"].n == 12


def test_values_lie_in_their_ranges(found: Evaluation) -> None:
    scales = {metric.name: metric.scale for metric in POCKET.metrics}
    for row in found.rows:
        low, high = scales[row.metric]
        assert row.value is None or low is None or row.value >= low - 1e-6
        assert row.value is None or high is None or row.value <= high + 1e-6


def test_protocols_name_the_weights(found: Evaluation) -> None:
    for metric, part in (("clip_score", "clip"), ("shape_accuracy", "reader"), ("fvd_pocket", "video")):
        assert weights.digest(part)[:12] in found.scores[metric].protocol


def test_the_readers_own_accuracy_is_beside(found: Evaluation) -> None:
    assert found.figures["shape_accuracy"] == {"reader's own shape accuracy": 0.98}
    assert len(found.figures["attribute_accuracy"]) == 4


def test_batches_shards_and_cache_change_nothing(items: list[Item], found: Evaluation, tmp_path: Path) -> None:
    cached = evaluate(items[:7], cache=tmp_path, progress=False)
    again = evaluate(items, cache=tmp_path, progress=False)
    assert again == found
    of_sets = {"fvd_pocket", *NEED_MORE}
    assert [r for r in cached.rows if r.metric not in of_sets] == [
        r for r in found.rows if r.metric not in of_sets and r.item in {i.name for i in items[:7]}
    ]


def test_the_command_scores_a_folder_with_everything(
    items: list[Item], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, references = tmp_path / "videos", tmp_path / "references"
    lines = []
    for item in items:
        assert isinstance(item.clip, VideoClip)
        write_lossless(videos / f"{item.name}.mkv", item.clip)
        write_lossless(references / f"{item.name}.mkv", item.clip)
        lines.append(json.dumps({"id": item.prompt_id, "file": f"{item.name}.mkv", "prompt": item.prompt}))
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    words = ["evaluate", videos, "--prompts", tmp_path / "prompts.jsonl", "--reference", references, "--json"]
    assert main([str(word) for word in words]) == 0
    out, err = capsys.readouterr()
    metrics = json.loads(out)["metrics"]
    assert set(metrics) == set(POCKET.names)
    assert metrics["fvd_pocket"]["value"] == pytest.approx(0, abs=1e-4), "the videos against themselves"
    assert "reader's own shape accuracy 0.980" in err


@pytest.mark.filterwarnings("ignore:.*pretrained.*:UserWarning", "ignore:Arguments other than:UserWarning")
def test_perceptual_distances_are_the_lpips_packages_on_the_same_weights(items: list[Item], found: Evaluation) -> None:
    """`lpips.LPIPS` itself in its baseline form, given our trunk instead of AlexNet, on [-1,1] pictures."""
    ours = load("pocket-perceptual").network
    theirs = lpips.LPIPS(pretrained=False, pnet_rand=True, lpips=False, verbose=False)
    theirs.scaling_layer = torch.nn.Identity()
    theirs.net = _Trunk(ours.trunk)
    theirs.L = 4
    values = {row.item: row.value for row in found.rows if row.metric == "temporal_lpips"}
    for item in items[:4]:
        assert isinstance(item.clip, VideoClip)
        frames = torch.from_numpy(item.clip.floats()) * 2 - 1
        with torch.no_grad():
            expected = theirs(frames[:-1], frames[1:]).mean().item()
        assert values[item.name] == pytest.approx(expected, abs=1e-5)


class _Trunk(torch.nn.Module):
    """Our trunk takes [0,1]; the package feeds [-1,1]."""

    def __init__(self, trunk: torch.nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        return list(self.trunk((pictures + 1) / 2))
