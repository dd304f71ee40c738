"""Clips of a folder, prompts of a file, and which belong together; every mistake is answered by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evals.prompts import Found, find_clips, match
from magicvideo.errors import InputError
from magicvideo.prompts import Prompt, read_prompts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("clip10.mp4", "clip2.gif", "clip2.mkv", "notes.txt", ".hidden.mp4", "lone.png"):
        (tmp_path / name).touch()
    np.save(tmp_path / "array.npy", np.zeros((2, 3, 8, 8), np.uint8))
    (tmp_path / "frames.v2").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "frames.v2" / "0.png")
    (tmp_path / "empty").mkdir()
    return tmp_path


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_folders_clips_in_natural_order_without_doubles(folder: Path) -> None:
    clips, left_out = find_clips(folder)
    assert [c.path.name for c in clips] == ["array.npy", "clip2.mkv", "clip10.mp4", "frames.v2"]
    assert [path.name for path in left_out] == ["clip2.gif"]
    assert [c.name for c in clips] == ["array", "clip2", "clip10", "frames.v2"]


def test_single_pictures_count_as_references_only(folder: Path) -> None:
    assert Found(folder / "lone.png", "lone") in find_clips(folder, images=True)[0]


def test_a_folder_of_pictures_alone_is_one_clip(folder: Path) -> None:
    assert find_clips(folder / "frames.v2") == ([Found(folder / "frames.v2", "frames.v2")], [])


def test_folders_without_videos(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no videos"):
        find_clips(folder / "empty")
    with pytest.raises(InputError, match="no such folder"):
        find_clips(folder / "absent")
    deep = tmp_path / "deep" / "videos"
    deep.mkdir(parents=True)
    (deep / "a.mp4").touch()
    with pytest.raises(InputError, match=f"Did you mean {deep}"):
        find_clips(tmp_path / "deep")


def test_three_kinds_of_prompt_files_say_the_same(tmp_path: Path) -> None:
    jsonl = lines(tmp_path / "p.jsonl", {"id": "a", "prompt": "a red, star"}, {"file": "b.mp4", "prompt": "a ring"})
    table = tmp_path / "p.csv"
    table.write_text('\ufeffid,file,prompt\na,,"a red, star"\n,b.mp4,a ring\n', encoding="utf-8")
    assert [(p.id, p.file, p.prompt) for p in read_prompts(jsonl)] == [
        ("a", None, "a red, star"),
        (None, "b.mp4", "a ring"),
    ]
    assert [p.prompt for p in read_prompts(table)] == ["a red, star", "a ring"]
    assert [(p.id, p.file) for p in read_prompts(table)] == [("a", None), (None, "b.mp4")]
    text = tmp_path / "p.txt"
    text.write_text("a red, star\n\n  a ring \n", encoding="utf-8")
    assert [(p.line, p.prompt, p.id) for p in read_prompts(text)] == [(1, "a red, star", None), (3, "a ring", None)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", "", "holds no prompts"),
        ("p.txt", "\n\n", "holds no prompts"),
        ("p.csv", "id,prompt\n", "holds no prompts"),
        ("p.csv", "", "header needs"),
        ("p.csv", "name,text\na,b\n", "header needs `prompt`"),
        ("p.jsonl", '{"id": "a", "prompt": "x"}\n{"id": "a"', "line 2: not JSON"),
        ("p.jsonl", '\n"words"', "line 2: needs"),
        ("p.jsonl", '{"id": "a", "prompt": " "}', "line 1: the prompt is empty"),
        ("p.jsonl", '{"prompt": "x"}', "line 1: needs an `id`"),
        ("p.csv", "id,prompt\na,\n", "line 2"),
        ("p.jsonl", '{"id": "a", "prompt": "x"}\n\n{"id": "a", "prompt": "y"}', "lines 1 and 3 share the id 'a'"),
        ("p.csv", "id,prompt\na,x\nb,y\na,z\n", "lines 2 and 4 share the id 'a'"),
        ("p.jsonl", '{"file": "a", "prompt": "x"}\n{"file": "a", "prompt": "y"}', "lines 1 and 2 share the file 'a'"),
        ("p.yaml", "a: b", "unknown kind of prompt file"),
    ],
)
def test_mistakes_in_a_prompt_file(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as raised:
        read_prompts(path)
    assert name in str(raised.value)


def test_unreadable_prompt_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such prompt file"):
        read_prompts(tmp_path / "absent.txt")
    (tmp_path / "latin.txt").write_bytes("grün".encode("latin-1"))
    with pytest.raises(InputError, match="cannot read"):
        read_prompts(tmp_path / "latin.txt")


def test_matching_by_id_by_file_and_leftovers(folder: Path) -> None:
    clips, _ = find_clips(folder)
    prompts = [
        Prompt(1, "x", "clip2", None),
        Prompt(2, "y", "p1", "clip10.mp4"),
        Prompt(3, "z", "p1", "frames.v2"),
        Prompt(4, "w", "missing", None),
    ]
    found = match(clips, prompts, Path("p"))
    assert {clip.path.name: p and p.line for clip, p in found.pairs} == {
        "array.npy": None,
        "clip2.mkv": 1,
        "clip10.mp4": 2,
        "frames.v2": 3,
    }
    assert [p.line for p in found.without_clip] == [4]
    assert [p.cluster for p in prompts] == ["clip2", "p1", "p1", "missing"]


def test_seeds_of_one_prompt_share_an_id_and_cluster(tmp_path: Path) -> None:
    rows = [{"id": "a", "file": f"a-{seed}.mp4", "prompt": "x"} for seed in range(3)]
    assert {p.cluster for p in read_prompts(lines(tmp_path / "p.jsonl", *rows))} == {"a"}
    assert Prompt(1, "the words", None, "a.mp4").cluster == "the words"


def test_prompts_of_a_text_file_go_by_order_if_the_counts_agree(folder: Path) -> None:
    clips, _ = find_clips(folder)
    prompts = [Prompt(n, f"prompt {n}", None, None) for n in range(1, 5)]
    assert [p.line for _, p in match(clips, prompts, Path("p")).pairs if p] == [1, 2, 3, 4]
    with pytest.raises(InputError, match="3 prompts for 4 videos"):
        match(clips, prompts[:3], Path("p"))


def test_prompts_that_match_no_video(folder: Path) -> None:
    with pytest.raises(InputError, match=r"the first one is for 'x1', the first video is 'array.npy'"):
        match(find_clips(folder)[0], [Prompt(1, "x", "x1", None)], Path("p"))


def made(folder: Path, prompt: str) -> Path:
    """A folder as `magicvideo generate` writes it."""
    folder.mkdir(parents=True)
    for name in ("t2i.png", "i2v.mp4", "video.mp4", "clip.mkv"):
        (folder / name).touch()
    (folder / "record.json").write_text(json.dumps({"prompt": prompt, "seed": 7}))
    return folder


def test_generated_folders_bring_their_prompt_and_reference(tmp_path: Path) -> None:
    one = made(tmp_path / "a-seed1", "a red star")
    made(tmp_path / "a-seed2", "a red star")
    made(tmp_path / "b-seed1", "a blue ring")
    (tmp_path / "store" / "clips").mkdir(parents=True)
    clips, left_out = find_clips(tmp_path)
    assert clips[0] == Found(one / "clip.mkv", "a-seed1", "a red star", one / "t2i.png")
    assert [c.name for c in clips] == ["a-seed1", "a-seed2", "b-seed1"]
    assert left_out == []
    assert find_clips(one) == ([clips[0]], [])
    for prompts in (
        [Prompt(1, "a red star", "p1", None), Prompt(2, "a blue ring", "p2", None)],
        [Prompt(1, "a red star", None, None), Prompt(2, "a blue ring", None, None)],
    ):
        assert [p and p.line for _, p in match(clips, prompts, Path("p")).pairs] == [1, 1, 2]
    (one / "record.json").write_text("[]")
    assert find_clips(one)[0][0].prompt is None
