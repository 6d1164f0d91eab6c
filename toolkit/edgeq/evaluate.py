"""Accuracy of one model on labelled data: top-1, top-k, and which class is taken for which."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeq_device.errors import CalibrationError, ConfigError
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array

Batch = tuple[tuple[Array, ...], Array]
"""Inputs, each [N, ...], and labels [N]."""


class Predictor(Protocol):
    """Gives class scores for a batch of inputs; larger means more likely."""

    def predict(self, arrays: tuple[Array, ...]) -> Array:
        """Inputs, each [N, ...] -> scores [N, classes]."""


@dataclass(frozen=True)
class Evaluation:
    """What a model got right."""

    samples: int
    accuracy: float
    top_k: int
    top_k_accuracy: float
    confusion: Array
    """int64 [classes, classes]: rows are the true class, columns the predicted one."""
    predictions: Array
    """int64 [samples]: the predicted class of each sample, in order."""
    milliseconds: float
    """Wall time per sample of the prediction alone, on this machine's CPU."""

    @property
    def per_class(self) -> Array:
        """float64 [classes]: the share of each true class that was found; NaN without samples."""
        counts = self.confusion.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.diag(self.confusion) / counts)

    def worst_confusions(self, count: int) -> tuple[tuple[int, int, int], ...]:
        """The most frequent mistakes as (true class, predicted class, times)."""
        mistakes = self.confusion.copy()
        np.fill_diagonal(mistakes, 0)
        order = np.argsort(mistakes, axis=None, kind="stable")[::-1][:count]
        rows, columns = np.unravel_index(order, mistakes.shape)
        return tuple(
            (int(row), int(column), int(mistakes[row, column]))
            for row, column in zip(rows, columns, strict=True)
            if mistakes[row, column] > 0
        )


def evaluate(
    predictor: Predictor,
    batches: Iterable[Batch],
    *,
    top_k: int = 5,
    total: int = 0,
    name: str = "test data",
    progress: Progress = silent,
) -> Evaluation:
    """Predict every batch and count.

    CalibrationError (about ``name``) for labels without a class and scores that are no numbers.
    """
    if top_k < 1:
        raise ConfigError("--top-k", top_k, "at least 1", hint="5 is usual")
    guesses, truths = [], []
    hits, seconds, classes, done = 0, 0.0, 0, 0
    for arrays, labels in batches:
        started = time.perf_counter()
        scores = predictor.predict(arrays)
        seconds += time.perf_counter() - started
        classes = scores.shape[1]
        check_batch(scores, labels, name)
        guesses.append(scores.argmax(axis=1))
        truths.append(np.asarray(labels, np.int64))
        hits += count_top(scores, labels, min(top_k, classes))
        done += len(labels)
        progress("evaluate", done, total)
    if not done:
        raise CalibrationError(name, "holds no samples", hint="give pictures with labels")
    predicted, wanted = np.concatenate(guesses), np.concatenate(truths)
    return Evaluation(
        samples=done,
        accuracy=float(np.mean(predicted == wanted)),
        top_k=min(top_k, classes),
        top_k_accuracy=hits / done,
        confusion=confusion_matrix(wanted, predicted, classes),
        predictions=predicted,
        milliseconds=1000 * seconds / done,
    )


def confusion_matrix(wanted: Array, predicted: Array, classes: int) -> Array:
    """How often each true class (row) was taken for each class (column), int64."""
    pairs = np.bincount(wanted * classes + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes)


def check_batch(scores: Array, labels: Array, name: str) -> None:
    """CalibrationError for scores that are no numbers and for labels without a class."""
    check_scores(scores, name)
    check_labels(labels, scores.shape[1], name)


def check_labels(labels: Array, classes: int, name: str) -> None:
    """CalibrationError where a label lies outside the model's classes."""
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise CalibrationError(
            name,
            f"label {int(outside[0])} has no class: the model gives {classes} scores",
            hint=f"labels must be whole numbers from 0 to {classes - 1}",
        )


def check_scores(scores: Array, name: str) -> None:
    """CalibrationError where a score is no number: there is no largest one then."""
    if not np.isfinite(scores).all():
        raise CalibrationError(
            name,
            "the model's scores are no finite numbers",
            hint="check that the samples are preprocessed as the model was trained",
        )


def count_top(scores: Array, labels: Array, top_k: int) -> int:
    """How many samples have their label among the ``top_k`` largest scores.

    Of equal scores, as 8 bits often give, the lower class counts first, as ``argmax`` has it.
    """
    wanted = np.asarray(labels, np.int64)[:, None]
    own = np.take_along_axis(scores, wanted, axis=1)
    earlier = np.arange(scores.shape[1]) < wanted
    before = (scores > own) | ((scores == own) & earlier)
    return int((before.sum(axis=1) < top_k).sum())
