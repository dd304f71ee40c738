"""What a run is made of: the mechanisms (each a switch) and the numbers of each stage, frozen and typed.

A misspelt name is an error that suggests the right one. `without("controlnet")` switches a mechanism off;
`with_setting("i2v.steps", "12")` changes any field by its dotted name. `PipelineConfig.of("paper-sd15")` has a preset's
own defaults. Does not know models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from magicvideo import presets
from magicvideo.errors import InputError, unknown_name
from magicvideo.settings import describe, moved, plain

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


class _Frozen(BaseModel):
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


def _field(default: Any, **limits: Any) -> Any:
    """A field that came after pocket's results were first kept: at its default it stays out of what is written, so that
    records and the names made from them are as they were."""
    return Field(default=default, exclude_if=lambda value: value == default, **limits)


class NoisePrior(_Frozen):
    """Latent noise prior of I2V and how strongly it pulls (`noise_prior.py` has the formulas)."""

    kind: NoisePriorKind = "mean_shift"
    strength: float = Field(default=1.0, ge=0, le=100)


class Mechanisms(_Frozen):
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


class T2IConfig(_Frozen):
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
    scheduler: Scheduler = _field("preset")
    folder: str = _field("")

    @property
    def verified(self) -> bool:
        """Whether the verifier looks at the picture."""
        return self.candidates > 1 and self.size == VERIFIED_SIZE


class I2VConfig(_Frozen):
    """Reference image -> keyframes. `fps` is the keyframes' rate; `window` as in `frames_at_once`."""

    size: int = Field(default=64, ge=16, le=2048, multiple_of=8)
    frames: int = Field(default=TRAINED_FRAMES, ge=2, le=MOST_KEYFRAMES)
    window: Window = 0
    fps: float = Field(default=8.0, gt=0, le=240)
    steps: int = Field(default=6, ge=1, le=1000)
    guidance: float = Field(default=2.0, ge=0, le=50)
    source: Source = "model"
    scheduler: Scheduler = _field("preset")
    control_end: ControlEnd = _field(None)


class V2VConfig(_Frozen):
    """Keyframes -> larger keyframes. `strength` in (0,1]: the share of the noise schedule that is redone.

    Of another `kind` than diffusion only `size` counts, and `upscaler` of Real-ESRGAN.
    """

    size: int = Field(default=128, ge=16, le=2048, multiple_of=8)
    window: Window = 0
    steps: int = Field(default=3, ge=1, le=1000)
    guidance: float = Field(default=1.0, ge=0, le=50)
    strength: float = Field(default=0.35, gt=0, le=1)
    source: Source = "model"
    kind: V2VKind = _field("diffusion")
    upscaler: Upscaler = _field("video-x2")
    scheduler: Scheduler = _field("preset")
    control_end: ControlEnd = _field(None)


class VFIConfig(_Frozen):
    """Keyframes -> `factor` times the frame rate: n frames become factor*(n-1)+1.

    With `vfi=script` they are made by the TorchScript file `checkpoint`, whose sha256 is `sha256`
    (`stages/vfi_script.py`).
    """

    factor: int = Field(default=3, ge=1, le=16)
    checkpoint: str = _field("")
    sha256: str = _field("", pattern=r"^([0-9a-f]{64})?$")


class MemoryConfig(_Frozen):
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


