"""Latent noise priors: where the keyframes' denoising starts from. Formulas in the papers' letters.

    mean_shift   x_T = a sqrt(abar_T) z_ref + sqrt(1 - abar_T) eps      (MagicVideo-V2 shifts the mean toward z_ref;
                 a = 1 is what noising a still video of the reference gives at T, a > 1 shifts further)
    mixed        eps_t = sqrt(r^2 / (1 + r^2)) shared + sqrt(1 / (1 + r^2)) own_t       (PYoCo, arXiv 2305.10474)
    frame_init   low frequencies of the noised, repeated reference + high frequencies of fresh noise
                 (ConsistI2V, arXiv 2402.04324), the reference scaled by a

The paper gives neither formula nor strength. The generators learned to denoise without the prior; their last phase
starts half of its clips from mean_shift with a = 1 (`train/i2v_rollout.py`). Stronger priors keep more layout and cost
motion (conditional image leakage, arXiv 2406.15735).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from magicvideo.errors import InputError
from magicvideo.stage_config import NoisePrior

CUT = 0.25
"""Normalised cut-off of frame_init's Gaussian filter (ConsistI2V)."""


def start(prior: NoisePrior, eps: Tensor, z_ref: Tensor, abar_T: float) -> Tensor:
    """The latents denoising starts from.

    Args:
        prior: kind and strength (a of mean_shift and frame_init, r of mixed).
        eps: standard Gaussian noise [B,C,T,h,w].
        z_ref: the reference image's latent [B,C,h,w].
        abar_T: the schedule's last abar.

    Raises:
        InputError: if the schedule ends in pure noise, where a shifted mean has no effect.
    """
    if prior.kind == "none":
        return eps
    if prior.kind == "mixed":
        return mixed(eps, prior.strength)
    if abar_T <= 0:
        raise InputError(
            f"noise_prior.kind={prior.kind}: this schedule has zero terminal SNR, so the prior's mean "
            "would be exactly zero; use kind=mixed or a schedule with abar_T > 0"
        )
    if prior.kind == "mean_shift":
        return mean_shift(eps, z_ref, abar_T, prior.strength)
    return frame_init(eps, z_ref, abar_T, prior.strength)


def mean_shift(eps: Tensor, z_ref: Tensor, abar_T: float, a: float) -> Tensor:
    """Mean a sqrt(abar_T) z_ref in every frame, variance 1 - abar_T."""
    return a * math.sqrt(abar_T) * z_ref.unsqueeze(2) + math.sqrt(1 - abar_T) * eps


def mixed(eps: Tensor, r: float) -> Tensor:
    """Unit variance, any two frames correlated by r^2 / (1 + r^2).

    The frames' mean and their deviations from it are independent, so `eps` itself holds a shared and an own part and no
    further noise is drawn: reweighting the two gives PYoCo's mixture exactly, and r = 0 gives `eps`.
    """
    frames = eps.shape[2]
    if frames == 1:
        return eps
    mean = eps.mean(2, keepdim=True)
    shared, own = mean * math.sqrt(frames), (eps - mean) * math.sqrt(frames / (frames - 1))  # own: -1/(T-1) correlated
    share = (r * r * frames + 1) / ((1 + r * r) * frames)
    return math.sqrt(share) * shared + math.sqrt(1 - share) * own


def frame_init(eps: Tensor, z_ref: Tensor, abar_T: float, a: float) -> Tensor:
    """Low band of a still, noised reference video, high band of `eps`; bands split in time and space by FFT."""
    still = mean_shift(eps, z_ref, abar_T, a)
    axes = (2, 3, 4)
    keep = _gaussian_low_pass(eps.shape[2:], eps.device)
    blend = torch.fft.fftn(still, dim=axes) * keep + torch.fft.fftn(eps, dim=axes) * (1 - keep)
    return torch.fft.ifftn(blend, dim=axes).real.to(eps.dtype)


def _gaussian_low_pass(shape: torch.Size, device: torch.device) -> Tensor:
    axes = [torch.fft.fftfreq(n, device=device) * 2 for n in shape]  # 1 is the Nyquist frequency
    t, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.exp(-(t * t + y * y + x * x) / (2 * CUT * CUT))
