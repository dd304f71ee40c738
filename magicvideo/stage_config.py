"""The settings of each stage and the mechanisms (each a switch), frozen and typed.

A misspelt name is an error that suggests the right one. Knows neither presets nor models: `config.py` puts these
together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from magicvideo.errors import unknown_name

STAGES = ("t2i", "i2v", "v2v", "vfi")
"""The stages in the order they run (MagicVideo-V2, arXiv 2401.04468, figure 1)."""

TRAINED_FRAMES = 8
"""Keyframes of a training clip: what a window holds unless told otherwise."""
VERIFIED_SIZE = 128
"""Pixels a side of the pictures that the pocket preset's verifier can judge."""
MOST_AT_ONCE = 32
"""Frames that the motion modules tell apart: the paper's 32 keyframes."""
MOST_KEYFRAMES = 256
"""The longest clip that is made, half a minute at 8 frames/s."""

CHOICES = {"source", "fault", "candidates", "window", "scheduler", "folder", "kind", "upscaler", "control_end"}
"""Fields of a stage that say who makes its clip and how. They enter a result's key, if at all, by what they lead to."""

Compute = Literal["float32", "bfloat16", "float16"]
Attention = Literal["auto", "flash", "efficient", "cudnn"]
Chosen = Literal["auto", "on", "off"]
NoisePriorKind = Literal["none", "mean_shift", "mixed", "frame_init"]
VFIKind = Literal["fused", "edsc", "flow", "minterpolate", "linear", "nearest", "script", "off"]
V2VKind = Literal["diffusion", "realesrgan", "bicubic"]
"""What enlarges the keyframes: our diffusion stage, a pretrained upscaler frame by frame, or interpolation."""
Upscaler = Literal["video-x2", "video-x4", "photo-x4", "drawing-x4"]
"""Real-ESRGAN's networks (`stages/realesrgan.py`)."""
Source = Literal["model", "world"]
"""Who makes a stage's clip: its networks, or the pocket world's exact renderer in their place (an oracle)."""
PictureSource = Literal["model", "world", "files"]
"""Likewise for the reference picture, which may also be taken from a folder of pictures (`T2IConfig.folder`)."""
Device = Literal["cpu", "cuda"]
Scheduler = Literal["preset", "ddim", "euler", "dpm++"]
"""The sampler of a stage of public weights; `preset` is the one that the preset names."""
Fault = Literal["none", "missing_piece", "extra_part", "colour_patch", "blur"]
"""Structure errors that can be planted into the world's reference picture."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _window(value: int) -> int:
    if value == 0 or 2 <= value <= MOST_AT_ONCE:
        return value
    raise ValueError(
        f"a window holds 2 to {MOST_AT_ONCE} frames ({TRAINED_FRAMES} is what training saw); 0 takes all frames at once"
    )


Window = Annotated[int, AfterValidator(_window)]
ControlEnd = Annotated[float, Field(gt=0, le=1)] | None
"""Share of the steps in which a preset's ControlNet runs, from the first; None leaves it to the preset."""


def frames_at_once(frames: int, window: int) -> int:
    """Frames denoised together in a clip of `frames`, half of them shared with the next window.

    Window 0 means all of them, and in a clip of more than `MOST_AT_ONCE` frames windows of `TRAINED_FRAMES`.
    """
    return min(frames, window or (frames if frames <= MOST_AT_ONCE else TRAINED_FRAMES))


def later_field(default: Any, **limits: Any) -> Any:
    """A field that came after pocket's results were first kept: at its default it stays out of what is written, so that
    records and the names made from them are as they were."""
    return Field(default=default, exclude_if=lambda value: value == default, **limits)


class NoisePrior(Frozen):
    """Latent noise prior of I2V and how strongly it pulls (`noise_prior.py` has the formulas)."""

    kind: NoisePriorKind = "mean_shift"
    strength: float = Field(default=1.0, ge=0, le=100)