class PipelineConfig(_Frozen):
    """Everything a pipeline depends on, besides weights, prompt and seed.

    `compute` is the arithmetic of the diffusion stages' networks. bfloat16 is faster where the processor multiplies it
    faster, and gives other bytes; accumulations and the sampler stay in float32. float16 needs a GPU, and presets of
    public weights. `preset` names the weights, or is a
    path to a preset's file (`magicvideo.presets`); pocket runs on the CPU alone.
    """

    preset: Annotated[str, AfterValidator(presets.exists)] = presets.POCKET
    compute: Compute = "float32"
    device: Device = _field("cpu")
    memory: MemoryConfig = _field(MemoryConfig())
    mechanisms: Mechanisms = Mechanisms()
    t2i: T2IConfig = T2IConfig()
    i2v: I2VConfig = I2VConfig()
    v2v: V2VConfig = V2VConfig()
    vfi: VFIConfig = VFIConfig()

    @classmethod
    def of(cls, preset: str) -> Self:
        """A preset's own defaults. Raises `InputError` for an unknown preset, or one whose defaults do not hold."""
        if preset == presets.POCKET:
            return cls()
        found = presets.read(preset)
        t2i = {"candidates": 1, **found.defaults.get("t2i", {})}
        return cls.parse({**found.defaults, "t2i": t2i, "preset": preset}, where=f"defaults of the preset {preset}")

    @property
    def public(self) -> presets.Preset | None:
        """The preset of public weights, or None for pocket."""
        return None if self.preset == presets.POCKET else presets.read(self.preset)

    def stage(self, name: Literal["t2i", "i2v", "v2v"]) -> presets.Stage:
        """The preset's stage, with what this configuration asks for in place of its own numbers."""
        assert self.public is not None
        made, own = self.public.stages[name], dict[str, Any]()
        if end := getattr(getattr(self, name), "control_end", None):
            own["control_end"] = end
        if self.memory.decode_at_once:
            own["decode_at_once"] = self.memory.decode_at_once
        return made.model_copy(update=own)

    def without(self, switch: str) -> Self:
        """The same configuration with one mechanism off; an `InputError` for one that is unknown, or that it lacks."""
        changed = self.model_copy(update={"mechanisms": self.mechanisms.without(switch)})
        if self.public is not None and switch in self.public.lacks:
            raise InputError(_lacks(self.public, switch))
        return changed

    def with_setting(self, key: str, value: Any) -> Self:
        """The same configuration with one field changed, e.g. `("noise_prior.strength", "2")`.

        Switches may be named with or without `mechanisms.` in front. Text is read as the field's type. Another `preset`
        brings its own defaults; what was set before stays set.
        """
        parts = key.split(".")
        names_a_stage = parts[0] in type(self).model_fields and len(parts) > 1
        if parts[0] in SWITCHES and not names_a_stage:
            parts.insert(0, "mechanisms")
        changed = plain(self)
        here = changed
        for depth, part in enumerate(parts):
            if not isinstance(here, dict) or part not in here:
                known = list(here) if isinstance(here, dict) else []
                if depth == 0:
                    known += SWITCHES
                raise unknown_name("setting", part, known, where=f"{key!r}")
            if depth == len(parts) - 1:
                here[part] = value
            here = here[part]
        where = f"setting {key}={value}"
        if key == "preset":
            try:
                other = type(self).of(str(value))
            except InputError as error:
                raise InputError(f"{where}: preset: {error} (got {value!r})") from None
            changed = moved(plain(type(self).of(self.preset)), changed, plain(other))
        return type(self).parse(changed, where=where)

    def check(self) -> None:
        """Refuse settings that contradict each other (an `InputError`). Called before any work, not at each change."""
        if self.t2i.fault != "none" and self.t2i.source != "world":
            raise InputError(
                f"t2i.fault={self.t2i.fault} needs t2i.source=world: only there is known where the shape lies"
            )
        if self.v2v.kind != "diffusion" and self.v2v.source == "world" and self.mechanisms.v2v:
            raise InputError(
                f"v2v.kind={self.v2v.kind} enlarges keyframes, v2v.source=world renders them anew: choose one"
            )
        if self.t2i.source == "files" and not self.t2i.folder:
            raise InputError("t2i.source=files needs t2i.folder=FOLDER: the folder of pictures named by their prompts")
        if self.mechanisms.vfi == "script" and not (self.vfi.checkpoint and self.vfi.sha256):
            raise InputError(
                "vfi=script needs vfi.checkpoint=FILE, a TorchScript, and vfi.sha256=HASH, the file's sha256"
            )
        if self.public is not None:
            self._check_public(self.public)
        else:
            self._check_pocket()
        if self.compute == "float16" and self.device == "cpu":
            raise InputError("compute=float16 is arithmetic of GPUs (device=cuda): on a CPU take bfloat16 or float32")
        if self.memory.attention in ("efficient", "cudnn") and self.device == "cpu":
            raise InputError(
                f"memory.attention={self.memory.attention} is a kernel of GPUs: on a CPU take auto or flash"
            )

    def _check_pocket(self) -> None:
        """What only presets of public weights have is refused."""
        if self.device != "cpu":
            raise InputError("device=cuda: the preset pocket runs on the CPU alone; presets of public weights do not")
        if named := next((s for s in ("t2i", "i2v", "v2v") if getattr(self, s).scheduler != "preset"), None):
            raise InputError(f"{named}.scheduler: the preset pocket has one sampler of its own; leave it at preset")
        if named := next((s for s in ("i2v", "v2v") if getattr(self, s).control_end is not None), None):
            raise InputError(f"{named}.control_end: the preset pocket's ControlNet runs once a clip, not once a step")
        if self.memory != MemoryConfig():
            raise InputError("memory: the preset pocket fits every machine; these settings are for public weights")

    def _check_public(self, preset: presets.Preset) -> None:
        """What the preset does not have is refused with its reason."""
        own = type(self).of(self.preset)
        if self.t2i.candidates > 1:
            raise InputError(
                f"t2i.candidates={self.t2i.candidates}: the verifier that chooses among pictures knows "
                "those of the preset pocket alone; leave it at 1"
            )
        for switch in preset.lacks:
            if getattr(self.mechanisms, switch) != getattr(own.mechanisms, switch):
                raise InputError(_lacks(preset, switch))
        if self.t2i.source == "model" and "t2i" not in preset.stages:
            raise InputError(f"the preset {preset.name} has no T2I model: its pictures come from t2i.source=files")
        for name, stage in preset.stages.items():
            asked = getattr(self, name).scheduler
            if asked != "preset" and asked not in stage.schedulers:
                raise unknown_name("scheduler", asked, stage.schedulers, where=f"{name} of the preset {preset.name}")
        if self.i2v.source == "model":
            refuse_too_many(preset, "i2v", self.i2v.frames, self.i2v.window)

    @classmethod
    def parse(cls, data: dict[str, Any], where: str = "configuration") -> Self:
        """Validate plain data; every problem becomes one line of an `InputError` that names its field."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(describe(error, where)) from None


def refuse_too_many(preset: presets.Preset, stage: Literal["i2v", "v2v"], frames: int, window: int) -> None:
    """An `InputError` where a stage's networks would see more frames at once than they can tell apart."""
    most = preset.most_frames(stage)
    if most is None or min(frames, window or frames) <= most:
        return
    what = f"{stage}.window={window}" if window else f"{frames} frames"
    windows = preset.stages[stage].kind == "animatediff"
    remedy = f"set {stage}.window={most // 2}: windows of that many frames then slide over the clip" if windows else ""
    raise InputError(
        f"{what}: {preset.name}'s networks tell apart {most} frames at once; ask for at most {most}"
        + (f", or {remedy}" if remedy else "")
    )


def _lacks(preset: presets.Preset, switch: str) -> str:
    return f"the preset {preset.name} has no switch {switch}: {preset.lacks[switch]}"
