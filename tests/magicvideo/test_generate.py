"""`magicvideo generate` through the real command, with real untrained networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from magicvideo.cli import main
from magicvideo.clip import VideoClip, read_clip, write_lossless
from magicvideo.config import PipelineConfig
from magicvideo.errors import InputError
from magicvideo.generate import configuration, slug
from magicvideo.runs import Store, content_key
from magicvideo.stage_config import STAGES, SWITCHES

MakeClip = Callable[..., VideoClip]
Generate = Callable[..., dict[str, Any]]
PROMPT = "a red star bouncing on a striped background"
SMALL = [
    word
    for setting in (
        "t2i.size=32",
        "t2i.steps=1",
        "i2v.size=32",
        "i2v.frames=3",
        "i2v.steps=1",
        "v2v.size=32",
        "v2v.steps=1",
    )
    for word in ("--set", setting)
]

pytestmark = pytest.mark.usefixtures("untrained_weights")


@pytest.fixture
def generate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Generate:
    """`generate(words..., out=)`: the command with small settings; what `--json` printed, and `said` on stderr."""

    def call(*words: str, out: Path | None = None) -> dict[str, Any]:
        assert main(["generate", *words, *SMALL, "--json", "--out", str(out or tmp_path / "out")]) == 0
        caught = capsys.readouterr()
        assert caught.out.count("\n") == 1
        return {**json.loads(caught.out), "said": caught.err}

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`refused(words...)`: the message of a call that must end with 2 and print nothing on standard output."""

    def call(*words: str) -> str:
        assert main(["generate", *words, "--json"]) == 2
        caught = capsys.readouterr()
        assert caught.out == ""
        return caught.err

    return call


def test_one_prompt_gives_video_lossless_clip_and_stages(generate: Generate) -> None:
    made = generate(PROMPT, "--seed", "7")
    (item,) = made["items"]
    assert (item["prompt"], item["seed"]) == (PROMPT, 7)
    assert list(item["stages"]) == list(STAGES)
    assert set(item) == {"prompt", "seed", "video", "clip", "digest", "stages"}
    lossless = read_clip(Path(item["clip"]))
    assert lossless.digest == item["digest"] == item["stages"]["vfi"]["digest"]
    assert (len(lossless), lossless.fps) == (7, 24)
    for name, stage in item["stages"].items():
        assert stage["seconds"] >= 0
        assert Path(stage["file"]).name == f"{name}{'.png' if name == 't2i' else '.mp4'}"
        assert len(read_clip(Path(stage["file"]))) == {"t2i": 1, "i2v": 3, "v2v": 3, "vfi": 7}[name]
    with av.open(item["video"]) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert len(list(video.decode(stream))) == 7
    shown = read_clip(Path(item["video"]))
    assert np.abs(shown.floats()[:, :, 8::16, 8::16] - lossless.floats()).mean() < 0.1
    assert "unknown" not in made["said"]
    assert "warning" not in made["said"]


def test_the_record_tells_what_was_made_and_from_what(generate: Generate) -> None:
    (item,) = generate(PROMPT)["items"]
    record = json.loads((Path(item["clip"]).parent / "record.json").read_text())
    assert {k: record[k] for k in item} == item
    assert PipelineConfig.parse(record["config"]) == configuration("", SMALL[1::2])
    assert record["made"]["packages"]["torch"]


def test_the_same_call_gives_the_same_bytes(generate: Generate, tmp_path: Path) -> None:
    one, two = (generate(PROMPT, "--seed", "7", out=tmp_path / n)["items"][0] for n in ("one", "two"))
    for key in ("video", "clip"):
        assert Path(one[key]).read_bytes() == Path(two[key]).read_bytes()
    for stage in STAGES:
        files = [Path(item["stages"][stage]["file"]) for item in (one, two)]
        assert files[0].read_bytes() == files[1].read_bytes()
    other = generate(PROMPT, "--seed", "8", out=tmp_path / "one")["items"][0]
    assert Path(other["video"]).read_bytes() != Path(one["video"]).read_bytes()
    assert Path(one["clip"]).parent != Path(other["clip"]).parent


def test_without_changes_what_lies_behind_and_lies_beside(generate: Generate) -> None:
    full, less = (generate(PROMPT, *words)["items"][0] for words in ((), ("--without", "v2v_reference, vfi")))
    same = [s for s in STAGES if full["stages"][s]["digest"] == less["stages"][s]["digest"]]
    assert same == ["t2i", "i2v"]
    assert Path(full["clip"]).parent != Path(less["clip"]).parent
    assert len(read_clip(Path(full["clip"]))) == 7
    assert len(read_clip(Path(less["clip"]))) == 3


