"""Comparison and evaluation as documents for machines and lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeq.report.sizes import size

if TYPE_CHECKING:  # an evaluation would wait for all that quantizes and compares
    from edgeq.comparison import Comparison, Row
    from edgeq.evaluate import Evaluation


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The document of ``edgeq compare --json``; keys are a contract, more may be added."""
    return {
        "schema": "edgeq.comparison/1",
        "model": comparison.name,
        "samples": comparison.samples,
        "labels_matched_by": comparison.matched_by,
        "rows": [row_json(row) for row in comparison.rows],
        "warnings": list(comparison.warnings),
    }


def row_json(row: Row) -> dict[str, Any]:
    """One conversion."""
    return {
        "mode": row.mode,
        "available": not row.unavailable,
        "unavailable": row.unavailable or None,
        "engine": row.engine or None,
        "bytes": row.bytes,
        "input_types": list(row.input_types),
        "output_types": list(row.output_types),
        "float_operators": row.float_operators,
        "accuracy": row.accuracy,
        "agreement": row.agreement,
        "max_difference": row.max_difference,
        "milliseconds": row.milliseconds,
    }


COLUMNS = ("mode", "size", "in", "out", "float ops", "accuracy", "as float", "max diff", "CPU ms")


def comparison_cells(row: Row) -> tuple[str, ...]:
    """The cells of one table row, in the order of `COLUMNS`."""
    if row.unavailable or row.accuracy is None:
        return (row.mode, "-", "-", "-", "-", "-", "-", "-", "-")
    return (
        row.mode,
        size(row.bytes),
        "/".join(sorted(set(row.input_types))),
        "/".join(sorted(set(row.output_types))),
        str(row.float_operators),
        f"{row.accuracy:.2%}",
        f"{row.agreement or 0:.2%}",
        f"{row.max_difference or 0:.3g}",
        f"{row.milliseconds or 0:.3f}",
    )


def comparison_notes(comparison: Comparison) -> tuple[str, ...]:
    """What the table leaves open: why a conversion is missing, what is doubtful."""
    missing = [
        f"{row.mode} is not available: {row.unavailable}"
        for row in comparison.rows
        if row.unavailable
    ]
    return (*missing, *comparison.warnings)


def evaluation_json(
    evaluation: Evaluation, about: dict[str, Any], labels: tuple[str, ...]
) -> dict[str, Any]:
    """The document of ``edgeq evaluate --json``; ``about`` says what was evaluated on what."""
    per_class = [None if np.isnan(share) else round(share, 6) for share in evaluation.per_class]
    return {
        "schema": "edgeq.evaluation/1",
        "accuracy": evaluation.accuracy,
        "samples": evaluation.samples,
        "top_k": evaluation.top_k,
        "top_k_accuracy": evaluation.top_k_accuracy,
        "milliseconds_per_sample": evaluation.milliseconds,
        "classes": [_class_name(number, labels) for number in range(len(per_class))],
        "per_class": per_class,
        "confusion": evaluation.confusion.tolist(),
        **about,
    }


def _class_name(number: int, labels: tuple[str, ...]) -> str:
    return labels[number] if number < len(labels) else str(number)


def evaluation_lines(evaluation: Evaluation, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The block that ends an evaluation."""
    lines = [
        f"Accuracy     {evaluation.accuracy:.2%} of {evaluation.samples} samples",
        f"Top {evaluation.top_k:<8} {evaluation.top_k_accuracy:.2%}",
        f"Speed        {evaluation.milliseconds:.4f} ms a sample, CPU, whole data set",
    ]
    mistakes = evaluation.worst_confusions(3)
    if mistakes:
        texts = [
            f"{_class_name(true, labels)} taken for {_class_name(seen, labels)} ({count}x)"
            for true, seen, count in mistakes
        ]
        lines.append("Mistakes     " + ", ".join(texts))
    return tuple(lines)
