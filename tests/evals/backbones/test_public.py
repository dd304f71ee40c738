"""The public networks, on checkpoints in their true formats and architectures with random weights, made here.

Parity is with the reference packages reading the same files by themselves. Where others are known to feed a network
wrongly, the faulty form stands beside the right one and must differ.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lpips
import numpy as np
import open_clip
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from random_checkpoints import make_checkpoints, own_hashes
from torch import Tensor, nn
from torchmetrics.functional.multimodal.clip_score import _clip_score_update as torchmetrics_cosines

from evals import Item, doctor, evaluate, fetch
from evals.backbones import PUBLIC, load
from evals.backbones.dino import prepare
from evals.checkpoints import CHECKPOINTS
from evals.suites import STANDARD
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError
from magicvideo.files import sha256
from magicvideo.world import render_clip, sample_scene

PROMPT = "a red star bouncing on a striped background"
LONG = " ".join(["a red star bouncing over many striped backgrounds and"] * 12)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of checkpoints that stand in the table with their own hashes, in force for this module."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        make_checkpoints(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in own_hashes(folder).items():
            patch.setitem(CHECKPOINTS, name, entry)
        patch.setenv("MAGICVIDEO_OFFLINE", "1")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv(fetch.GIVEN, str(folder))
        yield folder


@pytest.fixture(scope="module")
def reference(made: Path) -> Any:
    """open_clip's own reading of the same file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return open_clip.load_openai_model(str(made / "ViT-B-32.pt"), precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def clip() -> VideoClip:
    """Three frames, wider than high, larger than what the networks see."""
    square = render_clip(sample_scene(np.random.default_rng(3)), frames=3, size=256).frames
    return VideoClip(np.concatenate([square, square[:, :, ::-1, :128]], axis=3), 8.0)


def pictures(clip: VideoClip) -> Tensor:
    """As open_clip's own preprocessing gives them."""
    transform = open_clip.image_transform(224, is_train=False)
    return torch.stack([transform(Image.fromarray(frame.transpose(1, 2, 0))) for frame in clip.frames])


def score(clip: VideoClip, metric: str, **beside: Any) -> float:
    items = [Item("clip", clip, beside.pop("prompt", None), "clip", **beside)]
    return float(evaluate(items, "standard", [metric], progress=False).rows[0].value)  # type: ignore[arg-type]


@torch.inference_mode()
def test_clip_score_is_open_clips_and_torchmetrics_on_the_same_file(reference: Any, clip: VideoClip) -> None:
    tokens = open_clip.get_tokenizer("ViT-B-32")([PROMPT])
    image, text = reference.encode_image(pictures(clip)), reference.encode_text(tokens)
    expected = float(F.cosine_similarity(image, text).mean())
    found = score(clip, "clip_score", prompt=PROMPT)
    assert found == pytest.approx(expected, abs=1e-6)
    theirs, _ = torchmetrics_cosines(list(torch.from_numpy(clip.frames.copy())), [PROMPT] * 3, *adapted(reference))
    assert found == pytest.approx(float(theirs.mean()) / 100, abs=1e-5)  # before it cuts at 0


def adapted(model: Any) -> tuple[Any, Any]:
    """An open_clip model and its preprocessing in the form that torchmetrics takes; long prompts are not cut here."""
    tokenizer = open_clip.get_tokenizer("ViT-B-32")

    class Model:
        config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))

        def to(self, device: Any) -> Model:
            return self

        def get_image_features(self, pixels: Tensor) -> Tensor:
            return model.encode_image(pixels)

        def get_text_features(self, tokens: Tensor, mask: Tensor) -> Tensor:
            return model.encode_text(tokens)

    def processor(images: Any = None, text: Any = None, **_: Any) -> dict[str, Tensor]:
        if images is not None:
            return {"pixel_values": pictures(VideoClip(np.stack([i.numpy() for i in images]), 8.0))}
        tokens = tokenizer(text, context_length=max(77, *(len(tokenizer.encode(t)) + 2 for t in text)))
        return {"input_ids": tokens, "attention_mask": (tokens > 0).long()}

    return Model(), processor


@torch.inference_mode()
def test_a_long_prompt_keeps_its_end_token(made: Path, reference: Any, clip: VideoClip) -> None:
    """CLIP reads a prompt's features where its end token is. torchmetrics cuts it off and reads elsewhere."""
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    whole = tokenizer([LONG], context_length=200)
    assert (whole > 0).sum() > 77
    kept, lost = whole[:, :77].clone(), whole[:, :77]
    kept[:, -1] = tokenizer.eot_token_id
    ours = load("clip-vit-b32").text([LONG])[0]
    right, wrong = (F.normalize(reference.encode_text(t))[0].numpy() for t in (kept, lost))
    np.testing.assert_allclose(ours, right, atol=1e-6)
    assert float(ours @ wrong) < 0.99
    found = score(clip, "clip_score", prompt=LONG)
    frames = list(torch.from_numpy(clip.frames.copy()))
    with pytest.warns(UserWarning, match="truncate"):
        theirs, _ = torchmetrics_cosines(frames, [LONG] * 3, *adapted(reference))
    assert abs(found - float(theirs.mean()) / 100) > 1e-4


