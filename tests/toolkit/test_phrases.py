"""Phrases of the reports."""

from __future__ import annotations

import pytest

from edgeq.report.phrases import first_and_more


@pytest.mark.parametrize(
    ("count", "phrase"),
    [
        (0, ""),
        (1, "operator 0"),
        (3, "operator 0, operator 1, operator 2"),
        (4, "operator 0, operator 1, operator 2 and 1 more"),
        (55, "operator 0, operator 1, operator 2 and 52 more"),
    ],
)
def test_of_a_long_list_the_first_are_named(count: int, phrase: str) -> None:
    assert first_and_more([f"operator {number}" for number in range(count)]) == phrase
