"""What V2V makes of keyframes with I2V's own faults, beside bicubic enlargement and the best the autoencoder could do.

True held-out clips are guessed back by the keyframe generator in one step from a random level, as in V2V's training:
their motion stays true, so each frame has its truth. `python tests/benchmarks/v2v_faults.py [CLIPS]`; prints.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from evals import stats
from evals.backbones.perceptual import PocketPerceptual
from evals.stats import LEVEL
from magicvideo import weights
from magicvideo.models.generator import Generator
from magicvideo.models.refiner import Refiner
from magicvideo.train import data, t2i, v2v
from magicvideo.train.i2v import clip_latents

KINDS = ("V2V", "bicubic, same autoencoder", "the truth through the autoencoder")
DRAWS = 5000


@torch.no_grad()
def measured(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """LPIPS-type distance to the truth and PSNR in dB, [clips,3] each, in the order of KINDS."""
    coder, generator = t2i.load_autoencoder(), Generator()
    generator.load_weights(weights.load("generator"))
    model = Refiner(generator.eval())
    model.load_weights(weights.load("refiner"))
    model.eval()
    distance = PocketPerceptual()
    torch.manual_seed(0)
    rng = np.random.default_rng(20_000)
    distances, psnrs = list[list[float]](), list[list[float]]()
    for _ in tqdm(range(-(-count // v2v.CLIPS)), unit="batch"):
        pairs, refined, enlarged = v2v.refine_held_out(coder, generator, model, rng)
        kinds = (refined, enlarged, clip_latents(coder, pairs.large))
        decoded = [v2v.clip_frames(coder, latents) for latents in kinds]
        for n, true in enumerate(pairs.large):
            distances.append([float(distance.distance(_bytes(d[n]), _bytes(true)).mean()) for d in decoded])
            psnrs.append([float(data.psnr(d[n][None], true[None])) for d in decoded])
    return np.array(distances), np.array(psnrs)


def _bytes(frames: Tensor) -> NDArray[np.uint8]:
    return np.asarray((frames.clamp(0, 1) * 255).round().byte().numpy())


def main() -> None:
    distances, psnrs = measured(int(sys.argv[1]) if len(sys.argv) > 1 else 48)
    draws = np.random.default_rng(0).integers(0, len(distances), (DRAWS, len(distances)))
    for n, kind in enumerate(KINDS):
        print(f"{kind:<36} LPIPS-type {distances[:, n].mean():.3f}, PSNR {psnrs[:, n].mean():.2f} dB")
    less = 1 - distances[:, 0].mean() / distances[:, 1].mean()
    drawn = 1 - distances[draws, 0].mean(axis=1) / distances[draws, 1].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    gain = stats.paired(psnrs[:, 1], psnrs[:, 0], range(len(psnrs)))
    print(f"V2V's distance is {less:.1%} ({low:.1%} to {high:.1%}) below bicubic's; ", end="")
    print(f"its PSNR is {gain.value:+.2f} dB ({gain.low:+.2f} to {gain.high:+.2f}); n {gain.n} clips of 8 frames")


if __name__ == "__main__":
    main()
