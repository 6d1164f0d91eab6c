"""Which operator of an integer model no longer does what the float model does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.agreement.compared import Sample
from edgeq.agreement.outputs import decibels, is_own_rounding
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import Model, parse_model

BROKEN_DB = 8.0
"""An operator whose result falls below this is broken,"""
DROP_DB = 6.0
"""if it is this much worse than its operands."""


@dataclass(frozen=True)
class BrokenOperator:
    """The operator of the integer model at which most of the agreement is lost."""

    index: int
    op: str
    tensor: str
    before_db: float
    after_db: float

    @property
    def is_broken(self) -> bool:
        """True where it alone spoils the model; False where the loss comes little by little."""
        return self.after_db < BROKEN_DB and self.before_db - self.after_db >= DROP_DB


@dataclass(frozen=True)
class _Ratio:
    decibels: float
    is_rounding: bool


def find_broken(
    reference: bytes, candidate: bytes, samples: Sequence[tuple[Sample, Sample]]
) -> BrokenOperator | None:
    """The operator of the candidate at which most of the agreement is lost, None without one.

    Tensors are matched by name; an operator counts where its result and at least one computed
    operand have a twin in the float model, and the error is more than the result's rounding.
    """
    ratios = _tensor_ratios(reference, candidate, samples)
    graph = parse_model(candidate, "integer model").main
    worst: BrokenOperator | None = None
    for operator in graph.operators:
        before = [ratios[index].decibels for index in operator.inputs if index in ratios]
        after = [
            (ratios[index].decibels, index)
            for index in operator.outputs
            if index in ratios and not ratios[index].is_rounding
        ]
        if not before or not after:
            continue
        lowest, tensor = min(after)
        drop = min(before) - lowest
        if worst is None or drop > worst.before_db - worst.after_db:
            name = graph.tensors[tensor].name
            worst = BrokenOperator(operator.index, operator.op, name, min(before), lowest)
    return worst


def _tensor_ratios(
    reference: bytes, candidate: bytes, samples: Sequence[tuple[Sample, Sample]]
) -> dict[int, _Ratio]:
    """Signal to noise of each computed tensor of the candidate that the reference has too."""
    options = LoadOptions(preserve_all=True)
    wanted = load(reference, name="float model", options=options)
    got = load(candidate, name="integer model", options=options)
    twins = _matching_tensors(
        parse_model(reference, "float model"), parse_model(candidate, "integer model")
    )
    pairs: dict[int, list[tuple[Array, Array]]] = {index: [] for index in twins}
    for for_reference, for_candidate in samples:
        wanted.run(*for_reference)
        got.run(*for_candidate)
        for index, (twin, spec) in twins.items():
            signal = wanted.tensor(twin).astype(np.float64).ravel()
            pairs[index].append((signal, signal - spec.dequantize(got.tensor(index)).ravel()))
    found: dict[int, _Ratio] = {}
    for index, (_, spec) in twins.items():
        signal, noise = (np.stack(arrays) for arrays in zip(*pairs[index], strict=True))
        # A finite number, so that drops can be compared.
        ratio = float(np.clip(decibels(signal, noise), -300, 300))
        found[index] = _Ratio(ratio, is_own_rounding(signal, noise, spec.scale))
    return found


def _matching_tensors(reference: Model, candidate: Model) -> dict[int, tuple[int, TensorSpec]]:
    """Computed float tensors of the reference by the candidate's tensor of the same name."""
    ours = reference.main
    computed = {index for operator in ours.operators for index in operator.outputs}
    computed |= set(ours.inputs)
    by_name = {
        tensor.name: tensor
        for tensor in ours.tensors
        if tensor.index in computed and tensor.dtype == "float32" and tensor.name
    }
    found: dict[int, tuple[int, TensorSpec]] = {}
    for tensor in candidate.main.tensors:
        twin = by_name.get(tensor.name) or by_name.get(tensor.name.removesuffix("_int8"))
        if twin is None or len(tensor.quantization.scales) != 1:
            continue
        if twin.elements == tensor.elements:
            found[tensor.index] = (twin.index, tensor.spec())
    return found
