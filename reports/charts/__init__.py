"""Charts for pages and static reports: described once with Altair, drawn without a network.

Every function here gives an Altair chart whose colours are stand-ins. `theme` turns a chart into an SVG element that
takes its colours from the page (`inline`), a file of its own (`drawing`) or a description for a page that draws in the
browser (`themed`). No meaning rests on colour alone: verdicts have shapes, series have shapes and dashes, shares have
words. Axes name their unit and which way is better.
"""

from reports.charts.effects import Bar, forest, forest_chart, forest_of
from reports.charts.runs import Level, Named, Place, distribution, front, history, pareto, series
from reports.charts.stages import Dose, Stage, dose_response, waterfall
from reports.charts.theme import drawing, inline, themed
from reports.charts.votes import Met, Rank, Share, rank_intervals, scatter, win_bars

__all__ = [
    "Bar",
    "Dose",
    "Level",
    "Met",
    "Named",
    "Place",
    "Rank",
    "Share",
    "Stage",
    "distribution",
    "dose_response",
    "drawing",
    "forest",
    "forest_chart",
    "forest_of",
    "front",
    "history",
    "inline",
    "pareto",
    "rank_intervals",
    "scatter",
    "series",
    "themed",
    "waterfall",
    "win_bars",
]
