"""Frame interpolation at any t in (0,1): an EDSC head on a small vector-quantised autoencoder.

An encoder shared by both key frames ends in a codebook (van den Oord et al., arXiv 1711.00937), after LDMVFI's VQ-FIGAN
(Danier et al., arXiv 2303.09508) and MagicVideo-V2's interpolator (arXiv 2401.04468). The decoder reads both frames'
codes, their skip features and t; it moves the skip features along its own coarse displacement before it goes on (coarse
to fine), and its head predicts the fields of `deformable.edsc` for both frames, a visibility mask and a residual:

    out = V * edsc(I0) + (1 - V) * edsc(I1) + R

Ours: K = 3 taps a side where EDSC uses 5 (a third of the reads; `TAPS` sets it), a head at half resolution with
sub-pixel channels, displacements proportional to t and 1 - t, no normalisation layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magicvideo.models.deformable import edsc, warp
from magicvideo.models.lean import VectorQuantizer

TAPS = 3
CODES, CODE_WIDTH = 512, 8
WIDTHS = (32, 64, 96)
"""Channels at 1/2, 1/4 and 1/8 of the resolution."""
MULTIPLE = 8
FUSION_GRID = (5, 5)
"""Knots of the fusion's table: the flow's confidence, then the disagreement of the two interpolators."""


class Features(NamedTuple):
    """What the encoder keeps of frames [B,3,H,W] (H, W multiples of 8)."""

    half: Tensor
    """[B,32,H/2,W/2]"""
    quarter: Tensor
    """[B,64,H/4,W/4]"""
    latent: Tensor
    """[B,8,H/8,W/8], of length one, before the codebook"""
    codes: Tensor
    """[B,8,H/8,W/8], entries of the codebook, of length one"""
    entries: Tensor
    """[B,H/8,W/8], which entry"""
    loss: Tensor
    """Scalar: distance of the encoder's output to the codebook, to be minimised in training."""

    def take(self, rows: Tensor) -> Features:
        """The features of some of the frames, in the order given."""
        return self._replace(
            half=self.half[rows],
            quarter=self.quarter[rows],
            latent=self.latent[rows],
            codes=self.codes[rows],
            entries=self.entries[rows],
        )


@dataclass(frozen=True)
class Synthesis:
    """Frames in between [B,3,H,W] (not clipped to [0,1]) and the parts they were put together from."""

    frames: Tensor
    visibility: Tensor
    """[B,1,H,W] in (0,1): the share of the first key frame"""
    residual: Tensor
    """[B,3,H,W]"""
    displacements: tuple[Tensor, ...]
    """Coarse to fine, the last the one used, [B,4,H,W] in pixels: where (dy, dx) in the first and in the last frame all
    taps look from"""


class _Residual(nn.Module):
    """Two 3x3 convolutions beside the identity, without normalisation; the second starts small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = _conv(width, width), _conv(width, width, gain=0.2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(F.silu(self.one(F.silu(x))))


def _conv(inside: int, outside: int, size: int = 3, stride: int = 1, gain: float = 1.6) -> nn.Conv2d:
    """Convolution that keeps variance through SiLU (gain 1.6 or so), bias zero."""
    layer = nn.Conv2d(inside, outside, size, stride, (size - 1) // 2)
    nn.init.normal_(layer.weight, std=gain / (inside * size * size) ** 0.5)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


class Encoder(nn.Module):
    """Frames [B,3,H,W] in [0,1] -> `Features`."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.at_half = nn.Sequential(_conv(3, a, size=4, stride=2), nn.SiLU(), _conv(a, a), nn.SiLU())
        self.at_quarter = nn.Sequential(_conv(a, b, stride=2), nn.SiLU(), _conv(b, b), nn.SiLU())
        self.at_eighth = nn.Sequential(_conv(b, c, stride=2), _Residual(c), nn.SiLU(), _conv(c, CODE_WIDTH, size=1))
        self.quantise = VectorQuantizer(CODES, CODE_WIDTH, beta=0.25, legacy=False, sane_index_shape=True)
        nn.init.normal_(self.quantise.embedding.weight)
        with torch.no_grad():
            self.quantise.embedding.weight.copy_(F.normalize(self.quantise.embedding.weight, dim=1))

    def forward(self, frames: Tensor) -> Features:
        half = self.at_half(frames * 2 - 1)
        quarter = self.at_quarter(half)
        z = F.normalize(self.at_eighth(quarter).float(), dim=1)
        codes, loss, (_, _, index) = self.quantise(z)
        return Features(half, quarter, z, codes, index, loss)


