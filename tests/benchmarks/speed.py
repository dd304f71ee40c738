"""What sampling costs: seconds, memory and operations a stage, beside the machine's floor and diffusers' stock loop.

Run by `bench.py`. Seconds are wall time with all of torch's threads; on a busy machine only ratios mean something.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from magicvideo.batch import Job, made
from magicvideo.clip import VideoClip
from magicvideo.config import PipelineConfig
from magicvideo.machine import usable_cores
from magicvideo.models import diffusion, pocket
from magicvideo.models.autoencoder import FACTOR, LATENT_CHANNELS
from magicvideo.models.generator import Condition, join
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store
from magicvideo.stage_config import STAGES, Compute
from magicvideo.stages.common import computed_in, decode, noise, tensor
from magicvideo.stages.i2v import image_to_video
from magicvideo.stages.t2i import text_to_image
from magicvideo.stages.v2v import refine
from magicvideo.stages.vfi import interpolate

RUNS = 5
PROMPT = "a red star bouncing on a striped background"
MANY = 16
STOCK_STEPS = 50
"""`num_inference_steps` of diffusers' AnimateDiffControlNetPipeline where nobody says otherwise."""
Result = tuple[str, float, str]
"""What was done, seconds, and what that comes to."""

START = """
import json, resource, sys, time
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
began, wall = cpu(), time.perf_counter()
import torch
library, library_wall = cpu(), time.perf_counter()
from magicvideo.models import pocket
pocket.autoencoder(), pocket.image_generator(), pocket.verifier(), pocket.refiner(), pocket.interpolator()
print(json.dumps([library - began, cpu() - library, library_wall - wall, time.perf_counter() - library_wall]))
"""
PEAK = """
import json, resource, sys, tempfile
from pathlib import Path
from magicvideo.config import PipelineConfig
from magicvideo.pipeline import Pipeline
from magicvideo.runs import Store
def reset():
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again: proc(5)
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
with tempfile.TemporaryDirectory() as name:
    pipeline = Pipeline(PipelineConfig(), Store(Path(name)))
    pipeline.run(sys.argv[1], 0)  # everything loaded
    found = {}
    for stage in sys.argv[2:]:
        reset()
        pipeline.run(sys.argv[1], 1, until=stage)
        found[stage] = peak()
print(json.dumps(found))
"""