def test_several_prompts_from_words_and_a_file(generate: Generate, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    rows = [
        {"prompt": "a blue ring"},
        {"id": "P 1", "prompt": "a teal moon"},
        {"file": "x.mp4", "prompt": "a pink star"},
    ]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    made = generate(PROMPT, "--prompts", str(file), "--until", "t2i")
    assert [i["prompt"] for i in made["items"]] == [PROMPT, "a blue ring", "a teal moon", "a pink star"]
    names = [Path(i["clip"]).parent.name.split("-seed0")[0] for i in made["items"]]
    assert names == [slug(PROMPT), "a-blue-ring", "p-1", "x"]
    text = tmp_path / "prompts.txt"
    text.write_text("a red star\n\na blue ring\n")
    assert [i["prompt"] for i in generate("--prompts", str(text), "--until", "t2i")["items"]] == [
        "a red star",
        "a blue ring",
    ]


def test_until_ends_with_that_stage(generate: Generate) -> None:
    (picture,) = generate(PROMPT, "--until", "t2i")["items"]
    assert list(picture["stages"]) == ["t2i"]
    assert picture["video"].endswith("t2i.png")
    assert not (Path(picture["clip"]).parent / "video.mp4").exists()
    (clip,) = generate(PROMPT, "--until", "i2v")["items"]
    assert len(read_clip(Path(clip["video"]))) == 3
    assert Path(clip["clip"]).parent != Path(picture["clip"]).parent


def test_an_own_picture_and_an_own_clip(generate: Generate, tmp_path: Path, noise_clip: MakeClip) -> None:
    Image.fromarray(noise_clip(1, 30, 50).frames[0].transpose(1, 2, 0)).save(tmp_path / "photo.jpg", quality=95)
    (item,) = generate(PROMPT, "--from", str(tmp_path / "photo.jpg"))["items"]
    assert list(item["stages"]) == ["i2v", "v2v", "vfi"]
    write_lossless(tmp_path / "own.mkv", noise_clip(4, 30, 50, fps=10))
    (item,) = generate("--from", str(tmp_path / "own.mkv"))["items"]
    assert list(item["stages"]) == ["v2v", "vfi"]
    assert item["prompt"] == ""
    assert read_clip(Path(item["clip"])).fps == 30


def test_words_outside_the_vocabulary_are_warned_of_and_drawn(generate: Generate) -> None:
    made = generate("a red dragon in Paris", "--until", "t2i")
    assert len(made["items"]) == 1
    assert "warning: 'a red dragon in Paris': the pocket model does not know 'dragon', 'paris'" in made["said"]
    assert "found no shape, no background, no motion" in made["said"]
    assert "It knows shapes: circle, square" in made["said"]


def test_finished_work_is_found_again(generate: Generate, tmp_path: Path) -> None:
    first = generate(PROMPT)["items"][0]
    records = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "store" / "stages").rglob("*.json")}
    again = generate(PROMPT)["items"][0]
    assert again == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "store" / "stages").rglob("*.json")} == records
    assert len(records) == 4


# ---- bad input


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--without", "contrlnet"], "unknown switch 'contrlnet': did you mean 'controlnet'"),
        (["--set", "i2v.stpes=3"], "did you mean 'steps'"),
        (["--set", "i2v.steps"], "--set i2v.steps: write KEY=VALUE"),
        (["--set", "i2v.frames=257"], "less than or equal to 256 (got '257')"),
        (["--from", "/nowhere.png"], "no such file: /nowhere.png"),
        (["--prompts", "/nowhere.txt"], "no such prompt file: /nowhere.txt"),
        ([" "], "empty prompt"),
        ([PROMPT], "two prompts would both be written to a-red-star-bouncing-on-a-striped-background"),
    ],
)
def test_bad_words_are_answered(words: list[str], says: str, refused: Callable[..., str]) -> None:
    assert says in refused(PROMPT, *words)


def test_no_prompt_is_answered(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "no prompt: give one, e.g. magicvideo generate" in refused()
    (tmp_path / "empty.txt").write_text("\n \n")
    assert "holds no prompts" in refused("--prompts", str(tmp_path / "empty.txt"))
    (tmp_path / "same.jsonl").write_text('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n')
    assert "lines 1 and 2 share the id 'a'" in refused("--prompts", str(tmp_path / "same.jsonl"))


def test_unreadable_material_is_answered(refused: Callable[..., str], tmp_path: Path, noise_clip: MakeClip) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    assert "broken.mp4: cannot be decoded" in refused(PROMPT, "--from", str(tmp_path / "broken.mp4"))
    write_lossless(tmp_path / "long.mkv", noise_clip(257, 8, 8))
    words = ["--from", str(tmp_path / "long.mkv"), "--out", str(tmp_path / "out")]
    assert "the clip has 257 frames" in refused(PROMPT, *words)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_answered(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write" in refused(PROMPT, *SMALL, "--until", "t2i", "--out", str(tmp_path / "file" / "out"))


def test_a_full_disk_is_answered_and_the_same_call_goes_on(
    refused: Callable[..., str], generate: Generate, tmp_path: Path, full_disk: Callable[[int], Any]
) -> None:
    out = tmp_path / "out"
    with full_disk(300):
        assert "File too large. Free space or choose another --out folder" in refused(PROMPT, *SMALL, "--out", str(out))
    assert not list(out.rglob("record.json"))
    assert not list(out.rglob(".partial-*"))
    (item,) = generate(PROMPT, out=out)["items"]
    assert Store(out / "store").clip(item["digest"]).digest == item["digest"]


def test_missing_weights_are_answered(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICVIDEO_WEIGHTS", str(tmp_path / "none"))
    assert "no weights in" in refused(PROMPT, "--out", str(tmp_path / "out"))


# ---- names and settings


def test_configuration_reads_switches_and_settings() -> None:
    made = configuration(" controlnet,vfi ,", ["noise_prior.strength = 2", "i2v.steps=3"])
    expected = PipelineConfig().without("controlnet").without("vfi")
    assert made == expected.with_setting("noise_prior.strength", 2).with_setting("i2v.steps", 3)
    assert configuration("", []) == PipelineConfig()
    assert configuration(",".join(SWITCHES), []).mechanisms.vfi == "off"
    with pytest.raises(InputError, match="unknown switch"):
        configuration("v2v;vfi", [])


def test_names_of_folders() -> None:
    assert slug("A red star, bouncing!") == "a-red-star-bouncing"
    assert slug("../../etc/passwd") == "etc-passwd"
    assert slug("红色") == f"prompt-{content_key('红色')[:6]}"
    assert slug("红色") != slug("蓝色")
    long = "star " * 50
    assert slug(long + "a") != slug(long + "b")
    assert len(slug(long)) < 80
