"""Which operators will run on the Edge TPU, and why the others will not; no compiler needed."""

from __future__ import annotations

from edgeq.analyze.blocking import first_blocker
from edgeq.analyze.costs import fit, parameter_bytes
from edgeq.analyze.partition import partition
from edgeq.analyze.placing import place, verdict
from edgeq.analyze.results import CPU, EDGETPU, Analysis, Blocker, Placement, summary
from edgeq.ops.case import Case, Surroundings
from edgeq_device.errors import ModelError
from edgeq_device.tflite import Model

__all__ = ["CPU", "EDGETPU", "Analysis", "Blocker", "Placement", "analyze", "summary"]


def analyze(model: Model) -> Analysis:
    """Predict where each operator of the model's first subgraph will run.

    A float model is judged as it will be once quantized. ModelError for a compiled model.
    """
    if model.is_compiled:
        hint = "give the .tflite that it was compiled from"
        raise ModelError(model.name, "is already compiled for the Edge TPU", hint=hint)
    surroundings = Surroundings(model)
    cases = tuple(Case(surroundings, operator) for operator in model.main.operators)
    verdicts = tuple(verdict(case) for case in cases)
    supported = tuple(each is None for each in verdicts)
    placements = place(cases, verdicts, partition(model.main, supported))
    total = sum(
        parameter_bytes(case)
        for case, each in zip(cases, placements, strict=True)
        if each.is_mapped
    )
    return Analysis(
        name=model.name,
        is_float=surroundings.is_float,
        operators=placements,
        blocker=first_blocker(model.main, placements, supported),
        parameter_bytes=total,
        fit=fit(total),
    )
