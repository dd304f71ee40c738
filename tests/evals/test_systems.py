"""Other systems' folders: facts with sources, names to prompts, what videos become, and what a bad file costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ablations.grid import load_grid
from ablations.others import rows as arm_rows
from annotation.create import collect
from evals.layouts import find_videos
from evals.prompts import match
from evals.systems import FILE, Fact, System, find, known
from evals.systems.names import tell
from evals.systems.take_in import TakenIn, Wish, normalise, take_in
from magicvideo.cli import main
from magicvideo.clip import VideoClip, read_clip, write_preview
from magicvideo.errors import InputError
from magicvideo.files import read_jsonl
from magicvideo.prompts import read_prompts
from magicvideo.runs import Store

MARKED = (slice(40, 48), slice(56, 64))
"""Where the test's videos carry a white mark: the lower right corner."""
PROMPTS = [
    {"id": "cat", "prompt": "a cat walking over a wooden table"},
    {"id": "dog", "prompt": "A dog, running on the beach at sunset"},
    {"id": "sea", "prompt": "a cat walking over the sea"},
]


def video(colour: int = 80, frames: int = 24, fps: float = 24.0) -> VideoClip:
    """48 x 64 pixels that get lighter frame by frame, with the mark."""
    made = np.empty((frames, 3, 48, 64), np.uint8)
    made[:] = (colour + np.arange(frames))[:, None, None, None]
    made[(slice(None), slice(None), *MARKED)] = 255
    return VideoClip(made, fps)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(p) + "\n" for p in PROMPTS), encoding="utf-8")
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Gen-2's own names for two takes of one prompt and one of another."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    names = (
        "Gen-2 17, a cat walking over a, M 5",
        "Gen-2 18, a cat walking over a, M 5",
        "Gen-2 3, A dog, running on th, M 5",
    )
    for n, name in enumerate(names):
        write_preview(folder / f"{name}.mp4", video(60 + 40 * n))
    return folder


def gen2(theirs: Path, out: Path, prompts: Path | None = None, **wish: Any) -> TakenIn:
    return take_in(theirs, out, "gen-2", find("gen-2"), Wish(**wish), prompts)


# ---- facts


def test_every_fact_has_its_source_and_the_papers_systems_are_there() -> None:
    assert {"gen-2", "pika-1.0", "morph", "moonvalley", "svd-xt"} < set(known())
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))["systems"]
    facts = [f for about in raw.values() for f in about.values() if isinstance(f, dict)]
    assert all((f["value"] == "unknown") != ("source" in f) for f in facts)
    assert sum(f["value"] != "unknown" for f in facts) >= 12


@pytest.mark.parametrize("fact", [{"value": 24}, {"value": "unknown", "source": "hearsay"}])
def test_a_fact_without_source_is_refused(fact: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a value needs its source"):
        Fact[float].model_validate(fact)


def test_an_unknown_system_is_answered() -> None:
    with pytest.raises(InputError, match=r"unknown system 'gen2' in --system: did you mean 'gen-2'"):
        find("gen2")


# ---- names


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("cat.mp4", "cat"),
        ("a_cat_walking_over_a_wooden_table_seed1234.mp4", "cat"),
        ("A cat walking over a wooden table-3.mp4", "cat"),
        ("a-dog--running-on-the-beach-at-sunset.mp4", "dog"),
        ("A_dog,_running_on_the.mp4", "dog"),
        ("a_cat_walking_over_the_sea_3fa85f64-5717-4562-b3fc-2c963f66afa6.mp4", "sea"),
        ("Gen-2 9, A dog, running on th, M 5.mp4", "dog"),
        ("Gen-2 9, A dog, running on th, beachpng, M 5.mp4", "dog"),
        ("Gen-2 9, a cat walking over t, M 5.mp4", "sea"),
        ("something else entirely.mp4", None),
        ("a_cat.mp4", None),
    ],
)
def test_names_tell_prompts(name: str, prompt: str | None, prompts: Path) -> None:
    assert tell(Path(name), find("gen-2"), read_prompts(prompts)).id == prompt


def test_a_name_that_fits_two_prompts_tells_none(prompts: Path) -> None:
    told = tell(Path("a_cat_walking_over.mp4"), find("pika-1.0"), read_prompts(prompts))
    assert told.prompt is None
    assert told.why == "its name fits 2 prompts: cat / sea"


