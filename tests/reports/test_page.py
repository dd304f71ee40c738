"""The page itself: closed to the network, each clip once, user text as text."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from magicvideo.clip import read_clip
from magicvideo.files import read_jsonl
from reports.ablation import derive, write_report
from reports.charts import forest, forest_chart
from reports.folder import read_run
from reports.media import scenes
from reports.templates import named

MakeRun = Callable[..., Path]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "**bold** | [link](javascript:alert(3)) `code` @someone",
    "{{ 7 * 7 }} {% raw %} </script>",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \U0001f680",
    "=HYPERLINK(1)",
    "w" * 400,
)


class Tags(HTMLParser):
    """Every tag and attribute, and the text outside of style and script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("style", "script"):
            self.text += data


def parse(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def page(shifted_run: Path) -> str:
    return write_report(shifted_run).read_text()


@pytest.fixture(scope="module")
def hostile_run(make_run: MakeRun) -> Path:
    prompts = {f"p{n}": text for n, text in enumerate(HOSTILE)}
    arms = tuple((text[:60], text) for text in (HOSTILE[0], HOSTILE[2], HOSTILE[4], HOSTILE[5]))
    return make_run(prompts=prompts, seeds=(0,), extra_arms=arms, switches=(), question=HOSTILE[0], clips=(16, 2, 16))


def test_no_network_address(page: str) -> None:
    without_data = re.sub(r"data:[\w/]+;base64,[A-Za-z0-9+/=]+", "data:", page)
    assert not re.search(r"https?:", without_data)
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?\s*//""", without_data)
    for tag, attributes in parse(page).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href", "srcset", "poster", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;", "data:video/mp4;", "#"))


def test_the_policy_allows_only_the_page_s_own_script(page: str) -> None:
    policy = next(a["content"] for t, a in parse(page).tags if t == "meta" and "http-equiv" in a)
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)


def test_each_clip_is_in_the_page_once_and_plays(page: str, shifted_run: Path, tmp_path: Path) -> None:
    tags = parse(page).tags
    media = [(tag, a) for tag, a in tags if "data-clip" in a]
    sources = [a["src"] for _, a in media if "src" in a]
    assert len(sources) == len(set(sources)) == len({a["data-clip"] for _, a in media})
    assert Counter(a["data-clip"] for _, a in media if "src" in a).most_common(1)[0][1] == 1
    item = next(i for i in read_jsonl(shifted_run / "items.jsonl") if (i["arm"], i["prompt_id"]) == ("full", "p0"))
    video = next(a for tag, a in media if tag == "video" and str(a["aria-label"]).startswith("VFI"))
    assert {"loop", "muted", "autoplay", "playsinline"} <= set(video)
    (tmp_path / "clip.mp4").write_bytes(base64.b64decode(str(video["src"]).split(",")[1]))
    clip = read_clip(tmp_path / "clip.mp4")
    assert (len(clip), *clip.size, clip.fps) == tuple(
        item["stages"]["vfi"][k] for k in ("frames", "height", "width", "fps")
    )


def test_every_arm_and_stage_of_a_prompt_has_a_tile(shifted_run: Path) -> None:
    shown = scenes(read_run(shifted_run))
    assert [scene.prompt_id for scene in shown] == ["p0", "p1", "p2", "p3"]
    for scene in shown:
        assert [row.stage for row in scene.rows] == ["t2i", "i2v", "v2v", "vfi"]
        for row in scene.rows:
            assert [tile.arm for tile in row.tiles] == ["full", "without controlnet", "without v2v"]
            assert {tile.kind for tile in row.tiles} == {"image" if row.stage == "t2i" else "video"}
        assert [tile.same_as_base for row in scene.rows[:2] for tile in row.tiles] == [
            False,
            True,
            True,
            False,
            False,
            True,
        ]


def test_the_budget_limits_the_prompts_but_never_below_one(shifted_run: Path) -> None:
    assert len(scenes(read_run(shifted_run), budget=1)) == 1


def test_a_store_that_cannot_be_written_still_gives_videos(make_run: MakeRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(make_run(), run, ignore=shutil.ignore_patterns("previews"))
    (run / "store" / "previews").write_text("a file where the folder should be")
    assert "data:video/mp4;base64," in write_report(run).read_text()


def test_user_text_is_shown_as_text(hostile_run: Path) -> None:
    parsed = parse(write_report(hostile_run).read_text())
    kinds = Counter(tag for tag, _ in parsed.tags)
    assert kinds["script"] == 2
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    for text in HOSTILE:
        assert text in parsed.text


def test_user_text_is_harmless_in_markdown_and_csv(hostile_run: Path, tmp_path: Path) -> None:
    text = write_report(hostile_run, "md", tmp_path / "r.md").read_text()
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\[link", text)
    assert "\u202e" not in text
    assert not re.search(r"@\w", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    table = write_report(hostile_run, "csv", tmp_path / "r.csv").read_text()
    assert not re.search(r"(^|,)=HYPERLINK", table, re.MULTILINE)


def test_tables_have_headers_and_pictures_have_words(page: str) -> None:
    tags = parse(page).tags
    assert all("scope" in a for tag, a in tags if tag == "th")
    assert all(a.get("alt") for tag, a in tags if tag == "img")
    assert all(a.get("aria-label") for tag, a in tags if tag == "video")
    assert all(a.get("aria-label") for tag, a in tags if tag == "svg")


def test_verdicts_are_words_and_marks_not_colour_alone(page: str) -> None:
    verdicts = re.findall(r'<td class="verdict"[^>]*><span class="mark [^>]*>(.)</span> (\w+)', page)
    assert ("▼", "worse") in verdicts
    assert {mark for mark, word in verdicts if word == "inconclusive"} <= {"○", "▽", "△", "◇"}


def test_charts_are_svg_in_the_page_s_colours(shifted_run: Path) -> None:
    found = derive(read_run(shifted_run))
    mine = [e for e in found.effects if e.metric == "clip_score"]
    drawing = forest(found.run, found.run.metrics["clip_score"], mine, found.places["clip_score"])
    forest_chart(found.run, found.run.metrics["clip_score"], mine, 3).to_dict(validate=True)
    texts = ["".join(node.itertext()) for node in ElementTree.fromstring(drawing).iter("text")]
    assert "without the ControlNet" in texts
    assert "← worse" in texts
    assert any(text.startswith("\u2212") for text in texts)
    assert "var(--worse)" in drawing
    assert not re.search(r"#0[0-9a]0[0-9a]0[0-9a]", drawing)


def test_a_complete_page_names_its_command_and_provenance(page: str, shifted_run: Path) -> None:
    text = parse(page).text
    for words in (
        "0123456789abcdef",
        "magicvideo ablate synthetic",
        "clip_score-pocket1",
        "accuracy on held out 0.987",
    ):
        assert words in text
    assert f"magicvideo report {shifted_run}" in text


def test_a_setting_breaks_between_its_parts_and_other_titles_between_words() -> None:
    assert named("noise_prior.strength=0.5") == ('<bdi class="setting">noise_<wbr>prior.<wbr>strength<wbr>=0.5</bdi>')
    assert named("without <b>") == "<bdi>without &lt;b&gt;</bdi>"