class Mechanisms(Frozen):
    """The paper's mechanisms. `v2v=False` upscales by bicubic; `vfi="off"` ends with the keyframes."""

    noise_prior: NoisePrior = NoisePrior()
    appearance_encoder: bool = True
    controlnet: bool = True
    joint_training: bool = True
    v2v: bool = True
    v2v_reference: bool = True
    vfi: VFIKind = "fused"

    def without(self, name: str) -> Self:
        """The same mechanisms with one switched off.

        Without `vfi` the video ends with the keyframes; set `vfi=linear` for blending at the same frame rate.
        """
        off: dict[str, Any] = {"noise_prior": NoisePrior(kind="none"), "vfi": "off"}
        if name not in SWITCHES:
            raise unknown_name("switch", name, SWITCHES)
        return self.model_copy(update={name: off.get(name, False)})


SWITCHES = tuple(Mechanisms.model_fields)


class T2IConfig(Frozen):
    """Text -> reference image. `size` in pixels, square. A `fault` needs the world's picture: `source="world"`.

    `source="files"` takes the picture from `folder`, where its name is the prompt, or the prompt's words with dashes.
    `candidates`: pictures drawn at most, until the verifier believes that one shows the prompt (the pocket preset's, of
    128 pixels).
    """

    size: int = Field(default=128, ge=16, le=2048, multiple_of=8)
    steps: int = Field(default=6, ge=1, le=1000)
    guidance: float = Field(default=3.0, ge=0, le=50)
    candidates: int = Field(default=4, ge=1, le=64)
    source: PictureSource = "model"
    fault: Fault = "none"
    scheduler: Scheduler = later_field("preset")
    folder: str = later_field("")

    @property
    def verified(self) -> bool:
        """Whether the verifier looks at the picture."""
        return self.candidates > 1 and self.size == VERIFIED_SIZE


class I2VConfig(Frozen):
    """Reference image -> keyframes. `fps` is the keyframes' rate; `window` as in `frames_at_once`."""

    size: int = Field(default=64, ge=16, le=2048, multiple_of=8)
    frames: int = Field(default=TRAINED_FRAMES, ge=2, le=MOST_KEYFRAMES)
    window: Window = 0
    fps: float = Field(default=8.0, gt=0, le=240)
    steps: int = Field(default=6, ge=1, le=1000)
    guidance: float = Field(default=2.0, ge=0, le=50)
    source: Source = "model"
    scheduler: Scheduler = later_field("preset")
    control_end: ControlEnd = later_field(None)


class V2VConfig(Frozen):
    """Keyframes -> larger keyframes. `strength` in (0,1]: the share of the noise schedule that is redone.

    Of another `kind` than diffusion only `size` counts, and `upscaler` of Real-ESRGAN.
    """

    size: int = Field(default=128, ge=16, le=2048, multiple_of=8)
    window: Window = 0
    steps: int = Field(default=3, ge=1, le=1000)
    guidance: float = Field(default=1.0, ge=0, le=50)
    strength: float = Field(default=0.35, gt=0, le=1)
    source: Source = "model"
    kind: V2VKind = later_field("diffusion")
    upscaler: Upscaler = later_field("video-x2")
    scheduler: Scheduler = later_field("preset")
    control_end: ControlEnd = later_field(None)


class VFIConfig(Frozen):
    """Keyframes -> `factor` times the frame rate: n frames become factor*(n-1)+1.

    With `vfi=script` they are made by the TorchScript file `checkpoint`, whose sha256 is `sha256`
    (`stages/vfi_script.py`).
    """

    factor: int = Field(default=3, ge=1, le=16)
    checkpoint: str = later_field("")
    sha256: str = later_field("", pattern=r"^([0-9a-f]{64})?$")


class MemoryConfig(Frozen):
    """How stages of public weights keep within a GPU's memory. `auto` and 0 leave it to what is free (`fitting.py`).

    offload: networks wait in the machine's memory until they are needed. The same bytes.
    feed_forward_parts: feed-forward layers take their input in parts. The same but for rounding.
    decode_at_once: frames that the VAE takes together, in the place of the preset's number.
    tile: the VAE works on tiles of its training size. Nearly the same; never chosen unasked.
    attention: torch's kernel; all need memory by the length, not by its square. `auto` takes the first that can.
    """

    offload: Chosen = "auto"
    feed_forward_parts: Chosen = "auto"
    decode_at_once: int = Field(default=0, ge=0, le=MOST_KEYFRAMES)
    tile: bool = False
    attention: Attention = "auto"
