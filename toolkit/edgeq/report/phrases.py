"""Phrases that several reports share."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3
"""Names of a long list that people are told."""


def first_and_more(names: Sequence[str], shown: int = SHOWN) -> str:
    """The names with commas; of a longer list the first ``shown``, and how many more there are."""
    listed = ", ".join(names[:shown])
    more = len(names) - shown
    return f"{listed} and {more} more" if more > 0 else listed
