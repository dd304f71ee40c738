"""What V2V makes of keyframes with I2V's own faults, beside bicubic enlargement and the best the autoencoder could do.

Twice. True held-out clips guessed back by the keyframe generator, as in V2V's training: their motion stays true, so
each frame has its truth. And what I2V really makes of a true picture and a held-out prompt: there a part of the
distance is motion that went another way, which no upscaler takes back.
`python tests/benchmarks/v2v_faults.py [CLIPS]`; prints.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from evals import stats
from evals.backbones.perceptual import PocketPerceptual
from evals.stats import LEVEL
from magicvideo import weights
from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.models import pocket
from magicvideo.models.generator import Generator
from magicvideo.models.refiner import Refiner
from magicvideo.stages.common import decode, encode, tensor
from magicvideo.stages.i2v import image_to_video
from magicvideo.stages.oracle import true_keyframes, true_picture
from magicvideo.stages.v2v import enlarge, refine
from magicvideo.train import clips, data, t2i, v2v
from magicvideo.world import caption, sample_scene

KINDS = ("V2V", "bicubic, same autoencoder", "the truth through the autoencoder")
DRAWS = 5000
Frames = NDArray[np.uint8]
"""[T,3,H,W]"""


def guessed_back(count: int) -> Iterator[tuple[Frames, list[Frames]]]:
    """Each clip's truth, and its frames in the order of KINDS."""
    coder, generator = t2i.load_autoencoder(), Generator()
    generator.load_weights(weights.load("generator"))
    model = Refiner(generator.eval())
    model.load_weights(weights.load("refiner"))
    model.eval()
    torch.manual_seed(0)
    rng = np.random.default_rng(20_000)
    for _ in range(-(-count // v2v.CLIPS)):
        with torch.no_grad():
            pairs, refined, enlarged = v2v.refine_held_out(coder, generator, model, rng)
            kinds = (refined, enlarged, clips.latents(coder, pairs.large))
            decoded = [v2v.clip_frames(coder, latents) for latents in kinds]
        for n, true in enumerate(pairs.large):
            yield _bytes(true), [_bytes(d[n]) for d in decoded]


def made_by_i2v(count: int) -> Iterator[tuple[Frames, list[Frames]]]:
    """The same of I2V's keyframes for the exact rendered picture; half of the prompts of pairs that no training saw."""
    config, coder = PipelineConfig(), pocket.autoencoder()
    rng = np.random.default_rng(30_000)
    for n in range(count):
        prompt = caption(sample_scene(rng, "held_out" if n % 2 else "train"))
        picture = true_picture(config.t2i, prompt, 0)
        keyframes = image_to_video(config.i2v, config.mechanisms, prompt, picture, 0)
        true = true_keyframes(config.v2v, config.i2v, prompt, 0)
        refined = refine(config.v2v, config.mechanisms, prompt, keyframes, picture, 0)
        again = [_through(coder, clip).frames for clip in (enlarge(config.v2v, keyframes), true)]
        yield true.frames, [refined.frames, *again]


@torch.no_grad()
def _through(coder: torch.nn.Module, clip: VideoClip) -> VideoClip:
    return decode(coder, encode(coder, tensor(clip)), clip.fps)


def _bytes(frames: Tensor) -> Frames:
    return np.asarray((frames.clamp(0, 1) * 255).round().byte().numpy())


def show(title: str, clips: Iterator[tuple[Frames, list[Frames]]], count: int) -> None:
    """LPIPS-type distance to the truth and PSNR in dB of each kind, and V2V beside bicubic with intervals."""
    distance, distances, psnrs = PocketPerceptual(), list[list[float]](), list[list[float]]()
    for true, kinds in tqdm(clips, total=count, unit="clip"):
        distances.append([float(distance.distance(kind, true).mean()) for kind in kinds])
        psnrs.append([float(data.psnr(*(torch.from_numpy(x)[None] / 255 for x in (kind, true)))) for kind in kinds])
    d, p = np.array(distances), np.array(psnrs)
    draws = np.random.default_rng(0).integers(0, len(d), (DRAWS, len(d)))
    print(title)
    for n, kind in enumerate(KINDS):
        print(f"  {kind:<36} LPIPS-type {d[:, n].mean():.3f}, PSNR {p[:, n].mean():.2f} dB")
    less = 1 - d[:, 0].mean() / d[:, 1].mean()
    drawn = 1 - d[draws, 0].mean(axis=1) / d[draws, 1].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    gain = stats.paired(p[:, 1], p[:, 0], range(len(p)))
    print(f"  V2V's distance is {less:.1%} ({low:.1%} to {high:.1%}) below bicubic's; ", end="")
    print(f"its PSNR is {gain.value:+.2f} dB ({gain.low:+.2f} to {gain.high:+.2f}); n {gain.n} clips of 8 frames")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    show("true clips guessed back", guessed_back(count), count)
    show("what I2V makes of a true picture", made_by_i2v(count), count)


if __name__ == "__main__":
    main()
