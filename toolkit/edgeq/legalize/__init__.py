"""Rewrite a model so that the frozen compiler reads it and maps as much as it can.

A rewrite is one file with one `Rewrite`; ``passes`` lists them in the order in which they run.
"""

from __future__ import annotations

from edgeq.legalize.draft import LegalizeSpec, Rewrite, Touched
from edgeq.legalize.passes import PASSES
from edgeq.legalize.run import Applied, LegalizeReport, Undone, legalize

__all__ = [
    "PASSES",
    "Applied",
    "LegalizeReport",
    "LegalizeSpec",
    "Rewrite",
    "Touched",
    "Undone",
    "legalize",
]