@torch.inference_mode()
def test_pictures_are_normalised_not_fed_as_0_to_255(made: Path, reference: Any, clip: VideoClip) -> None:
    ours = load("clip-vit-b32").observe([clip])[0]["image"]
    right = F.normalize(reference.encode_image(pictures(clip))).numpy()
    mean, std = (torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    wrong = F.normalize(reference.encode_image((pictures(clip) * std + mean) * 255)).numpy()
    np.testing.assert_allclose(ours, right, atol=1e-6)
    assert (ours * wrong).sum(1).max() < 0.9
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


@pytest.fixture(scope="module")
def package(made: Path) -> Any:
    """lpips' own reading of the same AlexNet, through torchvision, with the heads of its wheel."""
    checkpoints = made / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / CHECKPOINTS["alexnet"].file).write_bytes((made / CHECKPOINTS["alexnet"].file).read_bytes())
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        patch.setenv("TORCH_HOME", str(made))
        return lpips.LPIPS(net="alex", verbose=False)


@torch.inference_mode()
def test_lpips_is_the_packages_on_the_same_files(package: Any, clip: VideoClip) -> None:
    x = torch.from_numpy(clip.floats())
    expected = package(x[:-1], x[1:], normalize=True).mean().item()
    assert score(clip, "temporal_lpips") == pytest.approx(expected, abs=1e-6)
    truth = VideoClip(clip.frames[::-1], clip.fps)
    expected = package(x, x.flip(0), normalize=True).mean().item()
    assert score(clip, "lpips_truth", truth=truth) == pytest.approx(expected, abs=1e-6)
    faulty = package(x[:-1], x[1:]).mean().item()  # [0,1] where [-1,1] is wanted
    assert abs(score(clip, "temporal_lpips") - faulty) > 1e-3 * faulty


def test_lpips_of_one_picture_is_0_symmetric_and_the_same_in_any_company(made: Path, clip: VideoClip) -> None:
    backbone, other = load("lpips-alex"), clip.frames[::-1].copy()
    assert backbone.distance(clip.frames, clip.frames).tolist() == [0.0] * 3
    there = backbone.distance(clip.frames, other)
    np.testing.assert_allclose(there, backbone.distance(other, clip.frames), atol=1e-7)
    np.testing.assert_allclose(there[1:2], backbone.distance(clip.frames[1:2], other[1:2]), atol=1e-6)
    assert backbone.distance(clip.frames[:0], other[:0]).shape == (0,)
    with pytest.raises(InputError, match="31 x 40 pixels"):
        backbone.distance(np.zeros((1, 3, 40, 31), np.uint8), np.zeros((1, 3, 40, 31), np.uint8))


@torch.inference_mode()
def test_both_aesthetic_heads_read_the_unit_embedding(made: Path, clip: VideoClip) -> None:
    found = load("laion").observe([clip])[0]
    image = torch.from_numpy(load("clip-vit-l14").observe([clip])[0]["image"])
    assert image.shape == (3, 768)
    linear, mlp = (torch.load(made / CHECKPOINTS[f"laion-{kind}"].file) for kind in ("linear", "mlp"))
    np.testing.assert_allclose(found["linear"], (image @ linear["weight"].T + linear["bias"])[:, 0], atol=1e-5)
    x = image
    for layer in (0, 2, 4, 6, 7):
        x = x @ mlp[f"layers.{layer}.weight"].T + mlp[f"layers.{layer}.bias"]
    np.testing.assert_allclose(found["mlp"], x[:, 0], atol=1e-5)


@torch.inference_mode()
def test_dino_is_timms_on_a_square_and_takes_any_shape(made: Path, clip: VideoClip) -> None:
    backbone = load("dino-vit-b16")
    square = VideoClip(clip.frames[:1, :, :224, :224], 8.0)
    network = timm.create_model("vit_base_patch16_224", num_classes=0).eval()
    network.load_state_dict(torch.load(made / CHECKPOINTS["dino-vit-b16"].file))
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = F.normalize(network((torch.from_numpy(square.floats()) - mean) / std)).numpy()
    np.testing.assert_allclose(backbone.observe([square])[0]["image"], expected, atol=1e-5)
    assert prepare(clip.frames[:1]).shape == (1, 3, 224, 336)
    assert prepare(np.zeros((1, 3, 20, 4000), np.uint8)).shape == (1, 3, 224, 896)
    assert backbone.observe([VideoClip(clip.frames[:1], 8.0)])[0]["image"].shape == (1, 768)


