"""Run two models on the same samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.agreement.outputs import Agreement, compare_output
from edgeq_device.errors import CalibrationError, ModelError
from edgeq_device.runtime import LoadedModel
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import Model

Sample = tuple[Array, ...]


def compare(
    reference: LoadedModel,
    candidate: LoadedModel,
    samples: Sequence[tuple[Sample, Sample]],
    steps: Sequence[float] | None = None,
) -> Agreement:
    """Run both models on each sample, given as (reference's inputs, candidate's inputs).

    ``steps`` are the candidate's `output_steps`; by default the scales of its outputs.
    CalibrationError where the float model itself gives no finite numbers; ModelError where the
    two models have different outputs.
    """
    _refuse_different_outputs(reference, candidate)
    expected: list[list[Array]] = [[] for _ in reference.outputs]
    seen: list[list[Array]] = [[] for _ in candidate.outputs]
    for for_reference, for_candidate in samples:
        for kept, array in zip(expected, reference.run(*for_reference), strict=True):
            kept.append(array)
        for kept, array in zip(seen, candidate.run(*for_candidate), strict=True):
            kept.append(array)
    if steps is None:
        steps = [spec.scale for spec in candidate.outputs]
    stacked = [(np.stack(wanted), np.stack(got)) for wanted, got in zip(expected, seen)]
    for spec, (wanted, _) in zip(reference.outputs, stacked, strict=True):
        _refuse_unreal(reference.name, spec, wanted)
    return Agreement(
        len(samples),
        tuple(
            compare_output(spec, ours, wanted, got, step)
            for spec, ours, (wanted, got), step in zip(
                reference.outputs, candidate.outputs, stacked, steps, strict=True
            )
        ),
    )


def output_steps(model: Model) -> tuple[float, ...]:
    """What each output was rounded to: its scale, or that of what a last DEQUANTIZE reads."""
    graph = model.main
    behind = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if operator.op == "DEQUANTIZE"
    }
    scales = [graph.tensors[behind.get(i, i)].quantization.scales for i in graph.outputs]
    return tuple(found[0] if len(found) == 1 else 0.0 for found in scales)


def _refuse_different_outputs(reference: LoadedModel, candidate: LoadedModel) -> None:
    wanted = [int(np.prod(spec.shape)) for spec in reference.outputs]
    got = [int(np.prod(spec.shape)) for spec in candidate.outputs]
    if wanted != got:
        raise ModelError(
            candidate.name,
            f"its outputs hold {got} numbers, the float model's {wanted}",
            hint="compare two forms of the same model",
        )


def _refuse_unreal(name: str, spec: TensorSpec, values: Array) -> None:
    wrong = [not np.isfinite(sample).all() for sample in values]
    if any(wrong):
        raise CalibrationError(
            name,
            f"output {spec.name!r} of the float model is no finite number on {sum(wrong)} of "
            f"{len(wrong)} samples",
            hint="check that the samples are preprocessed as the model was trained",
        )
