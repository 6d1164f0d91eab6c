"""The ``litert`` engine: calibrate on XNNPACK, quantize with TensorFlow's classic C++ quantizer.

Both are in ``ai-edge-litert``, without TensorFlow: ``InvokeWithCalibration`` records every
tensor's least and greatest value inside C++, threaded; ``CalibrationWrapper.QuantizeModel``
turns those ranges into an integer model. They are private, so `self_test` runs them on a tiny
model before they are trusted. TensorFlow's own calibrator reads an operator's inputs after it
ran, when they may already hold its output, and gets wider ranges on residual networks
(https://github.com/tensorflow/tensorflow/issues/127842); this one does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize.tiny import tiny_float_model
from edgeq_device import runtime
from edgeq_device.errors import CalibrationError, MissingTool, ModelError
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array

Range = tuple[float, float]
Sample = tuple[Array, ...]

UNREADABLE = {
    "PRELU": "its slopes come out in a form that the frozen compiler's interpreter cannot read",
}
"""Operators that this engine quantizes into something that TensorFlow 2.5 refuses to load."""


class EngineCannotError(ModelError):
    """This engine cannot quantize the model; another one may."""


@dataclass(frozen=True)
class LitertSpec:
    """What the quantizer is told besides the samples."""

    name: str
    float_ends: bool = False
    fixed_ranges: tuple[Range | None, ...] = ()
    threads: int | None = None


def quantize(
    data: bytes, samples: Iterable[Sample], spec: LitertSpec, *, progress: Progress = silent
) -> bytes:
    """Float .tflite (static shapes) and samples (float32, in input order) -> integer .tflite.

    Ends are uint8, or float32 with ``float_ends``. Convolutions get one scale per output
    channel, dense layers one scale. EngineCannotError names the operator in the way.
    """
    self_test()
    model = editable.read(data)
    refuse_unreadable(model, spec.name)
    names = unique_names(model)
    ready = editable.write(model)
    ranges = calibrate(ready, samples, spec, progress=progress)
    put_ranges(model, ranges, spec)
    for tensor, name in zip(model.subgraphs[0].tensors, names, strict=True):
        tensor.name = name
    progress("quantize", 0, 1)
    integer = run_quantizer(editable.write(model), spec)
    progress("quantize", 1, 1)
    return integer


def calibrate(
    data: bytes, samples: Iterable[Sample], spec: LitertSpec, *, progress: Progress = silent
) -> dict[str, Range]:
    """Run every sample; returns the least and greatest value of each tensor, by name."""
    from ai_edge_litert import _pywrap_tfl_calibration as calibration

    options = runtime.LoadOptions(threads=spec.threads, runtime="ai-edge-litert", profile=True)
    loaded = runtime.load(data, name=spec.name, options=options)
    interpreter = loaded.interpreter
    indices = [detail["index"] for detail in interpreter.get_input_details()]
    handle = interpreter._native_handle()
    ranges: dict[str, Range] = {}
    total = len(samples) if isinstance(samples, Sequence) else 0
    for number, sample in enumerate(samples, start=1):
        for index, array in zip(indices, sample, strict=True):
            interpreter.set_tensor(index, array)
        seen = calibration.InvokeWithCalibration(handle, 0)
        for name, found in seen.items():
            low, high = ranges.get(name, (found.min, found.max))
            ranges[name] = (min(low, found.min), max(high, found.max))
        progress("calibrate", number, total)
    return ranges


def put_ranges(model: Any, ranges: dict[str, Range], spec: LitertSpec) -> None:
    """Write the ranges into the model's tensors, where the quantizer looks for them."""
    tables, subgraph = editable.schema(), model.subgraphs[0]
    fixed = dict(zip(map(int, subgraph.inputs), spec.fixed_ranges, strict=False))
    for index, tensor in enumerate(subgraph.tensors):
        found = fixed.get(index) or ranges.get(editable.tensor_name(tensor))
        if found is None or editable.tensor_dtype(tensor) != np.float32:
            continue
        low, high = found
        if not np.isfinite([low, high]).all():
            raise CalibrationError(
                spec.name,
                f"tensor {editable.tensor_name(tensor)!r} becomes {low} to {high} on the samples",
                hint="check that the samples are preprocessed as the model was trained",
            )
        if low == high == 0.0:
            # A dead tensor: any scale is right, but a scale of 0 is refused at load time.
            high = 1.0
        quantization = tensor.quantization or tables.QuantizationParametersT()
        quantization.min, quantization.max = [low], [high]
        tensor.quantization = quantization