class Decoder(nn.Module):
    """Two frames' features and t -> the head's fields at full resolution, `fields` channels."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.at_eighth = nn.Sequential(_conv(2 * CODE_WIDTH + 2 * b + 1, c), _Residual(c), _Residual(c), nn.SiLU())
        self.coarse = _conv(c, 4, gain=0.1)
        self.at_quarter = nn.Sequential(_conv(c + 2 * b + 5, b), _Residual(b), nn.SiLU())
        self.middle = _conv(b, 4, gain=0.1)
        self.at_half = nn.Sequential(_conv(b + 2 * a + 5, 48), _Residual(48), nn.SiLU())
        self.head = _conv(48, 4 * fields, size=1, gain=0.1)

    def forward(self, one: Features, two: Features, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """t [B,1,1,1]. Returns fields [B,fields,H,W] and two displacements [B,4,H,W] in pixels, coarse and fine."""
        small = [F.avg_pool2d(f.quarter, 2) for f in (one, two)]
        x = self.at_eighth(torch.cat([one.codes, two.codes, *small, _map(t, one.codes)], 1))
        move = _up(_paced(self.coarse(x).float(), t)) * 2  # in pixels of 1/4
        coarse = move
        x = torch.cat([_up(x), warp_both(one.quarter, two.quarter, move), move, _map(t, move)], 1)
        x = self.at_quarter(x)
        move = _up(move + _paced(self.middle(x).float(), t)) * 2  # in pixels of 1/2
        x = torch.cat([_up(x), warp_both(one.half, two.half, move), move, _map(t, move)], 1)
        x = self.at_half(x)
        return F.pixel_shuffle(self.head(x), 2).float(), F.interpolate(coarse, scale_factor=4) * 4, _up(move) * 2


class Interpolator(nn.Module):
    """Encoder, decoder and EDSC head. Frames float32 [B,3,H,W] in [0,1], any H and W; t [B] in [0,1]."""

    def __init__(self, taps: int = TAPS) -> None:
        super().__init__()
        self.taps = taps
        k = taps
        self.sizes = (k, k, k * k, 2 * k * k) * 2 + (4, 1, 3)
        self.encoder = Encoder()
        self.painter = nn.Sequential(_conv(CODE_WIDTH, 64), nn.SiLU(), _conv(64, 3 * 64, size=1), nn.PixelShuffle(8))
        self.decoder = Decoder(sum(self.sizes))
        self.register_buffer("flow_weight", torch.zeros(FUSION_GRID))

    flow_weight: Tensor
    """The fusion's table, fitted after training (`stages/vfi.py`): zeros leave the flow out."""

    def forward(self, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
        """The frame at t between `first` and `last`, clipped to [0,1]."""
        pair = self.encode(torch.cat([first, last]))
        rows = torch.arange(len(first), device=first.device)
        made = self.decode(first, last, pair.take(rows), pair.take(rows + len(first)), t)
        return made.frames.clamp(0, 1)

    def encode(self, frames: Tensor) -> Features:
        """Features of frames padded to a multiple of 8; each frame once, however many pairs it is in."""
        h, w = frames.shape[-2:]
        return self.encoder(F.pad(frames, (0, -w % MULTIPLE, 0, -h % MULTIPLE), mode="replicate"))

    def paint(self, features: Features) -> Tensor:
        """Frames [B,3,H,W] (H, W multiples of 8) from their codes alone: rough, and what gives the codes meaning."""
        return self.painter(features.codes) + 0.5

    def decode(self, first: Tensor, last: Tensor, one: Features, two: Features, t: Tensor) -> Synthesis:
        """The frames at t [B] between `first` and `last`, whose features are `one` and `two`."""
        h, w = first.shape[-2:]
        t = t.reshape(-1, 1, 1, 1).to(first)
        fields, *moves = self.decoder(one, two, t)
        parts = fields[..., :h, :w].split(self.sizes, dim=1)
        coarse, fine = (m[..., :h, :w] for m in moves)
        move = fine + _paced(parts[8], t)
        a = self._resample(first, parts[0:4], move[:, :2])
        b = self._resample(last, parts[4:8], move[:, 2:])
        prior = torch.logit((1 - t).clamp(1e-4, 1 - 1e-4))  # without evidence: linear blending
        visibility = torch.sigmoid(parts[9] * 4 + prior)
        residual = parts[10] * 0.1
        frames = visibility * a + (1 - visibility) * b + residual
        return Synthesis(frames, visibility, residual, (coarse, fine, move))

    def _resample(self, frame: Tensor, fields: tuple[Tensor, ...], move: Tensor) -> Tensor:
        """One frame through its kernels; untrained, they are a narrow blur around the displaced pixel."""
        k = self.taps
        start = torch.full((k,), 0.2 / max(k - 1, 1), device=frame.device)
        start[k // 2] = 0.8 if k > 1 else 1.0
        vertical, horizontal = (f + start[None, :, None, None] for f in fields[:2])
        masks = 2 * torch.sigmoid(fields[2])
        offsets = fields[3].unflatten(1, (k * k, 2)) + move[:, None]
        return edsc(frame, vertical, horizontal, offsets, masks)


def warp_both(one: Tensor, two: Tensor, move: Tensor) -> Tensor:
    """Both frames' features [B,C,h,w] moved along displacement [B,4,h,w], side by side [B,2C,h,w]."""
    move = move.float()
    return torch.cat([warp(one.float(), move[:, :2]), warp(two.float(), move[:, 2:])], 1)


def _paced(move: Tensor, t: Tensor) -> Tensor:
    """Raw displacements [B,4,h,w] scaled so that they vanish where t reaches their frame."""
    return torch.cat([move[:, :2] * t, move[:, 2:] * (1 - t)], 1) * 4


def _map(t: Tensor, like: Tensor) -> Tensor:
    """t [B,1,1,1] as a map [B,1,h,w]."""
    return t.to(like.dtype).expand(-1, 1, *like.shape[-2:])


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
