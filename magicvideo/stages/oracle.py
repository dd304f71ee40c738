"""The world in the place of a model: stages that render `scene_for(prompt, seed)` exactly. NumPy only."""

from __future__ import annotations

from magicvideo.clip import VideoClip, from_floats
from magicvideo.stage_config import I2VConfig, T2IConfig, V2VConfig
from magicvideo.world import faulty_picture, render_clip, scene_for


def true_picture(config: T2IConfig, prompt: str, seed: int) -> VideoClip:
    """The scene at t = 0 as a clip with T = 1, with the fault that `config` asks for."""
    return from_floats(faulty_picture(prompt, seed, config.fault, config.size), 1.0)


def true_keyframes(config: I2VConfig | V2VConfig, timing: I2VConfig, prompt: str, seed: int) -> VideoClip:
    """The scene at `timing.frames` times from 0 to 1, evenly, at `config`'s size."""
    return render_clip(scene_for(prompt, seed), timing.frames, config.size, timing.fps)
