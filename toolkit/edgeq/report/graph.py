"""A picture of a model's graph: what runs on the Edge TPU, what does not, what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

from edgeq.analyze import Analysis, Placement
from edgeq.report.drawing import GRAY, GREEN, INK, RED, load_pyplot, save_figure
from edgeq_device.tflite import Subgraph

AMBER = "#f0a202"
BOX_WIDE, BOX_HIGH = 2.6, 0.62
LANE, ROW, COLUMN_GAP = 2.85, 1.0, 0.6
INCHES = 0.42
"""The height of a row on paper."""
LEAST_WIDE = 13
LEAST_HIGH = 12
"""Rows in a column before the next one is begun."""


@dataclass(frozen=True)
class Spot:
    """Where an operator's box has its center; x grows to the right, y downwards."""

    x: float
    y: float
    column: int


def graph_picture(graph: Subgraph, analysis: Analysis, path: Path) -> None:
    """Draw all operators as a PNG: green on the Edge TPU, amber on the CPU, the blocker in red."""
    spots = layout(graph)
    right = max((spot.x for spot in spots), default=0.0)
    low = max((spot.y for spot in spots), default=0.0)
    wide, high = max(right + LANE, LEAST_WIDE), low + 2 * ROW
    figure, axes = load_pyplot().subplots(figsize=(wide * INCHES, high * INCHES))
    figure.subplots_adjust(0, 0, 1, 1)
    _draw_edges(axes, graph, spots)
    blocker = analysis.blocker.operator.index if analysis.blocker else None
    for spot, placement in zip(spots, analysis.operators, strict=True):
        _draw_box(axes, spot, placement, is_blocker=placement.index == blocker)
    axes.set_xlim(-LANE / 2, wide - LANE / 2)
    axes.set_ylim(low + ROW, -ROW)
    axes.set_axis_off()
    axes.set_title(_title(analysis), color=INK, fontsize=11, loc="left")
    save_figure(figure, path)


def layout(graph: Subgraph) -> tuple[Spot, ...]:
    """A spot for each operator: rows by depth, branches side by side, rows wrapped to columns."""
    rows = _rows(graph)
    # A box is three rows wide and branches take more: six makes a picture about as high as wide.
    high = max(LEAST_HIGH, ceil(sqrt(6 * len(rows))))
    spots: dict[int, Spot] = {}
    left = 0.0
    for column, start in enumerate(range(0, len(rows), high)):
        shown = rows[start : start + high]
        lanes = max(map(len, shown))
        for number, row in enumerate(shown):
            for lane, index in enumerate(row):
                spots[index] = Spot(left + lane * LANE, number * ROW, column)
        left += lanes * LANE + COLUMN_GAP
    return tuple(spots[operator.index] for operator in graph.operators)


def _rows(graph: Subgraph) -> list[list[int]]:
    """Operators by depth: the longest way from an input."""
    depth_of: dict[int, int] = {}
    rows: list[list[int]] = []
    for operator in graph.operators:
        depth = max((depth_of[read] + 1 for read in operator.inputs if read in depth_of), default=0)
        depth_of.update(dict.fromkeys(operator.outputs, depth))
        while len(rows) <= depth:
            rows.append([])
        rows[depth].append(operator.index)
    return rows


def _draw_edges(axes: Any, graph: Subgraph, spots: Sequence[Spot]) -> None:
    makers = {made: each.index for each in graph.operators for made in each.outputs}
    for operator in graph.operators:
        end = spots[operator.index]
        for read in dict.fromkeys(operator.inputs):
            if read not in makers:
                continue
            start = spots[makers[read]]
            far = start.column != end.column or end.y - start.y > 1.5 * ROW
            style = {"connectionstyle": "arc3,rad=0.12" if far else "arc3"}
            axes.annotate(
                "",
                xy=(end.x, end.y - BOX_HIGH / 2),
                xytext=(start.x, start.y + BOX_HIGH / 2),
                arrowprops={"arrowstyle": "->", "color": GRAY if far else INK, "lw": 0.8, **style},
                zorder=1,
            )


def _draw_box(axes: Any, spot: Spot, placement: Placement, *, is_blocker: bool) -> None:
    color = GREEN if placement.is_mapped else AMBER
    corner = (spot.x - BOX_WIDE / 2, spot.y - BOX_HIGH / 2)
    edge = {"edgecolor": RED, "linewidth": 3} if is_blocker else {"edgecolor": "white"}
    axes.add_patch(
        load_pyplot().Rectangle(corner, BOX_WIDE, BOX_HIGH, facecolor=color, zorder=2, **edge)
    )
    name = placement.op if len(placement.op) <= 20 else placement.op[:19] + "…"
    axes.text(
        spot.x,
        spot.y,
        f"{placement.index} {name}",
        ha="center",
        va="center",
        fontsize=5.5,
        color="white" if placement.is_mapped else INK,
        zorder=3,
    )


def _title(analysis: Analysis) -> str:
    title = f"{Path(analysis.name).name}: {analysis.summary}"
    if analysis.blocker is not None:
        first = analysis.blocker.operator
        title += f"\nfirst blocker (red): operator {first.index} {first.op}"
    return title + "\ngreen: Edge TPU, amber: CPU"
