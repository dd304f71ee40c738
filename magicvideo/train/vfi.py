"""Trains the interpolator on rendered gaps, where the frame at any t is exact, then fits the fusion's table.

Loss: Charbonnier and Laplacian pyramid (both in pixels), a perceptual term, the displacements' distance to the world's
true motion (IFRNet, arXiv 2205.14620, takes it from a teacher's flow), the codebook's with the frames painted from the
codes alone, and from `SETTLED` of the steps on a small patch critic (hinge; Lim & Ye, arXiv 1705.02894). The perceptual
term is no LPIPS: it compares unit-length features of the interpolator's own VQ encoder, whose weights are held fixed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import lsq_linear
from torch import Tensor, nn
from torch.func import functional_call

from magicvideo import weights
from magicvideo.clip import VideoClip, from_floats
from magicvideo.models.flow import interpolate_flow, pair_flow
from magicvideo.models.interpolator import CODE_WIDTH, CODES, FUSION_GRID, Encoder, Features, Interpolator
from magicvideo.stage_config import VFIKind
from magicvideo.stages.vfi import fusion_basis, interpolate
from magicvideo.train import data
from magicvideo.train.gaps import Batch, Gap, gap_batch, gap_scenes, sample_gap
from magicvideo.train.loop import Training
from magicvideo.train.losses import apart, laplacian

STEPS = 700
SETTLED = 0.6
"""The share of the training after which the critic joins."""
ADVERSARIAL, PERCEPTUAL, MOTION, CODEBOOK = 0.002, 0.02, 0.01, 0.1
IDLE = 20
"""Steps after which an unused entry of the codebook is moved; only until the critic joins."""
FIT_GAPS, MEASURE_GAPS = 120, 150


class Critic(nn.Module):
    """Patches of frames [B,3,H,W] in [0,1] -> how real each looks [B,1,H/8,W/8]."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 24, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 64, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, 1, 1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        return self.net(frames * 2 - 1)


class Joint(nn.Module):
    """What is trained together, with the count of steps done (kept in checkpoints, so a resumed training goes on)."""

    done: Tensor
    idle: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.interpolator, self.critic = Interpolator(), Critic()
        self.settled = int(SETTLED * steps)
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))
        self.register_buffer("idle", torch.zeros(CODES, dtype=torch.int64))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the module's docstring."""
        first, truth, last, t = batch[:4]
        model = self.interpolator
        keys = torch.cat([first, last])
        features = model.encode(keys)
        rows = torch.arange(len(first))
        synthesis = model.decode(first, last, features.take(rows), features.take(rows + len(first)), t)
        made = synthesis.frames
        missed = [((d - batch.motion).abs() * batch.known).mean() for d in synthesis.displacements]
        terms = {
            "pixels": (made - truth).square().add(1e-6).sqrt().mean(),
            "pyramid": laplacian(made, truth),
            "perceptual": PERCEPTUAL * perceptual(model.encoder, made, truth),
            "motion": MOTION * torch.stack(missed).sum(),
            "codes": CODEBOOK * (features.loss + (model.paint(features).float() - keys).abs().mean()),
        }
        if int(self.done) >= self.settled:
            fixed = {k: v.detach() for k, v in self.critic.state_dict().items()}
            terms["adversarial"] = -ADVERSARIAL * functional_call(self.critic, fixed, (made,)).float().mean()
            real, fake = self.critic(truth).float(), self.critic(made.detach()).float()
            terms["critic"] = 0.05 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
        else:
            self._revive(features)
        self.done += 1
        return terms

    @torch.no_grad()
    def _revive(self, features: Features) -> None:
        """Move entries of the codebook that no frame has used for `IDLE` steps to where frames are."""
        self.idle += 1
        self.idle[features.entries.unique()] = 0
        dead = torch.nonzero(self.idle > IDLE)[:, 0]
        latents = features.latent.permute(0, 2, 3, 1).reshape(-1, CODE_WIDTH)
        chosen = torch.randint(len(latents), (len(dead),), device=latents.device)
        self.interpolator.encoder.quantise.embedding.weight[dead] = latents[chosen]
        self.idle[dead] = 0


class Errors(NamedTuple):
    """One frame's two forecasts and the truth [3,H,W] in [0,1], with the flow's confidence [H,W]."""

    edsc: Any
    flow: Any
    truth: Any
    confidence: Any


