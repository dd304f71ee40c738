"""VBench's and EvalCrafter's folders are known by their names, and nothing else is taken for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.layouts import by_number, find_videos
from evals.prompts import Found, find_clips
from magicvideo.errors import InputError
from magicvideo.prompts import Prompt

HOUSE = "A 3D model of a 1800s victorian house."
BEACH = "A beautiful coastal beach in spring, by Hokusai, in the style of Ukiyo"


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def prompts(folder: Path, layout: str = "auto") -> list[tuple[str, str | None]]:
    return [(clip.name, clip.prompt) for clip in find_videos(folder, layout).clips]


def test_vbench_by_dimension(tmp_path: Path) -> None:
    touch(tmp_path / "overall_consistency", f"{HOUSE}-0.mp4", f"{HOUSE}-1.mp4", f"{BEACH}-0.mp4")
    touch(tmp_path / "color", "a red bicycle-4.mp4", "no index.mp4")
    found = find_videos(tmp_path)
    assert found.layout == "vbench"
    assert [(c.name, c.prompt) for c in found.clips] == [
        ("color/a red bicycle-4", "a red bicycle"),
        ("color/no index", "no index"),
        (f"overall_consistency/{HOUSE}-0", HOUSE),
        (f"overall_consistency/{HOUSE}-1", HOUSE),
        (f"overall_consistency/{BEACH}-0", BEACH),
    ]


def test_vbench_in_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, f"{HOUSE}-0.mp4", f"{HOUSE}-12.mp4", "a person is swimming-0.gif")
    assert [prompt for _, prompt in prompts(tmp_path)] == [HOUSE, HOUSE, "a person is swimming"]
    assert [prompt for _, prompt in prompts(tmp_path, "plain")] == [None, None, None]


@pytest.mark.parametrize(
    "names", [("clip-1.mp4", "clip-2.mp4"), ("a long name-1.mp4", "another name.mp4"), ("2024-10-01.mp4",)]
)
def test_names_in_doubt_are_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    assert find_videos(tmp_path).layout == "plain"
    assert all(prompt is None for _, prompt in prompts(tmp_path))


def test_evalcrafter_with_a_file_for_each_prompt(tmp_path: Path) -> None:
    touch(tmp_path / "videos", "0000.mp4", "0002.mp4", "0007.mp4")
    touch(tmp_path / "prompts")
    (tmp_path / "prompts" / "0000.txt").write_text("a goldfish\n")
    (tmp_path / "prompts" / "0002.txt").write_text("two dogs")
    expected = [("0000", "a goldfish"), ("0002", "two dogs"), ("0007", None)]
    assert prompts(tmp_path) == expected
    assert prompts(tmp_path / "videos") == expected, "prompts beside the folder count too"


def test_evalcrafter_with_its_list(tmp_path: Path) -> None:
    touch(tmp_path, "0000.mp4", "0002.mp4")
    assert find_videos(tmp_path).layout == "plain", "numbers alone say nothing"
    (tmp_path / "prompt700.txt").write_text("first\nsecond\nthird\n")
    assert prompts(tmp_path) == [("0000", "first"), ("0002", "third")]
    (tmp_path / "prompt700.txt").write_text("first\n")
    with pytest.raises(InputError, match=r"1 prompts, and 0002.mp4 asks for number 0002"):
        find_videos(tmp_path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "deep" / "inside", "a.mp4")
    with pytest.raises(InputError, match="Did you mean"):
        find_videos(tmp_path / "deep")
    with pytest.raises(InputError, match="not EvalCrafter's layout"):
        find_videos(tmp_path / "deep" / "inside", "evalcrafter")
    with pytest.raises(InputError, match="did you mean 'vbench'"):
        find_videos(tmp_path, "vbensh")
    with pytest.raises(InputError, match="no such folder"):
        find_videos(tmp_path / "absent")


def test_links_are_followed_and_broken_ones_are_listed(tmp_path: Path) -> None:
    """Benchmarks' layouts are often built of links; what a link fails to reach is that clip's reason."""
    touch(tmp_path / "real", "a.mp4")
    links = touch(tmp_path / "links")
    (links / "good one-0.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    (links / "broken one-0.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (links / "round it goes-0.mp4").symlink_to(links / "round it goes-0.mp4")
    assert [prompt for _, prompt in prompts(links)] == ["broken one", "good one", "round it goes"]


def test_a_list_by_number() -> None:
    with pytest.raises(InputError):
        by_number([Found(Path("0003.mp4"), "0003")], [Prompt(1, "x", None, None)], Path("p.txt"))
    assert by_number([Found(Path("0000.mp4"), "0000")], [Prompt(1, "x", None, None)], Path("p.txt"))[0][1].prompt == "x"


def test_ten_thousand_names_are_listed_in_seconds(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{n}.mp4" for n in range(10_000)))
    assert len(find_clips(tmp_path)[0]) == 10_000
