"""Recurrent layers."""

from __future__ import annotations

from edgeq.ops.case import Case, Refusal, Rule

MOST_FEATURES = 900
"""Per step; users met the limit between 900 and 1,000 (google-coral/edgetpu issue 598)."""


def sequence_is_narrow(case: Case) -> Refusal | None:
    """An LSTM must read at most 900 features per step."""
    read = case.operand(0)
    if read is None or not read.shape or read.shape[-1] <= MOST_FEATURES:
        return None
    return Refusal(f"it reads {read.shape[-1]}", "put a smaller dense layer before it")


RULES = (Rule(sequence_is_narrow, ("UNIDIRECTIONAL_SEQUENCE_LSTM",)),)
