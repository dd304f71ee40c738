"""Charts: valid descriptions, drawn without a network, readable without colour, true to their numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from reports import charts
from reports.charts import Bar, Dose, Level, Met, Named, Place, Rank, Share, Stage
from reports.charts.costs import stage_bars
from reports.charts.runs import front
from reports.charts.stages import _steps
from reports.charts.theme import COLOURS, SHAPES, STYLES, VARIABLES
from reports.charts.values import values

CLIP = Named("CLIP score", "cosine", True)
LOST = Named("Flicker", "levels of 255", False)
HOSTILE = ("<script>x</script>", "**b** [a](b)", "\u202eright", "w" * 300, '" onload="x')
ALL: dict[str, alt.LayerChart] = {
    "forest": charts.forest_of([Bar(n, 0.1, 0.0, 0.2, "better", True, "+0.1") for n in HOSTILE], True),
    "waterfall": charts.waterfall([Stage("T2I", 0.9), Stage("I2V", 0.7, 0.6, 0.8)], "Accuracy", "share", True, 2),
    "doses": charts.dose_response([Dose(0, 0.5, 0.4, 0.6), Dose(1, 0.7, None, None, True)], "i2v.steps", "X", "", None),
    "pareto": charts.pareto([Place(n, k, 0.1 * k) for k, n in enumerate(HOSTILE)], CLIP, Named("cost", "s", False)),
    "wins": charts.win_bars([Share(n, 0.5, 0.3, 0.2, 10) for n in HOSTILE]),
    "ranks": charts.rank_intervals([Rank(n, k + 1, 1, 5) for k, n in enumerate(HOSTILE)]),
    "scatter": charts.scatter([Met(n, 0.1 * k, 0.2, 0.1, 0.3) for k, n in enumerate(HOSTILE)], CLIP, "note"),
    "history": charts.history([Level(k, n, 0.3, 0.2, 0.4, k == 2, k == 1) for k, n in enumerate(HOSTILE)], CLIP),
    "series": charts.series({n: [Level(0, "a", 0.3), Level(1, "b", 0.4)] for n in HOSTILE}, LOST),
    "distribution": charts.distribution({n: [0.1, 0.2, 0.4] for n in HOSTILE}, LOST),
    "values": values([Bar(n, 0.1, 0.0, 0.2, "unclear", True, "0.1") for n in HOSTILE], CLIP),
    "costs": stage_bars({n: {"t2i": 1.0, "vfi": 0.5} for n in HOSTILE}),
}


@pytest.mark.parametrize("name", ALL)
def test_a_chart_is_valid_and_drawn_with_text_as_text(name: str) -> None:
    chart = ALL[name]
    chart.to_dict(validate=True)
    for ground in ("light", "dark"):
        drawn = charts.drawing(chart, ground)  # type: ignore[arg-type]
        root = ElementTree.fromstring(drawn)
        tags = {node.tag.rpartition("}")[2] for node in root.iter()}
        assert "script" not in tags
        assert not re.search(r"\son\w+=", re.sub(r">[^<]*<", "><", drawn))
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", drawn)
        assert not re.search(r'"#0[0-9a-f]0[0-9a-f]0[0-9a-f]"', drawn), "a stand-in colour is left"
    assert 'role="img"' in charts.inline(chart, "words")


def test_colours_differ_in_grey_from_their_ground_and_series_by_shape() -> None:
    for ground, colours in COLOURS.items():
        paper = _luminance(colours[next(key for key, name in VARIABLES.items() if name == "--card")])
        for stand_in, name in VARIABLES.items():
            if name not in ("--card", "--line"):
                lighter, darker = sorted((_luminance(colours[stand_in]), paper), reverse=True)
                assert (lighter + 0.05) / (darker + 0.05) >= 3, (ground, name)  # WCAG 2.2, 1.4.11
    assert len(set(SHAPES)) == len(SHAPES)
    assert len({shape for style, (_, shape) in STYLES.items() if style != "none"}) == len(STYLES) - 1


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_axes_name_unit_and_direction() -> None:
    assert CLIP.axis == "CLIP score (cosine), higher is better"
    assert "lower is better" in charts.drawing(ALL["distribution"])
    assert "seconds per video, less is better" in charts.drawing(ALL["costs"])


def test_a_waterfall_s_steps_add_up() -> None:
    stages = [Stage("T2I", 0.9), Stage("I2V", 0.7), Stage("V2V", 0.8)]
    steps = _steps(stages, True, 2)
    assert [step["style"] for step in steps[1:]] == ["worse", "better"]
    assert [step["style"] for step in _steps(stages, False, 2)[1:]] == ["better", "worse"]
    total = steps[0]["value"] + sum(step["value"] - step["before"] for step in steps[1:])
    assert total == pytest.approx(0.8)


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(some.integers(0, 9), some.integers(0, 9)), min_size=1, max_size=12), some.booleans())
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]], higher: bool) -> None:
    places = [Place(str(k), cost, quality) for k, (cost, quality) in enumerate(points)]
    best = front(places, higher)

    def beats(a: Place, b: Place) -> bool:
        good = a.quality >= b.quality if higher else a.quality <= b.quality
        return a.cost <= b.cost and good and (a.cost, a.quality) != (b.cost, b.quality)

    kept = {(place.cost, place.quality) for place in best}
    assert kept == {(p.cost, p.quality) for p in places if not any(beats(other, p) for other in places)}