def test_a_mapping_wins_over_the_name(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("file,prompt\na_red_star.mp4,a blue ring\n")
    assert tell(Path("a_red_star.mp4"), find("other"), read_prompts(path)).prompt == "a blue ring"


def test_numbers_count_a_plain_list(tmp_path: Path) -> None:
    path = tmp_path / "prompt700.txt"
    path.write_text("the first\nthe second\n")
    lines = read_prompts(path)
    assert [tell(Path(f"{n}.mp4"), find("pika-1.0"), lines).prompt for n in ("0000", "0001", "0002")] == [
        "the first",
        "the second",
        None,
    ]


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("a_red_star_over_water_seed77.mp4", "a red star over water"),
        ("a red star-2.mp4", "a red star"),
        ("0001.mp4", None),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6.mp4", None),
        ("Gen-2 9, a red star over wate, M 5.mp4", None),
        ("Gen-2 9, a red star, M 5.mp4", "a red star"),
    ],
)
def test_without_a_prompt_file_only_whole_names_tell(name: str, prompt: str | None) -> None:
    told = tell(Path(name), find("gen-2"), None)
    assert told.prompt == prompt
    assert (told.why is None) == (prompt is not None)


# ---- what videos become


def test_crop_trim_rate_and_size() -> None:
    wish = Wish(crop=(0, 0, 1, 0.75), seconds=0.5, fps=8, size=(32, 16))
    made = normalise(video(80), wish)
    assert (len(made), made.fps, made.size) == (4, 8.0, (16, 32))
    assert made.frames[:, 0, 0, 0].tolist() == [80, 83, 86, 89]  # the frames that were on screen at 0, 1/8, ... s
    assert made.frames.max() < 200  # the mark lay in the lower quarter


def test_nothing_asked_changes_nothing() -> None:
    assert normalise(video(), Wish()) == video()


