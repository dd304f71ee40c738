"""The command's manners: a table of verbs, exit codes, one JSON object on standard output, a fast start."""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from magicvideo import __version__, cli
from magicvideo.cli import VERBS, Verb, main
from magicvideo.errors import GateFailed, InputError


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], Any]], None]:
    """`verb(run)` puts a verb `try` into the table, which takes one word."""

    def install(run: Callable[[argparse.Namespace], Any]) -> None:
        module = ModuleType("a_verb")
        module.add_arguments = lambda parser: parser.add_argument("word")  # type: ignore[attr-defined]
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "a_verb", module)
        monkeypatch.setitem(cli.VERBS, "try", Verb("a_verb", "tries", "magicvideo try it"))

    return install


def test_the_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == main(["help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in VERBS)
    assert "magicvideo demo" in shown


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(VERBS[name].module)
    assert callable(module.run)
    with pytest.raises(SystemExit) as done:
        main([name, "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert f"example:\n  {VERBS[name].example}" in shown
    assert VERBS[name].example.startswith(f"magicvideo {name}")
    assert "--json" in shown


@pytest.mark.parametrize("name", VERBS)
def test_every_example_parses(name: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(VERBS[name].module).add_arguments(parser)
    parser.parse_args(shlex.split(VERBS[name].example)[2:])


def test_an_unknown_verb_and_an_unknown_option_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["genrate"], ["doctor", "--sotre", "x"], ["generate", "x", "--seed", "one"], ["train"]):
        with pytest.raises(SystemExit) as done:
            main(words)
        assert done.value.code == 2
        caught = capsys.readouterr()
        assert caught.out == ""
        assert "error" in caught.err


def test_options_are_not_abbreviated(verb: Any) -> None:
    verb(lambda arguments: None)
    with pytest.raises(SystemExit):
        main(["try", "it", "--js"])


def test_json_is_one_object_and_the_only_output(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(arguments: argparse.Namespace) -> dict[str, Any]:
        print("progress", file=sys.stderr)
        return {"word": arguments.word, "größe": None}

    verb(run)
    assert main(["try", "ä", "--json"]) == 0
    caught = capsys.readouterr()
    assert json.loads(caught.out) == {"word": "ä", "größe": None}
    assert caught.out.count("\n") == 1
    assert main(["try", "ä"]) == 0
    assert capsys.readouterr().out == ""


def test_bad_input_exits_2_with_its_message(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(arguments: argparse.Namespace) -> None:
        raise InputError("a.yaml, line 3: no such metric; drop it")

    verb(run)
    assert main(["try", "it", "--json"]) == 2
    caught = capsys.readouterr()
    assert (caught.out, caught.err) == ("", "error: a.yaml, line 3: no such metric; drop it\n")


def test_a_failed_gate_exits_1_and_still_prints_its_result(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(arguments: argparse.Namespace) -> None:
        raise GateFailed("worse", {"passed": False})

    verb(run)
    assert main(["try", "it", "--json"]) == 1
    caught = capsys.readouterr()
    assert json.loads(caught.out) == {"passed": False}
    assert "failed: worse" in caught.err


def test_an_interrupt_exits_130_and_says_how_to_go_on(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(arguments: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    verb(run)
    assert main(["try", "it"]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_a_bug_is_not_hidden(verb: Any) -> None:
    def run(arguments: argparse.Namespace) -> None:
        raise RuntimeError("a bug")

    verb(run)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["try", "it"])


def test_help_answers_at_once_and_without_torch() -> None:
    code = "import sys; from magicvideo.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd=Path.home())
    assert done.returncode == 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < 1


def test_the_installed_command_is_this_one() -> None:
    command = Path(sys.executable).parent / "magicvideo"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == __version__
