"""The shipped weights keep what their figures promise, on a small held-out sample of their own."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from evals.backbones import load
from evals.backbones.reader import ATTRIBUTES
from evals.distances import frechet_rows
from evals.train.degrade import damage, quality, spoil
from magicvideo import weights
from magicvideo.clip import VideoClip, from_floats
from magicvideo.world import COLOURS, SHAPES, Scene, caption, render_clip, sample_scene


def held_out(count: int) -> list[Scene]:
    rng = np.random.default_rng(424_242)
    return [sample_scene(rng, "held_out") for _ in range(count)]


def test_the_reader_reads_held_out_clips() -> None:
    scenes = held_out(64)
    reader = load("pocket-reader")
    for frames, size in ((8, 64), (22, 128)):
        read = reader.observe([render_clip(s, frames, size) for s in scenes])
        for name, known in ATTRIBUTES.items():
            right = [known[int(r[name].argmax())] == getattr(s, name) for r, s in zip(read, scenes, strict=True)]
            assert np.mean(right) >= 0.92, (name, frames)


def test_the_readers_figures_are_those_asked_for() -> None:
    figures = load("pocket-reader").figures
    assert set(figures) == set(ATTRIBUTES)
    assert min(figures.values()) >= 0.97


def test_a_caption_lies_nearer_its_own_frame_than_one_with_another_shape_or_colour() -> None:
    scenes = held_out(64)
    clip = load("pocket-clip")
    image = np.stack([a["image"][0] for a in clip.observe([render_clip(s, 1, 64) for s in scenes])])
    own = clip.text([caption(s) for s in scenes])
    for names, field in ((SHAPES, "shape"), (COLOURS, "colour")):
        wrong_names = [names[(names.index(getattr(s, field)) + 3) % 8] for s in scenes]
        texts = [caption(s).replace(getattr(s, field), w) for s, w in zip(scenes, wrong_names, strict=True)]
        assert ((image * own).sum(1) > (image * clip.text(texts)).sum(1)).mean() >= 0.9, field


def test_quality_follows_planted_damage() -> None:
    rng = np.random.default_rng(7)
    severities = [{"blur": s} if i % 2 else {"noise": s} for i, s in enumerate(np.linspace(0, 1, 40))]
    frames = [
        spoil(render_clip(s, 1, 64).floats(), d, rng)
        for s, d in zip(held_out(len(severities)), severities, strict=True)
    ]
    seen = load("pocket-clip").observe([from_floats(f, 8.0) for f in frames])
    truth = [quality(d) for d in severities]
    assert spearmanr([a["aesthetic"][0] for a in seen], truth).statistic > 0.7


def test_the_video_encoder_sees_damage_but_not_flicker() -> None:
    rng = np.random.default_rng(8)
    scenes = [s for s in held_out(80) if s.motion != "still"][:48]
    whole = [render_clip(s, 16, 64) for s in scenes]
    encoder = load("pocket-video")

    def distance(clips: list[VideoClip]) -> float:
        rows = np.stack([a["embedding"] for a in encoder.observe(clips)])
        return frechet_rows(rows, encoder.reference_mean, encoder.reference_cov)

    clean = distance(whole)
    for kind in ("shuffle", "blur", "noise"):
        assert distance([from_floats(damage(c.floats(), kind, 0.9, rng), 8.0) for c in whole]) > clean * 1.2, kind


def test_weights_are_small() -> None:
    limits = {"reader": 2.5e6, "clip": 6e6, "video": 2.5e6}
    assert all(weights.entry(part)["bytes"] <= limit for part, limit in limits.items())
