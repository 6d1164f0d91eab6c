"""What a model's outputs mean: one file per task, each giving a typed result."""

from __future__ import annotations

from edgeq_device.tasks.classify import Classification, ClassScore, classify
from edgeq_device.tasks.draw import annotate
from edgeq_device.tasks.guess import Guess, guess_task
from edgeq_device.tasks.labels import labels_doubt, read_labels
from edgeq_device.tasks.raw import RawOutput, RawOutputs, raw

TASKS = ("classify", "raw")
"""The tasks that this edgeq decodes; a bundle's other tasks come out as raw outputs."""

__all__ = [
    "TASKS",
    "ClassScore",
    "Classification",
    "Guess",
    "RawOutput",
    "RawOutputs",
    "annotate",
    "classify",
    "guess_task",
    "labels_doubt",
    "raw",
    "read_labels",
]
