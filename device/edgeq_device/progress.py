"""How long work tells its caller where it stands: one method, silent by default."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of long work; the command line draws it, a library call is silent."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` steps of ``stage`` are finished (total 0: unknown)."""


def silent(stage: str, done: int, total: int) -> None:
    """Ignore all progress."""
