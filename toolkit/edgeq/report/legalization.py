"""What a legalization did, for machines and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from edgeq.legalize import PASSES, LegalizeReport, Touched


def legalization_json(report: LegalizeReport, *, changed: bool) -> dict[str, Any]:
    """The document of ``edgeq legalize --json``."""
    return {
        "schema": "edgeq.legalization/1",
        "changed": changed,
        "rewrites": [
            {
                "name": one.name,
                "operators": _operators(one.operators),
                "exact": one.is_exact,
                "max_steps": one.max_steps,
            }
            for one in report.rewrites
        ],
        "undone": [
            {"name": one.name, "operators": _operators(one.operators), "reason": one.reason}
            for one in report.undone
        ],
    }


def legalization_lines(report: LegalizeReport, *, changed: bool) -> Iterator[str]:
    """A line for each rewrite, and one where nothing was to do."""
    for one in report.rewrites:
        error = "bit for bit" if one.is_exact else f"{one.max_steps:.2g} steps at most"
        yield f"{one.name}: {_counted(one.operators)}, {error}"
    for undone in report.undone:
        yield f"{undone.name}: undone, because {undone.reason}"
    if not changed:
        yield "nothing to rewrite: the same bytes"


def list_json() -> dict[str, Any]:
    """The document of ``edgeq legalize --list --json``."""
    return {
        "schema": "edgeq.rewrites/1",
        "rewrites": [
            {"name": one.name, "summary": one.summary, "exact": one.is_exact} for one in PASSES
        ],
    }


def list_lines() -> Iterator[str]:
    """A line for each rewrite there is, in the order in which they run."""
    width = max(len(one.name) for one in PASSES)
    for one in PASSES:
        note = "" if one.is_exact else " (with --approximate)"
        yield f"{one.name:{width}}  {one.summary}{note}"


def _operators(touched: Sequence[Touched]) -> list[dict[str, str]]:
    return [{"op": one.op, "output": one.output} for one in touched]


def _counted(touched: Sequence[Touched]) -> str:
    counts = Counter(one.op for one in touched)
    return ", ".join(f"{count} {op}" for op, count in counts.items())
