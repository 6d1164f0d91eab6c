"""The least and the greatest value of every tensor of a float model on the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize.errors import EngineCannotError
from edgeq.quantize.recurrent import LSTM, state_ranges
from edgeq_device import runtime
from edgeq_device.errors import CalibrationError, ModelError
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array

Range = tuple[float, float]
Sample = tuple[Array, ...]


@dataclass(frozen=True)
class ObserveSpec:
    """How to run the float model; ``name`` stands for it in errors."""

    name: str
    threads: int | None = None


def observe(
    model: Any, samples: Sequence[Sample], spec: ObserveSpec, *, progress: Progress = silent
) -> dict[str, Range]:
    """Run every sample; returns the least and the greatest value of each float tensor, by name.

    Names must be unique in ``model``, an editable one. CalibrationError where a sample does not
    fit, or gives values that are no finite numbers; ModelError where the interpreter fails;
    EngineCannotError where a tensor cannot be observed.
    """
    data = editable.write(model)
    ranges = calibrate(model, data, samples, spec, progress=progress)
    missing = unobserved(model, ranges)
    if missing:
        ranges |= observe_kept(model, data, samples, spec)
        missing = {name: index for name, index in missing.items() if name not in ranges}
        for name in missing:
            raise EngineCannotError(
                spec.name,
                f"the litert engine cannot observe the values of tensor {name!r}",
                hint="--engine tflite-converter may, from the Keras model",
            )
    return ranges


def calibrate(
    model: Any,
    data: bytes,
    samples: Sequence[Sample],
    spec: ObserveSpec,
    *,
    progress: Progress = silent,
) -> dict[str, Range]:
    """The ranges that the runtime's own calibration reports: nearly all, and fast."""
    from ai_edge_litert import _pywrap_tfl_calibration as calibration

    options = runtime.LoadOptions(threads=spec.threads, runtime="ai-edge-litert", profile=True)
    interpreter = runtime.load(data, name=spec.name, options=options).interpreter
    indices = [detail["index"] for detail in interpreter.get_input_details()]
    handle = interpreter._native_handle()
    ranges = dict.fromkeys(_in_order(model.subgraphs[0]), (np.inf, -np.inf))
    for number, sample in enumerate(samples):
        try:
            for index, array in zip(indices, sample, strict=True):
                interpreter.set_tensor(index, array)
        except ValueError as error:
            hint = "give samples of the shape and type of the model's inputs"
            problem = f"sample {number} does not fit: {error}"
            raise CalibrationError(spec.name, problem, hint=hint) from error
        try:
            # Each sample starts afresh, as it does when the model is run.
            interpreter.reset_all_variables()
            seen = calibration.InvokeWithCalibration(handle, 0)
        except RuntimeError as error:
            why = " ".join(str(error).split())
            problem = f"fails on calibration sample {number}: {why}"
            hint = "leave that sample out, or mend the model"
            raise ModelError(spec.name, problem, hint=hint) from error
        for name in ranges:
            if name in seen:
                _widen(ranges, name, (seen[name].min, seen[name].max), spec.name)
        _refuse_unreal_outputs(interpreter, spec.name)
        progress("calibrate", number + 1, len(samples))
    return {name: ends for name, ends in ranges.items() if ends[0] <= ends[1]}


def observe_kept(
    model: Any, data: bytes, samples: Sequence[Sample], spec: ObserveSpec
) -> dict[str, Range]:
    """Ranges by plain kernels with every tensor kept: slower, but nothing is left out.

    Calibration reports no result that nothing reads, and no inner state of an LSTM.
    """
    subgraph = model.subgraphs[0]
    loaded = runtime.load(
        data, name=spec.name, options=runtime.LoadOptions(threads=spec.threads, preserve_all=True)
    )
    layers = [op for op in subgraph.operators if editable.operator_name(model, op) == LSTM]
    written = _written(subgraph)
    ranges: dict[str, Range] = {}
    for sample in samples:
        loaded.run(*sample)
        seen: dict[int, Range] = {}
        for index in written:
            values = loaded.tensor(index)
            if values.size:
                seen[index] = (float(values.min()), float(values.max()))
        for layer in layers:
            seen |= state_ranges(model, layer, loaded, spec.name)
        for index, ends in seen.items():
            _widen(ranges, editable.tensor_name(subgraph.tensors[index]), ends, spec.name)
    return ranges


def unobserved(model: Any, ranges: dict[str, Range]) -> dict[str, int]:
    """Float tensors that operators write or keep and that have no range: index by name."""
    subgraph = model.subgraphs[0]
    kept = {index for index, tensor in enumerate(subgraph.tensors) if tensor.isVariable}
    float32 = editable.tensor_type(np.float32)
    candidates = {
        editable.tensor_name(subgraph.tensors[index]): index
        for index in sorted(kept.union(_written(subgraph)))
        if subgraph.tensors[index].type == float32
    }
    return {name: index for name, index in candidates.items() if name not in ranges}


def _in_order(subgraph: Any) -> list[str]:
    """The names of inputs and results in the order in which they are computed."""
    results = [index for operator in subgraph.operators for index in operator.outputs]
    indices = dict.fromkeys(int(index) for index in (*subgraph.inputs, *results))
    return [editable.tensor_name(subgraph.tensors[index]) for index in indices if index >= 0]


def _written(subgraph: Any) -> list[int]:
    """The float32 tensors that operators write."""
    float32 = editable.tensor_type(np.float32)
    found = {int(index) for operator in subgraph.operators for index in operator.outputs}
    return sorted(i for i in found if i >= 0 and subgraph.tensors[i].type == float32)


def _widen(ranges: dict[str, Range], name: str, seen: Range, model: str) -> None:
    low, high = seen
    if not np.isfinite(seen).all():
        raise _unreal(model, f"tensor {name!r} becomes {low} to {high} on the samples")
    before = ranges.get(name, seen)
    ranges[name] = (min(before[0], low), max(before[1], high))


def _refuse_unreal_outputs(interpreter: Any, model: str) -> None:
    """Calibration compares with ``<``, so that a NaN among other numbers can hide from it."""
    for detail in interpreter.get_output_details():
        if detail["dtype"] == np.float32:
            values = interpreter.get_tensor(detail["index"])
            if not np.isfinite(values).all():
                wrong = values[~np.isfinite(values)][0]
                raise _unreal(model, f"output {detail['name']!r} holds {wrong} on the samples")


def _unreal(model: str, problem: str) -> CalibrationError:
    return CalibrationError(
        model, problem, hint="check that the samples are preprocessed as the model was trained"
    )