def run_quantizer(data: bytes, spec: LitertSpec) -> bytes:
    """A float model with ranges -> an integer model, by the classic C++ quantizer."""
    from ai_edge_litert import _pywrap_tensorflow_lite_calibration_wrapper as wrapper

    ends = np.dtype(np.float32 if spec.float_ends else np.uint8).num
    activations, biases = np.dtype(np.int8).num, np.dtype(np.int32).num
    per_tensor_convolutions, per_tensor_dense = False, True
    try:
        quantizer = wrapper.CalibrationWrapper(data, [], [])
        integer = quantizer.QuantizeModel(
            ends,
            ends,
            spec.float_ends,
            activations,
            biases,
            per_tensor_convolutions,
            per_tensor_dense,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EngineCannotError(
            spec.name,
            f"the litert engine cannot quantize it: {reason}",
            hint="replace that operator, or leave it in float with --mode float-fallback",
        ) from error
    return bytes(integer)


def refuse_unreadable(model: Any, name: str) -> None:
    """EngineCannotError where an operator would come out unreadable for the frozen compiler."""
    for index, operator in enumerate(model.subgraphs[0].operators):
        op = editable.operator_name(model, operator)
        if op in UNREADABLE:
            raise EngineCannotError(
                name,
                f"the litert engine cannot quantize operator {index} ({op}): {UNREADABLE[op]}",
                hint="give the Keras model: TensorFlow's converter can",
            )


def unique_names(model: Any) -> list[Any]:
    """Give every tensor a name of its own; returns the original names in order.

    Calibration reports ranges by name, and two tensors may share one or have none.
    """
    tensors = model.subgraphs[0].tensors
    originals = [tensor.name for tensor in tensors]
    seen: set[str] = set()
    for index, tensor in enumerate(tensors):
        name = editable.tensor_name(tensor)
        if not name or name in seen:
            tensor.name = name = f"{name}#{index}"
        seen.add(name)
    return originals


@lru_cache(maxsize=1)
def self_test() -> None:
    """Quantize a tiny dense layer whose answer is known; MissingTool where anything differs."""
    hint = 'pip install "ai-edge-litert>=2.1.6,<2.4", or --engine tflite-converter'
    spec = LitertSpec("self-test", threads=1)
    try:
        model = editable.read(tiny_float_model())
        samples = [
            (np.array([[1.0, 0.0]], np.float32),),
            (np.array([[-1.0, 2.0]], np.float32),),
        ]
        ranges = calibrate(editable.write(model), samples, spec)
        put_ranges(model, ranges, spec)
        integer = runtime.load(run_quantizer(editable.write(model), spec), name="self-test")
        (answer,) = integer.run(integer.inputs[0].quantize(np.array([[1.0, 1.0]], np.float32)))
        value = float(integer.outputs[0].dequantize(answer)[0, 0])
    except (ImportError, AttributeError, TypeError) as error:
        raise MissingTool("ai-edge-litert", f"has no quantizer ({error})", hint=hint) from error
    if ranges.get("out") != (1.0, 5.0) or abs(value - 4.0) > 0.05:
        problem = f"its quantizer fails the self-test (range {ranges.get('out')}, value {value})"
        raise MissingTool("ai-edge-litert", problem, hint=hint)
