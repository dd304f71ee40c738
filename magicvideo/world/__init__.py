"""The pocket world: rendered, captioned clips with exact ground truth at any time and resolution. NumPy only."""

from magicvideo.world.asked import scene_for
from magicvideo.world.captions import VOCABULARY, Attributes, caption, known_words, read_caption, tokenize
from magicvideo.world.faults import faulty_picture
from magicvideo.world.render import Pose, pose, render, render_clip
from magicvideo.world.scene import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SHAPES,
    Scene,
    in_video_data,
    is_held_out,
    sample_scene,
    scene_with,
)

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "MOTIONS",
    "SHAPES",
    "VOCABULARY",
    "Attributes",
    "Pose",
    "Scene",
    "caption",
    "faulty_picture",
    "in_video_data",
    "is_held_out",
    "known_words",
    "pose",
    "read_caption",
    "render",
    "render_clip",
    "sample_scene",
    "scene_for",
    "scene_with",
    "tokenize",
]
