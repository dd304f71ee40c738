"""Errors that say what to do; files that are whole or absent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from magicvideo.errors import GateFailed, InputError, unknown_name
from magicvideo.files import atomic_path, read_json, read_jsonl, write_json, write_jsonl, write_text

FullDisk = Callable[[int], AbstractContextManager[None]]


def test_unknown_name_suggests_and_lists() -> None:
    text = str(unknown_name("switch", "contrlnet", ("controlnet", "v2v"), where="grid.yaml, line 3"))
    assert text == (
        "unknown switch 'contrlnet' in grid.yaml, line 3: did you mean 'controlnet'? known: controlnet, v2v"
    )


def test_unknown_name_without_a_near_one_makes_no_guess() -> None:
    assert "did you mean" not in str(unknown_name("metric", "zzz", iter(["clip_score", "flicker"])))


def test_input_error_is_a_value_error_and_a_gate_carries_its_result() -> None:
    assert issubclass(InputError, ValueError)
    assert GateFailed("no", {"passed": False}).result == {"passed": False}


def test_json_round_trip_keeps_order_and_letters(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.json"
    value = {"z": [1, 2.5, None, True], "a": "größer ✓"}
    write_json(path, value)
    assert read_json(path) == value
    assert list(read_json(path)) == ["z", "a"]
    assert "größer ✓" in path.read_text(encoding="utf-8")


def test_jsonl_round_trip_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, ({"n": n} for n in range(3)))
    path.write_text(path.read_text() + "\n\n" + '{"n": 3}')
    assert [row["n"] for row in read_jsonl(path)] == [0, 1, 2, 3]


@pytest.mark.parametrize("write", [write_json, lambda path, value: write_jsonl(path, [value])])
def test_nan_is_refused_and_leaves_nothing(write: Callable[[Path, float], None], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"{broken", b"\xff\xfe\x00", b""])
def test_broken_json_names_the_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.json"):
        read_json(path)


def test_absent_and_folder_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file.*absent\.json"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot read"):
        read_json(tmp_path)
    with pytest.raises(InputError, match=r"absent\.jsonl"):
        read_jsonl(tmp_path / "absent.jsonl")


def test_a_broken_line_is_named_by_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": \n{"a": 2}\n')
    with pytest.raises(InputError, match=r"rows\.jsonl, line 3"):
        read_jsonl(path)


def test_line_separators_inside_a_text_do_not_end_a_row(tmp_path: Path) -> None:
    rows = [{"prompt": "a\u2028b\x85c\u2029d"}, {"prompt": "e"}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    assert read_jsonl(tmp_path / "a.jsonl") == rows
    (tmp_path / "windows.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n')
    assert read_jsonl(tmp_path / "windows.jsonl") == [{"a": 1}, {"a": 2}]


def test_atomic_path_keeps_the_suffix_and_renames(tmp_path: Path) -> None:
    target = tmp_path / "new" / "clip.mkv"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".mkv"
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert [p.name for p in target.parent.iterdir()] == ["clip.mkv"]
    assert target.stat().st_mode & 0o777 == 0o644


def _fail_midway(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")


@pytest.mark.parametrize("before", [None, "old"])
def test_a_writer_that_fails_midway_changes_nothing(before: str | None, tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    if before:
        target.write_text(before)
    with pytest.raises(RuntimeError, match="midway"):
        _fail_midway(target)
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before else [])


KILLED = """
import sys, time
from pathlib import Path
from magicvideo.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        writer.send_signal(signal.SIGKILL)
    assert not target.exists()
    write_json(target, {"whole": 1})
    assert read_json(target) == {"whole": 1}


def test_a_full_disk_is_an_input_error_and_keeps_what_was_there(tmp_path: Path, full_disk: FullDisk) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with full_disk(1000), pytest.raises(InputError, match=r"cannot write .*a\.txt: File too large.*--out"):
        write_text(target, "x" * 5000)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_no_space_left_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No space left on device"), atomic_path(tmp_path / "a.txt"):
        Path("/dev/full").write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["file", "/proc/1/fdinfo", "/sys"])
def test_a_folder_that_cannot_be_written_is_an_input_error(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    target = tmp_path / folder / "out" / "a.txt"  # an absolute folder replaces tmp_path
    with pytest.raises(InputError, match=r"cannot write .*out/a\.txt"):
        write_text(target, "x")


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from magicvideo.files import write_json\n"
        "for _ in range(50): write_json(Path(sys.argv[1]), [int(sys.argv[2])] * 2000)"
    )
    target = tmp_path / "a.json"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(target), str(n)]) for n in range(2)]
    seen = set[int]()
    while any(w.poll() is None for w in writers):
        if target.exists():
            rows = json.loads(target.read_text())
            assert len(rows) == 2000
            seen |= set(rows)
            assert len(set(rows)) == 1
        time.sleep(0.002)
    assert [w.returncode for w in writers] == [0, 0]
    assert seen <= {0, 1}
    assert os.listdir(tmp_path) == ["a.json"]
