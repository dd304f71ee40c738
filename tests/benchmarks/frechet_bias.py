"""Bias of the Frechet distance against N, coverage of FVD-infinity's interval, and speed: `make study-frechet`. Prints.

Sets are drawn from Gaussians with spectrum 1/k whose distance is known; with clips of one prompt alike (correlation
.5). "plain" is the interval around the distance itself, which the bias carries away from the truth. `--sims` and
`--dimensions` make it shorter or longer.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser

import numpy as np
from scipy.linalg import sqrtm

from evals.distances import Gaussian, frechet, frechet_sets
from evals.jackknife import FrechetWithout, extrapolate, jackknife, prompt_groups

ALIKE = 0.5


def bias() -> None:
    print("share of the trace between samples of one Gaussian, 400 dimensions, spectrum 1/k")
    spectrum, rng = 1 / np.arange(1, 401), np.random.default_rng(0)
    truth = Gaussian(np.zeros(400), np.diag(np.sqrt(spectrum)))
    for n in (64, 256, 1024):
        x, y = (rng.normal(size=(n, 400)) * np.sqrt(spectrum) for _ in range(2))
        apart, to_truth = frechet_sets(x, y), Gaussian.of_rows(x).distance(truth)
        print(f"  N={n:<5} two samples {apart / spectrum.sum():.3f}   sample and truth {to_truth / spectrum.sum():.3f}")


def coverage(d: int, n: int, a_prompt: int, shift: float, sims: int) -> None:
    spectrum, rng = 1 / np.arange(1, d + 1), np.random.default_rng(0)
    to = Gaussian(np.zeros(d), np.diag(np.sqrt(spectrum)))
    mean = np.where(np.arange(d) < 5, shift, 0.0)
    truth, prompts = float(mean @ mean), [f"{i // a_prompt:05d}" for i in range(n)]
    alike = ALIKE if a_prompt > 1 else 0.0
    found = []
    for _ in range(sims):
        shared = np.repeat(rng.normal(size=(n // a_prompt, d)), a_prompt, axis=0)
        x = np.sqrt(1 - alike) * rng.normal(size=(n, d)) + np.sqrt(alike) * shared
        without, labels = FrechetWithout(x * np.sqrt(spectrum) + mean, to), prompt_groups(prompts)
        limit, plain = extrapolate(without, labels), jackknife(without, labels)
        found.append((limit.value, limit.reach, plain.value, plain.reach))
    value, reach, around, its_reach = np.array(found).T
    held, plainly = np.mean(abs(value - truth) <= reach), np.mean(abs(around - truth) <= its_reach)
    error = np.sqrt(held * (1 - held) / sims)
    print(
        f"  D={d} N={n:<4} {a_prompt} a prompt, true {truth:.2f}: plain {around.mean() - truth:+.4f}, limit "
        f"{value.mean() - truth:+.4f} (sd {value.std():.4f}); truth in the interval {held:.1%} +- {error:.1%}, "
        f"in the plain one {plainly:.1%}",
        flush=True,
    )


def speed() -> None:
    for d in (400, 2048):
        rng = np.random.default_rng(0)
        a, b = (x @ x.T / (2 * d) for x in rng.normal(size=(2, d, 2 * d)))
        began, used = time.perf_counter(), time.process_time()
        ours = frechet(np.zeros(d), a, np.zeros(d), b)
        wall, ours_used = time.perf_counter() - began, time.process_time() - used
        used = time.process_time()
        root = np.trace(sqrtm(a @ b)).real
        theirs, theirs_used = np.trace(a) + np.trace(b) - 2 * root, time.process_time() - used
        print(
            f"Frechet, {d} dimensions: {wall:.2f} s ({ours_used:.2f} s CPU); with sqrtm {theirs_used:.2f} s CPU, "
            f"{theirs_used / ours_used:.1f} x; differ by {abs(ours - theirs) / theirs:.1e}",
            flush=True,
        )


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--sims", type=int, default=500)
    parser.add_argument("--dimensions", type=int, default=24)
    arguments = parser.parse_args()
    d = arguments.dimensions
    bias()
    print(f"coverage of the 95 % interval, {arguments.sims} sets each")
    for shift in (0.0, 0.3):
        for n, a_prompt in ((2 * d, 1), (4 * d, 1), (8 * d, 1), (4 * d, 4), (16 * d, 4)):
            coverage(d, n, a_prompt, shift, arguments.sims)
    speed()


if __name__ == "__main__":
    main()
