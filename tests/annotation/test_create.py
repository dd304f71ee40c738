"""A study is made of real videos, alike in everything but the picture, and stays what it was frozen as."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from annotation.create import Wish, collect, create, shared
from annotation.design import Settings
from annotation.media import EPOCH, Format, Shape, alike, common, degrade, frame_count
from annotation.study import MEDIA, read_study
from magicvideo.clip import VideoClip, read_clip, write_lossless
from magicvideo.errors import InputError
from magicvideo.files import write_json, write_jsonl
from magicvideo.runs import Store

SMALL = Settings(raters=1, block=4, gold_pool=1)


def clip(seed: int, frames: int = 8, height: int = 24, width: int = 32, fps: float = 8) -> VideoClip:
    """A smooth picture that drifts, so that rates and cuts can be told from it."""
    rows, columns = np.mgrid[0:height, 0:width]
    moving = [(rows * 3 + columns * 5 + t * 12 + seed * 40) % 256 for t in range(frames)]
    return VideoClip(np.stack([np.stack([f, 255 - f, f // 2]) for f in moving]).astype(np.uint8), fps)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems of unlike size, rate and length, three prompts; a secret-sounding name for each."""
    root = tmp_path_factory.mktemp("videos")
    for n in range(3):
        write_lossless(root / "SystemAlpha" / f"p{n}.mkv", clip(n))
        write_lossless(root / "SystemBeta" / f"p{n}.mkv", clip(n, frames=20, height=48, width=48, fps=16))
    write_lossless(root / "SystemBeta" / "p9.mkv", clip(9))
    rows = [{"id": f"p{n}", "prompt": f"thing number {n}"} for n in (0, 1, 2, 9)]
    write_jsonl(root / "prompts.jsonl", rows)
    return root


@pytest.fixture(scope="module")
def made(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create(tmp_path_factory.mktemp("study") / "s", wish(videos))


def wish(videos: Path) -> Wish:
    systems = tuple(f"{name}={videos / name}" for name in ("SystemAlpha", "SystemBeta"))
    return Wish(systems, videos / "prompts.jsonl", design=SMALL)


def test_prompts_that_a_system_lacks_are_left_out_and_named(made: Any) -> None:
    assert made.left_out == ("p9",)
    assert [item.prompt for item in made.study.bundle.items] == [f"thing number {n}" for n in range(3)]
    assert made.cut_seconds == pytest.approx(0.25)


def test_served_videos_are_alike_and_say_nothing(made: Any) -> None:
    files = sorted((made.study.folder / MEDIA).iterdir())
    assert len(files) == 3 * 2 + 4 + 2
    facts = set()
    for file in files:
        with av.open(str(file)) as source:
            (stream,) = source.streams
            metadata = {**source.metadata, **stream.metadata}
            facts.add((stream.codec_context.name, stream.codec_context.profile, stream.width, stream.height))
            facts_of_time = (stream.average_rate, stream.frames)
            assert not set(metadata) - {
                "major_brand",
                "minor_version",
                "compatible_brands",
                "language",
                "handler_name",
                "vendor_id",
            }
            assert facts_of_time == (16, 16)
        assert file.stat().st_mtime == EPOCH
        content = file.read_bytes()
        assert b"Alpha" not in content
        assert b"Beta" not in content
    assert len(facts) == 1
    assert facts == {("h264", next(iter(facts))[1], 480, 480)}


def test_the_bundle_is_its_name(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.study.folder, folder)
    assert read_study(folder).id == made.study.id == made.study.bundle.id
    assert read_study(folder).check_media() == []
    text = (folder / "study.json").read_text()
    (folder / "study.json").write_text(text.replace("thing number 1", "thing number 7"))
    with pytest.raises(InputError, match="changed after it was frozen"):
        read_study(folder)
    (folder / "study.json").write_text(text)
    (folder / "secret.key").unlink()
    with pytest.raises(InputError, match=r"secret\.key"):
        read_study(folder)


def test_a_changed_video_is_noticed(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.study.folder, folder)
    name = read_study(folder).media_name("main", "SystemAlpha", "p0")
    (folder / MEDIA / name).write_bytes(b"something else")
    assert read_study(folder).check_media() == [name]


def test_the_key_is_its_owners_and_the_folder_is_used_once(made: Any, videos: Path) -> None:
    assert (made.study.folder / "secret.key").stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="holds a study already"):
        create(made.study.folder, wish(videos))


def test_the_same_sources_make_the_same_study_under_other_names(made: Any, videos: Path, tmp_path: Path) -> None:
    again = create(tmp_path / "again", wish(videos)).study
    assert again.id == made.study.id
    assert not {f.name for f in (again.folder / MEDIA).iterdir()} & {
        f.name for f in (made.study.folder / MEDIA).iterdir()
    }


def test_the_example_shows_a_degraded_copy(made: Any) -> None:
    (example,) = made.study.examples()
    left, right = (read_clip(made.study.media_path(m.name)).floats() for m in (example.left, example.right))
    truth = read_clip(made.study.media_path(made.study.media_name("main", "SystemAlpha", "p0"))).floats()
    assert example.answer == "right"
    assert np.abs(right - truth).mean() < 0.01 < np.abs(left - truth).mean()


