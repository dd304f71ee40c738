"""What a run is made of: the mechanisms and the numbers of each stage (`stage_config.py`), a preset, a device.

`without("controlnet")` switches a mechanism off; `with_setting("i2v.steps", "12")` changes any field by its dotted
name. `PipelineConfig.of("paper-sd15")` has a preset's own defaults. Does not know models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ValidationError

from magicvideo import presets
from magicvideo.errors import InputError, unknown_name
from magicvideo.settings import describe, moved, plain
from magicvideo.stage_config import (
    SWITCHES,
    Compute,
    Device,
    Frozen,
    I2VConfig,
    Mechanisms,
    MemoryConfig,
    T2IConfig,
    V2VConfig,
    VFIConfig,
    later_field,
)


class PipelineConfig(Frozen):
    """Everything a pipeline depends on, besides weights, prompt and seed.

    `compute` is the arithmetic of the diffusion stages' networks. bfloat16 is faster where the processor multiplies it
    faster, and gives other bytes; accumulations and the sampler stay in float32. float16 needs a GPU, and presets of
    public weights. `preset` names the weights, or is a
    path to a preset's file (`magicvideo.presets`); pocket runs on the CPU alone.
    """

    preset: Annotated[str, AfterValidator(presets.exists)] = presets.POCKET
    compute: Compute = "float32"
    device: Device = later_field("cpu")
    memory: MemoryConfig = later_field(MemoryConfig())
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
