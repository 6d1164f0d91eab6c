"""Models of one fixed size: batch 1, and what only shapes decide computed ahead."""

from __future__ import annotations

from edgeq.static.batch import make_static, needs_work
from edgeq.static.trial_values import trial_values

__all__ = ["make_static", "needs_work", "trial_values"]