def train(resume: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Train, fit the fusion, measure on held-out scenes; writes `vfi`."""
    steps = steps or STEPS
    torch.manual_seed(0)
    joint = Joint(steps)
    training = Training("vfi", joint, steps, 1e-3, gap_batch, joint.loss, ema=0.995)
    training.run(resume)
    model = joint.interpolator
    model.flow_weight.copy_(torch.from_numpy(fit_fusion(model)))
    model.load_state_dict({k: v.half().to(v.dtype) for k, v in model.state_dict().items()})  # as they ship
    figures = measure(model)
    recipe = {
        "data": "world renders at t0, t, t1; 64 to 128 pixels; train split; seed 0",
        "steps": steps,
        "seconds": round(training.seconds),
        "taps": model.taps,
        "critic_from_step": joint.settled,
        "weights": {"adversarial": ADVERSARIAL, "perceptual": PERCEPTUAL, "motion": MOTION, "codebook": CODEBOOK},
        "fusion": [[round(float(v), 3) for v in row] for row in model.flow_weight],
    }
    weights.save("vfi", model.state_dict(), recipe, figures)
    return {"steps": steps, "seconds": recipe["seconds"], "figures": figures}


def perceptual(encoder: Encoder, made: Tensor, truth: Tensor) -> Tensor:
    """Squared distance of unit-length features at 1/2 and 1/4 of the side; the encoder's weights get no gradient."""
    x, total = torch.cat([made, truth]) * 2 - 1, made.new_zeros(())
    for part in (encoder.at_half, encoder.at_quarter):
        x = functional_call(part, {k: v.detach() for k, v in part.state_dict().items()}, (x,))
        one, two = x.chunk(2)
        total = total + apart([one], [two.detach()])
    return total


def fit_fusion(model: Interpolator, count: int = FIT_GAPS, seed: int = 20_000) -> Any:
    """The table [5,5] in [0,1] that leaves the least squared error on gaps of the training split, half of them worn."""
    rng = np.random.default_rng(seed)
    knots = FUSION_GRID[0] * FUSION_GRID[1]
    left, right = np.eye(knots) * 1e-2, np.zeros(knots)  # a little of a prior: no flow where nothing was seen
    for scene in gap_scenes(rng, count):
        case = forecasts(model, sample_gap(rng, scene, 128))
        basis = fusion_basis(case.edsc, case.flow, case.confidence).reshape(-1, knots).astype(np.float64)
        step, missed = (case.flow - case.edsc).reshape(3, -1), (case.truth - case.edsc).reshape(3, -1)
        left += basis.T @ (basis * (step**2).sum(0)[:, None])
        right += basis.T @ (step * missed).sum(0)
    root = np.linalg.cholesky(left)
    solution = lsq_linear(root.T, np.linalg.solve(root, right), bounds=(0, 1))
    return solution.x.reshape(FUSION_GRID).astype(np.float32)


@torch.inference_mode()
def forecasts(model: Interpolator, gap: Gap) -> Errors:
    """Both interpolators' frames of one gap."""
    first, truth, last = gap.frames
    made = model(*(torch.from_numpy(f)[None] for f in (first, last)), torch.tensor([gap.t]))[0].numpy()
    flow = interpolate_flow(pair_flow(first, last), gap.t)
    return Errors(made, flow.frame, truth, flow.confidence)


def measure(model: Interpolator, count: int = MEASURE_GAPS, seed: int = 30_000) -> dict[str, Any]:
    """Held-out PSNR in dB at 128 pixels and t = 1/3, 2/3, in gaps as between 8 key frames; still scenes are left out.

    Measured through the stage, 8-bit frames in and out; `nearest` repeats the nearer key frame.
    """
    rng = np.random.default_rng(seed)
    kinds: tuple[VFIKind, ...] = ("edsc", "flow", "fused", "linear")
    values: dict[str, list[Tensor]] = {name: [] for name in (*kinds, "nearest")}
    for scene in gap_scenes(rng, count, "held_out"):
        gap = sample_gap(rng, scene, 128, times=(1 / 3, 2 / 3), share=1 / 7, worn=False)
        keys = from_floats(gap.frames[[0, -1]], 8.0)
        truth = torch.from_numpy(gap.frames[1:-1])
        made: dict[str, VideoClip] = {kind: interpolate(keys, 3, kind, model) for kind in kinds}
        made["nearest"] = VideoClip(keys.frames[[0, 0, 1, 1]], 8.0)
        for kind_name, clip in made.items():
            values[kind_name].append(data.psnr(torch.from_numpy(clip.floats()[1:-1]), truth))
    figures: dict[str, Any] = {}
    for name, rows in values.items():
        figures[f"psnr_{name}"] = data.mean_interval(torch.stack(rows).mean(1))  # a scene is one observation
    figures["codes_used"] = {"value": codes_used(model), "of": model.encoder.quantise.n_e}
    return figures


@torch.inference_mode()
def codes_used(model: Interpolator, count: int = 64) -> int:
    """How many entries of the codebook held-out frames make use of."""
    frames = data.images(data.held_out(count, split="held_out"), list(np.linspace(0, 1, count)), 128)
    return int(model.encode(frames).entries.unique().numel())
