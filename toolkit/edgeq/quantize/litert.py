"""The ``litert`` engine: calibrate on XNNPACK, quantize with TensorFlow's classic C++ quantizer.

Both are in ``ai-edge-litert``, without TensorFlow: ``InvokeWithCalibration`` records every
tensor's least and greatest value inside C++, threaded; ``CalibrationWrapper.QuantizeModel``
turns those ranges into an integer model. They are private, so `self_test` runs them on a tiny
model before they are trusted. TensorFlow's own calibrator reads an operator's inputs after it
ran, when they may already hold its output, and gets wider ranges on residual networks
(https://github.com/tensorflow/tensorflow/issues/127842); this one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize.errors import EngineCannotError
from edgeq.quantize.observe import ObserveSpec, Range, Sample, observe
from edgeq.quantize.tidy import tidy
from edgeq.quantize.tiny import tiny_float_model
from edgeq_device import runtime
from edgeq_device.errors import MissingTool
from edgeq_device.progress import Progress, silent

UNREADABLE = {
    "PRELU": "its slopes come out in a form that the frozen compiler's interpreter cannot read",
}
"""Operators that this engine quantizes into something that TensorFlow 2.5 refuses to load."""

DEAD = 1e-20
"""A tensor that never goes beyond this holds nothing: its scale would be lost in float32."""


@dataclass(frozen=True)
class LitertSpec:
    """What the quantizer is told besides the samples."""

    name: str
    float_ends: bool = False
    fixed_ranges: tuple[Range | None, ...] = ()
    """A range for each input that is known beforehand."""
    tensor_ranges: tuple[tuple[str, Range], ...] = ()
    """The same for tensors inside the model, by name."""
    threads: int | None = None


def quantize(
    data: bytes, samples: Sequence[Sample], spec: LitertSpec, *, progress: Progress = silent
) -> bytes:
    """Float .tflite (static shapes) and samples (float32, in input order) -> integer .tflite.

    Ends are uint8, or float32 with ``float_ends``. Convolutions get one scale per output
    channel, dense layers one scale. EngineCannotError names the operator in the way.
    """
    self_test()
    model = editable.read(data, spec.name)
    refuse_unreadable(model, spec.name)
    tidy(model)
    refuse_unread_inputs(model, spec.name)
    names = unique_names(model)
    told = ObserveSpec(spec.name, spec.threads)
    put_ranges(model, observe(model, samples, told, progress=progress), spec)
    for tensor, name in zip(model.subgraphs[0].tensors, names, strict=True):
        tensor.name = name
    progress("quantize", 0, 1)
    integer = run_quantizer(editable.write(model), spec)
    progress("quantize", 1, 1)
    return integer


def put_ranges(model: Any, ranges: dict[str, Range], spec: LitertSpec) -> None:
    """Write the ranges into the model's tensors, where the quantizer looks for them."""
    tables, subgraph = editable.schema(), model.subgraphs[0]
    known = {**ranges, **dict(spec.tensor_ranges)}
    fixed = dict(zip(map(int, subgraph.inputs), spec.fixed_ranges, strict=False))
    for index, tensor in enumerate(subgraph.tensors):
        found = fixed.get(index) or known.get(editable.tensor_name(tensor))
        if found is None or editable.tensor_dtype(tensor) != np.float32:
            continue
        low, high = found
        if max(abs(low), abs(high)) < DEAD:
            # Any scale is right for a dead tensor, but a scale of 0 is refused at load time.
            low, high = 0.0, 1.0
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
        lines = dict.fromkeys(line.strip() for line in str(error).splitlines())
        reason = " ".join(filter(None, lines)) or type(error).__name__
        raise EngineCannotError(
            spec.name,
            f"the litert engine cannot quantize it: {reason}",
            hint="replace that operator, or leave it in float with --mode float-fallback",
        ) from error
    return bytes(integer)


def refuse_unreadable(model: Any, name: str) -> None:
    """EngineCannotError where something would come out unreadable for the frozen compiler."""
    if len(model.subgraphs) > 1:
        raise EngineCannotError(
            name,
            f"the litert engine cannot quantize a model of {len(model.subgraphs)} subgraphs",
            hint="write loops and conditions without control flow, such as unroll=True for an RNN",
        )
    for index, operator in enumerate(model.subgraphs[0].operators):
        op = editable.operator_name(model, operator)
        if op in UNREADABLE:
            raise EngineCannotError(
                name,
                f"the litert engine cannot quantize operator {index} ({op}): {UNREADABLE[op]}",
                hint="give the Keras model: TensorFlow's converter can",
            )


def refuse_unread_inputs(model: Any, name: str) -> None:
    """EngineCannotError for an input that no operator reads: it has nothing to be quantized for."""
    subgraph = model.subgraphs[0]
    read = {int(index) for operator in subgraph.operators for index in operator.inputs}
    for index in map(int, subgraph.inputs):
        if index not in read:
            raise EngineCannotError(
                name,
                f"no operator reads the input {editable.tensor_name(subgraph.tensors[index])!r}",
                hint="remove it from the model",
            )


def unique_names(model: Any) -> list[Any]:
    """Give every tensor a name of its own; returns the original names in order, as text.

    Calibration reports ranges by name, as UTF-8; two tensors may share a name or have none.
    """
    tensors = model.subgraphs[0].tensors
    originals = [
        None if tensor.name is None else editable.tensor_name(tensor) for tensor in tensors
    ]
    seen: set[str] = set()
    for index, tensor in enumerate(tensors):
        name = editable.tensor_name(tensor)
        if not name or name in seen:
            name = f"{name}#{index}"
        tensor.name = name
        seen.add(name)
    return originals


@lru_cache(maxsize=1)
def self_test() -> None:
    """Quantize a tiny dense layer whose answer is known; MissingTool where anything differs."""
    hint = 'pip install "ai-edge-litert>=2.1.6,<2.4", or --engine tflite-converter'
    spec = LitertSpec("self-test")
    try:
        model = editable.read(tiny_float_model())
        samples = [
            (np.array([[1.0, 0.0]], np.float32),),
            (np.array([[-1.0, 2.0]], np.float32),),
        ]
        ranges = observe(model, samples, ObserveSpec("self-test", threads=1))
        put_ranges(model, ranges, spec)
        integer = runtime.load(run_quantizer(editable.write(model), spec), name="self-test")
        (answer,) = integer.run(integer.inputs[0].quantize(np.array([[1.0, 1.0]], np.float32)))
        value = float(integer.outputs[0].dequantize(answer)[0, 0])
    except (ImportError, AttributeError, TypeError, EngineCannotError) as error:
        raise MissingTool("ai-edge-litert", f"has no quantizer ({error})", hint=hint) from error
    if ranges.get("out") != (1.0, 5.0) or abs(value - 4.0) > 0.05:
        problem = f"its quantizer fails the self-test (range {ranges.get('out')}, value {value})"
        raise MissingTool("ai-edge-litert", problem, hint=hint)
