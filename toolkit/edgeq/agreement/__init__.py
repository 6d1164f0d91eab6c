"""The one place that compares two models on samples: does the integer model say what float says?"""

from __future__ import annotations

from edgeq.agreement.broken import BrokenOperator, find_broken
from edgeq.agreement.compared import compare, output_steps
from edgeq.agreement.outputs import Agreement, OutputAgreement, compare_output
from edgeq.agreement.verdict import accept

__all__ = [
    "Agreement",
    "BrokenOperator",
    "OutputAgreement",
    "accept",
    "compare",
    "compare_output",
    "find_broken",
    "output_steps",
]
