"""Counting what a model gets right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeq.evaluate import count_top, evaluate
from edgeq_device.errors import CalibrationError, ConfigError


class Echo:
    """Gives back its input as scores."""

    def predict(self, arrays: tuple[Any, ...]) -> Any:
        return arrays[0]


def batch(rows: Any, labels: Any) -> Any:
    return (np.asarray(rows),), np.asarray(labels)


SCORES = np.array([[9, 1, 0, 0], [1, 9, 2, 0], [3, 2, 9, 1], [8, 7, 6, 5], [5, 6, 7, 8]], np.uint8)
LABELS = [0, 1, 1, 1, 0]


def test_the_figures_of_five_samples_in_two_batches() -> None:
    told: list[Any] = []
    found = evaluate(
        Echo(),
        [batch(SCORES[:3], LABELS[:3]), batch(SCORES[3:], LABELS[3:])],
        top_k=2,
        total=5,
        progress=lambda *step: told.append(step),
    )
    assert (found.samples, found.accuracy) == (5, 0.4)
    # Third: 1 is the third largest; fourth: 1 is second; fifth: 0 is last.
    assert (found.top_k, found.top_k_accuracy) == (2, 0.6)
    assert found.predictions.tolist() == [0, 1, 2, 0, 3]
    assert found.confusion.tolist() == [[1, 0, 0, 1], [1, 1, 1, 0], [0] * 4, [0] * 4]
    assert found.per_class[:2].tolist() == pytest.approx([1 / 2, 1 / 3])
    assert np.isnan(found.per_class[2:]).all()
    assert found.milliseconds >= 0
    assert told == [("evaluate", 3, 5), ("evaluate", 5, 5)]


def test_the_worst_confusions_come_first_and_hits_are_none() -> None:
    rows = np.eye(3)[[1, 1, 2, 0, 0, 0]]
    found = evaluate(Echo(), [batch(rows, [0, 0, 0, 1, 0, 0])])
    assert found.worst_confusions(5) == ((0, 1, 2), (1, 0, 1), (0, 2, 1))
    assert found.worst_confusions(1) == ((0, 1, 2),)
    assert found.confusion[0, 0] == 2


def test_top_k_is_never_more_than_the_classes() -> None:
    found = evaluate(Echo(), [batch(SCORES, LABELS)], top_k=9)
    assert (found.top_k, found.top_k_accuracy) == (4, 1.0)


def test_top_1_is_the_accuracy_even_where_8_bit_scores_are_equal() -> None:
    chance = np.random.default_rng(0)
    scores = chance.integers(0, 3, (500, 6)).astype(np.uint8)
    labels = chance.integers(0, 6, 500)
    found = evaluate(Echo(), [batch(scores, labels)], top_k=1)
    assert found.top_k_accuracy == found.accuracy
    assert 0.1 < found.accuracy < 0.5
    for k in (2, 3, 5):
        order = np.argsort(-scores.astype(int), axis=1, kind="stable")[:, :k]
        assert count_top(scores, labels, k) == (order == labels[:, None]).any(axis=1).sum()


@pytest.mark.parametrize("label", [4, -1])
def test_a_label_without_a_class_is_refused(label: int) -> None:
    with pytest.raises(CalibrationError) as caught:
        evaluate(Echo(), [batch(SCORES, [0, 0, label, 0, 0])])
    assert str(caught.value) == (f"test data: label {label} has no class: the model gives 4 scores")
    assert caught.value.hint == "labels must be whole numbers from 0 to 3"


def test_no_samples_are_refused() -> None:
    with pytest.raises(CalibrationError) as caught:
        evaluate(Echo(), [])
    assert str(caught.value) == "test data: holds no samples"
    assert caught.value.hint == "give pictures with labels"


def test_scores_that_are_no_numbers_are_no_answer() -> None:
    rows = np.array([[0.1, 0.2], [np.nan, 0.5]], np.float32)
    with pytest.raises(CalibrationError, match="the model's scores are no finite numbers"):
        evaluate(Echo(), [batch(rows, [0, 1])])


def test_a_top_k_below_1_is_refused() -> None:
    with pytest.raises(ConfigError, match="--top-k is 0, but must be at least 1"):
        evaluate(Echo(), [batch(SCORES, LABELS)], top_k=0)
