"""Reports in a browser: never wider than the screen, whatever the words, and without an error of the page's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stores

from reports.ablation import write_report
from reports.write import text

HOSTILE = {f"p{n}": words for n, words in enumerate(stores.HOSTILE)}
LONG = {"word": "w" * 300, "address": "https://example.org/" + "a-b" * 90, **HOSTILE}
MODES = [(width, height, ground) for width, height in ((390, 844), (1280, 720)) for ground in ("light", "dark")]
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 8).map(e => `${e.tagName}.${e.className} to ${Math.round(e.getBoundingClientRect().right)}`)
    .concat(`${document.documentElement.scrollWidth} wide`)"""


@pytest.fixture(scope="module", params=["ablation", "evaluation", "study"])
def page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path]
) -> Path:
    """A report of each kind: long words, more columns than fit, words that only screen readers meet."""
    folder = tmp_path_factory.mktemp("pages")
    if request.param == "ablation":
        arms = tuple((f"arm{n} {words[:30]}", words) for n, words in enumerate(LONG.values()))
        run = make_run(
            prompts=dict(list(LONG.items())[:2]),
            seeds=(0,),
            switches=(),
            extra_arms=arms,
            question=LONG["word"],
            clips=(16, 2, 16),
        )
        return Path(shutil.copy(write_report(run), folder / "report.html"))
    made: Path
    if request.param == "evaluation":
        made = stores.evaluation(folder / LONG["word"][:80], prompts=LONG)
    else:
        made = stores.study(
            folder / "study", systems=("ours", LONG["word"][:60], "<b>third</b>"), words="{} " + LONG["word"], prompts=2
        )
    (folder / "report.html").write_text(text(made, "html"))
    return folder / "report.html"


@pytest.fixture(scope="module")
def opened(chromium: Any, page: Path) -> Iterator[tuple[Any, list[str]]]:
    """The page with every fold open, and what it threw."""
    thrown: list[str] = []
    shown = chromium.new_page()
    shown.on("pageerror", lambda error: thrown.append(str(error)))
    shown.goto(page.as_uri())
    shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    yield shown, thrown
    shown.close()


@pytest.mark.parametrize(("width", "height", "ground"), MODES)
def test_a_report_is_as_wide_as_the_screen(opened: tuple[Any, list[str]], width: int, height: int, ground: str) -> None:
    shown, thrown = opened
    shown.emulate_media(color_scheme=ground)
    shown.set_viewport_size({"width": width, "height": height})
    assert shown.evaluate(TOO_WIDE) == []
    assert shown.locator("table").count() > 0
    assert thrown == []
    assert shown.evaluate("window.hacked") is None