def test_a_short_clip_stays_short() -> None:
    made = normalise(video(frames=6), Wish(seconds=4, fps=12))
    assert (len(made), made.fps) == (3, 12.0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"crop": (0.5, 0, 0.5, 1)}, "--crop"),
        ({"crop": (0, 0, 1, 1.1)}, "--crop"),
        ({"seconds": 0}, "--seconds"),
        ({"fps": float("nan")}, "--fps"),
        ({"size": (0, 8)}, "--size"),
    ],
)
def test_wishes_that_make_no_sense_are_answered(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Wish(**bad)


# ---- folders


def test_a_folder_becomes_what_others_read(theirs: Path, prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "gen-2"
    found = gen2(theirs, out, prompts, fps=12, crop=(0, 0, 1, 0.75))
    assert sorted(p.name for p in out.glob("*.mkv")) == ["cat-0.mkv", "cat-1.mkv", "dog.mkv"]
    assert [row["reason"] for row in found.rows] == [None] * 3
    assert found.prompts_without_video == ("sea",)
    assert read_clip(out / "dog.mkv").size == (36, 64)
    lines = read_prompts(out / "prompts.jsonl")
    matched = match(find_videos(out).clips, lines, out)
    assert [(c.name, p.id if p else None) for c, p in matched.pairs] == [
        ("cat-0", "cat"),
        ("cat-1", "cat"),
        ("dog", "dog"),
    ]
    row = next(r for r in found.rows if r["file"] == "dog.mkv")
    assert row["prompt"] == PROMPTS[1]["prompt"]
    assert row["was"] == {"frames": 24, "fps": 24.0, "width": 64, "height": 48, "codec": "h264"}
    assert row["is"] == {"frames": 12, "fps": 12.0, "width": 64, "height": 36, "codec": "lossless"}
    assert any("another size than Gen-2 (Runway)'s 1408 x 768: 64 x 48" in note for note in found.notes)


def test_arms_of_a_grid_and_studies_find_the_videos(theirs: Path, prompts: Path, tmp_path: Path) -> None:
    gen2(theirs, tmp_path / "one", prompts)
    gen2(theirs, tmp_path / "two", prompts, codec="h264")
    grid = tmp_path / "grid.yaml"
    words = [{"id": p["id"], "prompt": p["prompt"]} for p in PROMPTS[:2]]
    grid.write_text(
        yaml.safe_dump({"name": "g", "arms": [{"name": "gen2", "videos": "one"}], "prompts": words, "seeds": [0, 1]})
    )
    found = arm_rows(load_grid(grid), Store(tmp_path / "store"))
    assert [(r["prompt_id"], r["seed"], r.get("reason")) for r in found if r["prompt_id"] == "cat"] == [
        ("cat", 0, None),
        ("cat", 1, None),
    ]
    systems = collect([f"a={tmp_path / 'one'}", f"b={tmp_path / 'two'}"], prompts)
    assert set(systems["a"]) == set(systems["b"])


def test_one_bad_video_costs_one_row(theirs: Path, prompts: Path, tmp_path: Path) -> None:
    (theirs / "a_cat_walking_over_the_sea.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and then nothing")
    found = gen2(theirs, tmp_path / "out", prompts)
    assert (len(found.done), len(found.failed)) == (3, 1)
    assert "cannot be decoded" in found.failed[0]["reason"]
    for path in theirs.iterdir():
        path.write_bytes(b"no video")
    with pytest.raises(InputError, match="not one video could be taken in"):
        gen2(theirs, tmp_path / "none", prompts)


def test_a_second_call_decodes_nothing_and_another_wish_everything(
    theirs: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = gen2(theirs, out, prompts)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.mkv")}
    (out / "cat-1.mkv").unlink()
    again = gen2(theirs, out, prompts)
    assert (first.kept, again.kept) == (0, 2)
    assert again.rows == first.rows
    after = {p.name: p.stat().st_mtime_ns for p in out.glob("*.mkv")}
    assert {name for name in before if before[name] != after[name]} == {"cat-1.mkv"}
    other = gen2(theirs, out, prompts, codec="h264")
    assert other.kept == 0
    assert not list(out.glob("*.mkv"))  # nothing stands for them any more


def test_a_stopped_call_goes_on(theirs: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals.systems.take_in.SECONDS_BETWEEN", 0.0)
    out = tmp_path / "out"

    def stopped(work: Any, total: int) -> Any:
        yield from list(work)[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_in(theirs, out, "gen-2", find("gen-2"), Wish(), prompts, stopped)
    assert not (out / "prompts.jsonl").exists()
    assert gen2(theirs, out, prompts).kept == 2


def test_ids_that_are_no_file_names(theirs: Path, tmp_path: Path) -> None:
    listed = tmp_path / "map.jsonl"
    names = sorted(p.name for p in theirs.iterdir())
    rows = [{"file": name, "id": f"../{n}/ä", "prompt": "p"} for n, name in enumerate(names)]
    listed.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    out = tmp_path / "deep" / "out"
    assert len(gen2(theirs, out, listed).done) == 3
    assert len(list(out.glob("*.mkv"))) == 3
    assert not list(tmp_path.glob("*.mkv"))
    assert {r["id"] for r in read_jsonl(out / "prompts.jsonl")} == {r["id"] for r in rows}


# ---- the verb


def test_the_verb_says_what_it_did(
    theirs: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [
        str(theirs),
        "--system",
        "gen-2",
        "--prompts",
        str(prompts),
        "--out",
        str(out),
        "--size",
        "32x32",
        "--json",
    ]
    assert main(["import-videos", *words, "--crop", "0,0,1,0.9", "--seconds", "2"]) == 0
    caught = capsys.readouterr()
    said = json.loads(caught.out)
    assert (said["videos"], said["imported"], said["failed"]) == (3, 3, [])
    assert said["prompts_without_video"] == ["sea"]
    assert "videos are shorter than 2 s" in caught.err
    assert json.loads((out / "import.json").read_text())["known"]["title"] == "Gen-2 (Runway)"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--crop", "0,0,1"), ("--crop", "0,0,nan,1"), ("--size", "1024"), ("--size", "-1x2"), ("--system", "sora")],
)
def test_bad_options_exit_2(
    option: str, value: str, theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"--system": "gen-2", "--out": str(tmp_path / "out")} | {option: value}
    assert main(["import-videos", str(theirs), *(f"{k}={v}" for k, v in words.items())]) == 2
    assert option in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_system_is_data() -> None:
    about = {
        "title": "New",
        **{name: {"value": "unknown"} for name in ("size", "fps", "seconds", "watermark")},
        "crop": {"value": [0, 0, 1, 0.9], "source": "measured on its videos"},
        "names": [{"pattern": r"new-(?P<prompt>.+)", "source": "its downloads"}],
    }
    system = System.model_validate(about)
    assert system.box == (0, 0, 1, 0.9)
    assert tell(Path("new-a red star.mp4"), system, None).prompt == "a red star"
    with pytest.raises(ValueError, match="needs the group `prompt`"):
        System.model_validate({**about, "names": [{"pattern": "x", "source": "y"}]})
