"""Pictures of results: which class is taken for which, and four conversions side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeq.report.drawing import BLUE, GREEN, INK, RED, load_pyplot, save_figure
from edgeq_device.tensors import Array

if TYPE_CHECKING:
    from edgeq.comparison import Comparison, SampleAnswer
    from edgeq.evaluate import Evaluation

MOST_CLASSES = 40
"""Up to this many classes the confusion matrix carries names and numbers."""
LONGEST = 22
"""Letters of a label that stand beside a picture."""


def confusion_picture(evaluation: Evaluation, labels: tuple[str, ...], path: Path) -> None:
    """Draw the confusion matrix of an evaluation as a PNG; rows are the true classes."""
    pyplot = load_pyplot()
    matrix = evaluation.confusion
    counts = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    classes = len(matrix)
    size = min(max(4.5, 0.55 * classes), 14)
    figure, axes = pyplot.subplots(figsize=(size + 1, size))
    image = axes.imshow(matrix / counts, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, fraction=0.046, label="share of the true class")
    if classes <= MOST_CLASSES:
        names = [labels[index] if index < len(labels) else str(index) for index in range(classes)]
        turn = 90 if max(map(len, names)) > 3 else 0
        axes.set_xticks(range(classes), names, rotation=turn)
        axes.set_yticks(range(classes), names)
        _number_cells(axes, matrix, counts)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{evaluation.accuracy:.2%} of {evaluation.samples} right", color=INK)
    save_figure(figure, path)


def comparison_picture(comparison: Comparison, path: Path) -> None:
    """Draw one test picture with each conversion's answer, and bars of accuracy and size."""
    pyplot = load_pyplot()
    rows = [row for row in comparison.rows if row.accuracy is not None]
    figure, axes = pyplot.subplot_mosaic(
        [["sample", "accuracy", "size"], ["answers", "accuracy", "size"]],
        figsize=(13, 4.2),
        width_ratios=(1, 1.4, 1.4),
        height_ratios=(3, 1),
        layout="constrained",
    )
    _draw_sample(axes["sample"], axes["answers"], comparison.sample)
    names = [row.mode for row in rows]
    accuracies = [100 * (row.accuracy or 0) for row in rows]
    draw_bars(
        axes["accuracy"], names, accuracies, "accuracy on the test data, %", "{:.2f}", most=100
    )
    sizes = [row.bytes / 1024 for row in rows]
    draw_bars(axes["size"], names, sizes, "size, KiB", "{:.1f}")
    figure.suptitle(
        f"{comparison.name}: the four conversions on {comparison.samples} test samples",
        color=INK,
        fontsize=12,
    )
    save_figure(figure, path)


def _draw_sample(axes: Any, below: Any, sample: SampleAnswer | None) -> None:
    """The picture, and below it what each conversion takes it for: green where that is right."""
    axes.set_axis_off()
    below.set_axis_off()
    if sample is None:
        return
    pixels = np.squeeze(sample.picture)
    axes.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, interpolation="nearest")
    axes.set_title(f"true: {_short(sample.label)}", color=INK, fontsize=10)
    row = 1 / max(len(sample.answers), 1)
    for number, (mode, label, score) in enumerate(sample.answers):
        height = 1 - (number + 0.5) * row
        color = GREEN if label == sample.label else RED
        place = {"transform": below.transAxes, "va": "center", "fontsize": 9}
        below.text(0.48, height, mode, color=INK, ha="right", **place)
        below.text(0.52, height, f"{_short(label)} ({score:.1%})", color=color, **place)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def draw_bars(
    axes: Any,
    names: list[str],
    values: list[float],
    title: str,
    form: str,
    most: float = float("inf"),
) -> None:
    """One bar per name, its number behind it; the axis ends at ``most``."""
    colors = [GREEN if name == "integer" else BLUE for name in names]
    bars = axes.barh(names, values, color=colors)
    axes.bar_label(bars, labels=[form.format(value) for value in values], padding=3, fontsize=9)
    end = max([*values, 1e-9]) * 1.2
    axes.set_xlim(0, end)
    if end > most:
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= most])
        axes.spines["bottom"].set_bounds(0, most)
    axes.invert_yaxis()
    axes.set_title(title, color=INK, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _number_cells(axes: Any, matrix: Array, counts: Array) -> None:
    for row, column in zip(*np.nonzero(matrix), strict=True):
        dark = matrix[row, column] / counts[row, 0] > 0.5
        axes.text(
            column,
            row,
            int(matrix[row, column]),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else INK,
        )