def median(work: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds of one call: the median of `runs`, after one that warms up."""
    work()
    return statistics.median(_seconds(work) for _ in range(runs))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def start() -> Iterator[Result]:
    """A process of its own, three times: torch's import apart from ours."""
    calls = [subprocess.run([sys.executable, "-c", START], capture_output=True, check=True) for _ in range(3)]
    library, ours, library_wall, ours_wall = map(
        statistics.median, zip(*(json.loads(c.stdout) for c in calls), strict=True)
    )
    yield "import torch", library_wall, f"{library:.2f} s of CPU"
    yield "then: import ours, load all models", ours_wall, f"{ours:.2f} s of CPU"


def matrix_rate(kind: torch.dtype, size: int = 1536) -> float:
    """Operations a second of square matrix products in `kind`, the best of several: what the floor is counted by."""
    a, b = (torch.randn(size, size).to(kind) for _ in range(2))
    torch.mm(a, b)
    return 2 * size**3 / min(_seconds(lambda: torch.mm(a, b)) for _ in range(8))


def stage_calls(compute: Compute) -> dict[str, Callable[[], VideoClip]]:
    """Each stage of the default configuration on the clips that the stages before it make."""
    config = PipelineConfig(compute=compute)
    m, computed = config.mechanisms, computed_in(compute)
    picture = text_to_image(config.t2i, PROMPT, 0)
    keyframes = image_to_video(config.i2v, m, PROMPT, picture, 0)
    enlarged = refine(config.v2v, m, PROMPT, keyframes, picture, 0)
    model = pocket.interpolator()
    return {
        "t2i": computed(lambda: text_to_image(config.t2i, PROMPT, 0)),
        "i2v": computed(lambda: image_to_video(config.i2v, m, PROMPT, picture, 0)),
        "v2v": computed(lambda: refine(config.v2v, m, PROMPT, keyframes, picture, 0)),
        "vfi": lambda: interpolate(enlarged, config.vfi.factor, m.vfi, model),
    }


def stages() -> Iterator[Result]:
    """Seconds a stage in both arithmetics, and how near each comes to the operations it cannot do without.

    Counted are matrix products, convolutions and attention (`torch.utils.flop_counter`), not norms, activations, or
    what VFI reads by coordinates; so the share is a lower bound of how well the machine is used.
    """
    arithmetics: list[tuple[Compute, torch.dtype]] = [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
    rates = {compute: matrix_rate(kind) for compute, kind in arithmetics}
    for compute, rate in rates.items():
        yield f"{compute}: matrices of 1536", 2 * 1536**3 / rate, f"{rate / 1e9:.0f} GFLOP/s"
        total = floor = 0.0
        for stage, call in stage_calls(compute).items():
            operations, seconds = count(call), median(call)
            least = operations / (rates["float32"] if stage == "vfi" else rate)  # VFI's arithmetic stays as it is
            total, floor = total + seconds, floor + least
            share = f"{operations / 1e9:.2f} GFLOP, {least / seconds:.0%} of the matrix rate"
            yield f"{compute}: {stage}", seconds, share
        yield f"{compute}: one video, four stages", total, f"floor {floor * 1000:.0f} ms"


def count(call: Callable[[], object]) -> int:
    """Operations (a multiplication and an addition are two) of one call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def memory() -> Iterator[Result]:
    """Peak resident memory while each stage runs, everything loaded, in a process of its own."""
    words = [sys.executable, "-c", PEAK, PROMPT, *STAGES]
    took = time.perf_counter()
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        print(f"left out, no peak memory here: {done.stderr.decode().splitlines()[-1]}")
        return
    text = ", ".join(f"{stage} {size:.0f}" for stage, size in json.loads(done.stdout).items())
    yield "peak memory, MiB", time.perf_counter() - took, text


def many() -> Iterator[Result]:
    """Sixteen prompts one by one through the pipeline, and by workers; and what batches of steps would give."""
    words = [f"{PROMPT} {n}" for n in range(MANY)]
    with tempfile.TemporaryDirectory() as name:
        pipeline = Pipeline(PipelineConfig(), Store(Path(name)))
        pipeline.run(PROMPT, 0)
        began = time.perf_counter()
        for prompt in words:
            pipeline.run(prompt, 0)
        yield f"{MANY} prompts, one by one", time.perf_counter() - began, ""
        cores, began, first = usable_cores(), time.perf_counter(), 0.0
        for _ in made(Job(PipelineConfig(), Path(name), seed=1), words, workers=cores):
            first = first or time.perf_counter() - began
        whole = time.perf_counter() - began
        yield f"{MANY} prompts, {cores} workers", whole, f"the first after {first:.1f} s: they load everything"
    for clips in (1, 4, MANY):
        yield _batched_step(clips)


@torch.inference_mode()
def _batched_step(clips: int) -> Result:
    """A guided I2V step of several clips at once: seconds a clip, and whether the first clip's bytes stay."""
    model, side = pocket.generator(True), PipelineConfig().i2v.size // FACTOR
    x = torch.randn(clips, LATENT_CHANNELS, 8, side, side, generator=torch.Generator().manual_seed(0))
    both, t = torch.cat([x, x]), torch.full((2 * clips,), 500)
    told = _told(clips)
    made = model.clip(both, t, join(told, told))
    first = slice(0, None, clips)
    alone = model.clip(both[first], t[first], join(_told(1), _told(1)))
    same = "the same bytes" if torch.equal(made[first], alone) else "not the same bytes"
    seconds = median(lambda: model.clip(both, t, join(told, told))) / clips
    return f"I2V step, {clips} clips together, a clip", seconds, f"{same} as alone"


def _told(clips: int) -> Condition:
    model = pocket.generator(True)
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).expand(clips, -1, -1, -1)
    return Condition(model.encode_text([PROMPT] * clips), model.appearance(picture), model.control(picture))


def stock() -> Iterator[Result]:
    """I2V's networks in a loop as diffusers' `AnimateDiffControlNetPipeline` writes it, at its default steps.

    Our rewriting, not that pipeline: its text encoder and VAE do not fit. As there, guidance doubles every step and
    the ControlNet runs in every step on each frame of the doubled batch; text and IP-Adapter tokens are encoded once.
    The scheduler is the stock DDIM on our noise schedule, without the noise prior.
    """
    config = PipelineConfig()
    picture = text_to_image(config.t2i, PROMPT, 0)
    ours = median(lambda: image_to_video(config.i2v, config.mechanisms, PROMPT, picture, 0))
    yield f"i2v as shipped, {config.i2v.steps} steps", ours, ""
    seconds = median(lambda: stock_loop(config, picture), runs=2)
    yield f"i2v in the stock loop, {STOCK_STEPS} steps", seconds, f"{seconds / ours:.1f} times as long"


@torch.inference_mode()
def stock_loop(config: PipelineConfig, reference: VideoClip) -> VideoClip:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    model, frames, side = pocket.generator(True), config.i2v.frames, config.i2v.size // FACTOR
    abar = diffusion.ALPHAS_BAR
    betas = (1 - abar / torch.cat([abar.new_ones(1), abar[:-1]])).numpy()
    scheduler = DDIMScheduler(
        trained_betas=betas, prediction_type="v_prediction", timestep_spacing="trailing", clip_sample=False
    )
    scheduler.set_timesteps(STOCK_STEPS)
    small = torch.nn.functional.interpolate(tensor(reference), config.i2v.size)
    text = model.encode_text([PROMPT, ""])
    appearance = model.appearance(torch.nn.functional.interpolate(tensor(reference), 64)).expand(2, -1, -1)
    x = noise((1, LATENT_CHANNELS, frames, side, side), 0, PROMPT, "i2v")
    for t in scheduler.timesteps:
        control = model.control(small.expand(2 * frames, -1, -1, -1))
        told, untold = _predict(x, t, Condition(text, appearance, control)).chunk(2)
        v = untold + config.i2v.guidance * (told - untold)
        x = scheduler.step(v, t, x, return_dict=False)[0]
    return decode(pocket.autoencoder(), x[0].transpose(0, 1), config.i2v.fps)


def _predict(x: Tensor, t: Tensor, given: Condition) -> Tensor:
    return pocket.generator(True).clip(torch.cat([x, x]), t.expand(2), given)


def results() -> Iterator[Result]:
    for part in (start, stages, memory, many, stock):
        yield from part()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield "all of the above in this process", 0.0, f"peak {peak:.0f} MiB, {torch.get_num_threads()} threads"