def test_an_identical_pair_is_the_same_picture_under_two_names(made: Any) -> None:
    _, key, system = next(g for g in made.study.bundle.golds if g[0] == "identical")
    names = [made.study.media_name(use, system, key) for use in ("original", "copy")]
    assert names[0] != names[1]
    first, second = (made.study.media_path(name).read_bytes() for name in names)
    assert first == second


def test_arms_of_an_ablation_run_are_systems(tmp_path: Path) -> None:
    run, store = tmp_path / "run", Store(tmp_path / "run" / "store")
    rows = []
    for arm, shift in (("full", 0), ("no prior", 50)):
        for n in range(2):
            for seed in (0, 1):
                digest = store.put_clip(clip(n + shift + seed))
                rows.append({"arm": arm, "prompt_id": f"p{n}", "prompt": f"thing {n}", "seed": seed, "clip": digest})
    write_jsonl(run / "items.jsonl", rows)
    write_json(run / "run.json", {"kind": "ablation", "base": "full", "arms": [{"name": "full"}, {"name": "no prior"}]})
    both = collect([str(run)], None)
    assert list(both) == ["full", "no prior"]
    assert all(list(of) == ["p0", "p1", "p0 #2", "p1 #2"] for of in both.values())
    assert list(collect([f"a={run}", f"b={run}:no prior"], None)) == ["a", "b"]
    with pytest.raises(InputError, match="did you mean 'no prior'"):
        collect([f"a={run}:no prio"], None)


def test_an_evaluated_run_brings_its_prompts(videos: Path, tmp_path: Path) -> None:
    items = [
        {"item": "p0", "clip": str(videos / "SystemAlpha" / "p0.mkv"), "prompt_id": "p0", "prompt": "thing number 0"}
    ]
    write_json(tmp_path / "run" / "run.json", {"kind": "evaluation", "items": items})
    found = collect([f"a={tmp_path / 'run'}", f"b={videos / 'SystemBeta'}"], videos / "prompts.jsonl")
    assert shared(found)[0] == ["p0"]


def test_sources_that_do_not_fit_are_refused(videos: Path, tmp_path: Path) -> None:
    alpha, prompts = videos / "SystemAlpha", videos / "prompts.jsonl"
    for specs, named, words in (
        ([f"a={alpha}"], prompts, "two systems"),
        ([f"a={alpha}", f"a={alpha}"], prompts, "two systems are called"),
        ([f"a={alpha}", f"b={tmp_path / 'none'}"], prompts, "no such folder"),
        ([f"a={alpha}", f"b={alpha}"], None, "no prompt is known"),
        ([f"a={alpha}", f"b={alpha}:arm"], prompts, "no arm"),
        ([f"a\x1b[31m={alpha}", f"b={alpha}"], prompts, "none of control"),
        ([f"{'x' * 5000}={alpha}", f"b={alpha}"], prompts, "1 to 2000 characters"),
    ):
        with pytest.raises(InputError, match=words):
            collect(specs, named)


def test_a_broken_video_is_named(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(videos / "SystemBeta", folder)
    (folder / "p1.mkv").write_bytes(b"no video at all")
    with pytest.raises(InputError, match=r"p1\.mkv.*leave its prompt out"):
        create(tmp_path / "s", replace(wish(videos), systems=(f"a={videos / 'SystemAlpha'}", f"b={folder}")))
    assert not (tmp_path / "s" / "study.json").exists()


def test_strata_and_texts_are_kept_as_they_are(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "strata.csv").write_text("id,stratum\np0,still\np1,moving\n")
    odd = '<script>alert("1")</script> **x** \'; DROP TABLE votes;--'
    rows = [{"id": f"p{n}", "prompt": f"{odd} {n}"} for n in range(3)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    wanted = replace(wish(videos), strata=tmp_path / "strata.csv", prompts=tmp_path / "p.jsonl")
    bundle = create(tmp_path / "s", wanted).study.bundle
    assert [item.stratum for item in bundle.items] == ["still", "moving", ""]
    assert bundle.items[0].prompt == f"{odd} 0"


def test_clips_are_sampled_in_time_and_cropped_around_the_centre() -> None:
    source = clip(0, frames=8, height=20, width=40, fps=8)
    found = alike(source, Format(16, 20, 20), 16)
    assert (found.fps, len(found), found.size) == (16, 16, (20, 20))
    assert np.array_equal(found.frames[::2], source.frames[:, :, :, 10:30])
    assert np.array_equal(found.frames[1::2], found.frames[::2]), "each frame is held for its time"
    slower = alike(source, Format(4, 20, 40), 4)
    assert np.array_equal(slower.frames, source.frames[::2])


def test_the_common_format_keeps_everybodys_detail() -> None:
    shapes = [Shape(8, 8, 64, 64), Shape(61, 30, 128, 96)]
    wanted = common(shapes)
    assert (wanted.fps, wanted.height, wanted.width) == (30, 128, 96)
    assert wanted.shown == (512, 384)
    assert frame_count(shapes, 30) == 30, "one second is the shortest"
    assert common([Shape(8, 240, 8, 8)]).fps == 60


def test_a_degraded_copy_is_visibly_worse_and_of_the_same_size() -> None:
    source = clip(0, frames=16, height=64, width=64)
    worse = degrade(source)
    assert (worse.size, len(worse), worse.fps) == (source.size, 16, source.fps)
    assert np.abs(worse.floats() - source.floats()).mean() > 0.05
    assert np.array_equal(worse.frames[0], worse.frames[7])