@torch.inference_mode()
def test_nima_is_vgg_averaged_over_the_picture_and_one_layer(made: Path, clip: VideoClip) -> None:
    """Its file as pyiqa writes it: torchvision's VGG16 by timm's names, and a layer of ten ratings."""
    state = torch.load(made / CHECKPOINTS["nima-vgg16"].file)
    network = torchvision.models.vgg16().features.eval()
    network.load_state_dict({k.removeprefix("base_model.features_"): v for k, v in state.items() if "base_model" in k})
    resized = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(224, antialias=True),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    features = network(resized(torch.from_numpy(clip.floats()))).mean((2, 3))
    expected = torch.softmax(features @ state["classifier.2.weight"].T + state["classifier.2.bias"], 1).numpy()
    found = load("nima").observe([clip])[0]["ratings"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert score(clip, "nima") == pytest.approx(float((expected @ np.arange(1, 11)).mean()), abs=1e-5)


@torch.inference_mode()
def test_i3d_gets_channels_before_time_in_grey_levels(made: Path) -> None:
    rng = np.random.default_rng(0)
    clip = VideoClip(rng.integers(0, 256, (20, 3, 40, 48), dtype=np.uint8), 8.0)
    network = torch.jit.load(made / CHECKPOINTS["i3d"].file)
    video = torch.from_numpy(clip.frames[:16].copy()).float().permute(1, 0, 2, 3)[None]
    flags = {"rescale": True, "resize": True, "return_features": True}
    expected = network(video, **flags)[0].numpy()
    found = load("i3d").observe([clip])[0]["embedding"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.shape == (400,)
    unit = network(video / 255, **flags)[0].numpy()  # [0,1] where 0..255 is wanted
    assert np.abs(found - unit).max() > 1e-3
    softmax = network(video, rescale=True, resize=True, return_features=False)[0].numpy()
    assert np.abs(found - softmax).max() > 1e-3
    with pytest.raises(InputError, match="9 frame"):
        load("i3d").observe([VideoClip(clip.frames[:9], 8.0)])


def test_ids_name_the_network_its_weights_and_what_it_sees(made: Path) -> None:
    names = ("clip-vit-b32", "clip-vit-l14", "lpips-alex", "laion", "dino-vit-b16", "i3d", "nima")
    ids = {name: load(name).id for name in names}
    for name, identity in ids.items():
        for checkpoint in PUBLIC[name][2]:
            assert CHECKPOINTS[checkpoint].sha256[:12] in identity
        assert "|" not in identity
    assert len(set(ids.values())) == len(ids)
    protocol = STANDARD.only(["clip_score"]).protocols()["clip_score"]
    assert ids["clip-vit-b32"] in protocol


def test_roles_with_one_network_share_it(made: Path) -> None:
    loaded = STANDARD.only(["clip_score", "clip_temporal", "temporal_lpips", "lpips_reference"]).load()
    assert loaded["perceptual_steps"].perceptual is loaded["perceptual_to_reference"].perceptual
    assert STANDARD.backbones["clip"] == STANDARD.backbones["scene"]


def test_a_file_of_another_network_is_refused_by_name(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / CHECKPOINTS["laion-linear"].file
    torch.save(nn.Linear(512, 1).state_dict(), path)
    entry = replace(CHECKPOINTS["laion-linear"], sha256=sha256(path))
    monkeypatch.setitem(CHECKPOINTS, "laion-linear", entry)
    with fetch.searching(tmp_path):
        monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(made))
        with pytest.raises(InputError, match="does not hold this network's weights"):
            load("laion")


def test_a_file_that_is_not_tensors_alone_is_not_unpickled(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / CHECKPOINTS["dino-vit-b16"].file
    torch.save({"run": Path}, path)
    entry = replace(CHECKPOINTS["dino-vit-b16"], sha256=sha256(path))
    monkeypatch.setitem(CHECKPOINTS, "dino-vit-b16", entry)
    with fetch.searching(tmp_path), pytest.raises(InputError, match="cannot be read as tensors"):
        load("dino-vit-b16")


def test_golden_answers_find_a_network_that_is_not_the_published_one(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The I3D made here has another distance of zeros and ones; a check that cannot fail would pass it."""
    asked = ("i3d", "clip-vit-b32", "inception")
    monkeypatch.setattr(doctor, "ANSWERS", {name: doctor.ANSWERS[name] for name in asked})
    checks = {check.name: check for check in doctor.golden()}
    assert not checks["golden i3d"].ok
    assert "known 151.2565" in checks["golden i3d"].detail
    assert not checks["golden clip-vit-b32"].ok
    assert checks["arithmetic"].ok
    assert "golden inception" not in checks
