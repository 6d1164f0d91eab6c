"""Take a quantized model, take it with a remark, or refuse it."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.agreement.broken import BrokenOperator, find_broken
from edgeq.agreement.compared import Sample
from edgeq.agreement.outputs import Agreement, OutputAgreement
from edgeq_device.errors import GateFailed

TRACED = 4
"""Samples on which the operators are compared."""


def accept(
    agreement: Agreement,
    reference: bytes,
    candidate: bytes,
    samples: Sequence[tuple[Sample, Sample]],
) -> str:
    """Judge a quantized model: returns a remark ("" where all is well) or raises GateFailed.

    ``reference`` and ``candidate`` are the two models; they are run again with every tensor
    kept, to name the operator, only where an output is not fine.
    """
    doubtful = [output for output in agreement.outputs if not output.is_fine]
    if not doubtful:
        return ""
    broken = find_broken(reference, candidate, samples[:TRACED])
    lost = [output for output in doubtful if output.is_lost]
    worst = min(lost or doubtful, key=lambda output: output.sqnr_db)
    said = _describe(worst)
    if broken is not None and broken.is_broken:
        raise GateFailed(
            f"operator {broken.index} ({broken.op}, tensor {broken.tensor!r}) is quantized "
            f"wrongly: {broken.before_db:.1f} dB before it, {broken.after_db:.1f} dB after it; "
            + said,
            hint="replace that operator (SUM: use MEAN), or try --engine tflite-converter",
        )
    if lost:
        raise GateFailed(
            said + _where(broken),
            hint="calibrate with pictures like those of the task, preprocessed as in training",
        )
    return said + " (fair, not good)"


def _describe(output: OutputAgreement) -> str:
    if output.is_whole:
        share = 100 * (output.top1 or 0.0)
        return f"output {output.name!r} is equal to the float model's in {share:.0f} % of cases"
    return f"output {output.name!r} has {output.sqnr_db:.1f} dB against the float model"


def _where(broken: BrokenOperator | None) -> str:
    if broken is None:
        return ""
    return (
        f"; most is lost at operator {broken.index} ({broken.op}, {broken.tensor!r}): "
        f"{broken.before_db:.1f} dB to {broken.after_db:.1f} dB"
    )
