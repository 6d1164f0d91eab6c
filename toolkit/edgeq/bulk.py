"""Many samples through one model: in batches where that gives the same bytes, else one by one.

A small model spends most of its time between inferences. Batches of 64 take the digits' network
from 10 to 6 microseconds an image; large networks gain nothing, so they are left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq_device.errors import EdgeqError
from edgeq_device.runtime import LoadedModel, LoadOptions, load
from edgeq_device.tensors import Array, TensorSpec

BATCH = 64
WORTH_IT = 64 * BATCH
"""Fewer samples are done before a batched model is made and compared."""
PIECE = 1 << 20
"""Numbers to read and convert at once; more keeps those who decode pictures waiting."""
SHIFT = 128
"""Between a uint8 value and the int8 value that means the same."""
SMALL = 1 << 20
"""Models above this many bytes compute long enough for the calls between not to matter."""

ROWWISE = {
    *("ADD", "MUL", "SUB", "RELU", "RELU6", "TANH", "LOGISTIC", "SOFTMAX"),
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D"),
    *("QUANTIZE", "DEQUANTIZE", "RESHAPE"),
}
"""Operators that treat each row of a batch alike."""


class BulkModel:
    """A model for whole data sets; `run` takes any number of samples at once."""

    def __init__(self, data: bytes, name: str, options: LoadOptions | None = None) -> None:
        self.single: LoadedModel = load(data, name=name, options=options)
        self._data = data
        self._options = options
        self._batched: _Batched | None = None
        self._tried = False
        self._expected = 0

    def expect(self, samples: int) -> None:
        """Say how many samples are to come in all, in whatever portions."""
        self._expected = samples

    @property
    def batch_size(self) -> int:
        """Samples to read and convert at once: whole batches of a small model."""
        numbers = sum(int(np.prod(spec.shape)) for spec in self.single.inputs)
        count = PIECE // max(1, numbers)
        return count - count % BATCH if count >= BATCH else max(1, count)

    def run(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """Inputs, each [N, ...] in its tensor's dtype -> outputs, each [N, ...]."""
        arrays = tuple(
            np.ascontiguousarray(array).reshape(len(array), *spec.shape[1:])
            for array, spec in zip(arrays, self.single.inputs, strict=True)
        )
        count = len(arrays[0])
        if max(self._expected, count) >= WORTH_IT and count >= BATCH and not self._tried:
            self._tried = True
            self._batched = self._make_batched(tuple(array[:BATCH] for array in arrays))
        done = 0
        results: list[tuple[Array, ...]] = []
        if self._batched is not None:
            for done in range(BATCH, count + 1, BATCH):
                results.append(self._batched.run(*(array[done - BATCH : done] for array in arrays)))
        rest = [
            tuple(array[number : number + 1] for array in arrays) for number in range(done, count)
        ]
        results += [self._one(sample) for sample in rest]
        if not results:
            return tuple(
                np.empty((0, *_row(spec.shape)), spec.dtype) for spec in self.single.outputs
            )
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))

    def _one(self, sample: tuple[Array, ...]) -> tuple[Array, ...]:
        shaped = (a.reshape(s.shape) for a, s in zip(sample, self.single.inputs, strict=True))
        return tuple(output.reshape(1, *_row(output.shape)) for output in self.single.run(*shaped))

    def _make_batched(self, first: tuple[Array, ...]) -> _Batched | None:
        """The same model for `BATCH` samples, if it gives the same bytes on the first ones."""
        if len(self._data) > SMALL:
            return None
        data = with_batch(self._data, BATCH)
        if data is None:
            return None
        try:
            data = without_shifts(data)
            loaded = load(data, name=self.single.name, options=self._options)
            batched = _Batched(loaded, self.single)
            together = batched.run(*first)
        except EdgeqError:
            return None
        alone = [self._one(tuple(array[n : n + 1] for array in first)) for n in range(BATCH)]
        same = all(
            np.array_equal(rows, np.concatenate(singles))
            for rows, singles in zip(together, zip(*alone, strict=True), strict=True)
        )
        return batched if same else None


class _Batched:
    """Runs `BATCH` samples with the ends of ``single``, where the model's own may be int8."""

    def __init__(self, model: LoadedModel, single: LoadedModel) -> None:
        self._model = model
        self._shifted_in = _differing(model.inputs, single.inputs)
        self._shifted_out = _differing(model.outputs, single.outputs)

    def run(self, *arrays: Array) -> tuple[Array, ...]:
        """Inputs -> outputs, each [BATCH, ...]."""
        given = (
            (array ^ np.uint8(SHIFT)).view(np.int8) if shifted else array
            for array, shifted in zip(arrays, self._shifted_in, strict=True)
        )
        return tuple(
            output.view(np.uint8) ^ np.uint8(SHIFT) if shifted else output
            for output, shifted in zip(self._model.run(*given), self._shifted_out, strict=True)
        )


def _differing(specs: tuple[TensorSpec, ...], others: tuple[TensorSpec, ...]) -> tuple[bool, ...]:
    return tuple(spec.dtype != other.dtype for spec, other in zip(specs, others, strict=True))


def without_shifts(data: bytes) -> bytes:
    """The model without the QUANTIZE at its ends that only move uint8 to int8 and back.

    The interpreter takes 0.5 microseconds a digit for them, numpy next to nothing.
    """
    model = editable.read(data)
    subgraph = model.subgraphs[0]
    read = [int(index) for operator in subgraph.operators for index in operator.inputs]
    inputs, outputs = list(map(int, subgraph.inputs)), list(map(int, subgraph.outputs))
    kept = []
    for operator in subgraph.operators:
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        shifting = editable.operator_name(model, operator) == "QUANTIZE"
        first = shifting and inputs.count(source) == 1 == read.count(source)
        last = shifting and outputs.count(target) == 1 and target not in read
        if first and source not in outputs and _shifts(subgraph.tensors, source, target):
            inputs[inputs.index(source)] = target
        elif (
            last and source not in (*inputs, *outputs) and _shifts(subgraph.tensors, target, source)
        ):
            outputs[outputs.index(target)] = source
        else:
            kept.append(operator)
    subgraph.operators, subgraph.inputs, subgraph.outputs = kept, inputs, outputs
    model.signatureDefs = None  # they name the old ends
    return editable.write(model)


def _shifts(tensors: Any, unsigned: int, signed: int) -> bool:
    """Whether one is uint8, the other int8, and a value of one is that of the other plus 128."""
    high, low = tensors[unsigned], tensors[signed]
    if (editable.tensor_dtype(high), editable.tensor_dtype(low)) != (
        np.dtype(np.uint8),
        np.dtype(np.int8),
    ):
        return False
    one, other = high.quantization, low.quantization
    return bool(
        len(one.scale) == len(other.scale) == 1
        and one.scale[0] == other.scale[0]
        and int(one.zeroPoint[0]) - int(other.zeroPoint[0]) == SHIFT
    )


def with_batch(data: bytes, batch: int) -> bytes | None:
    """The model with its leading dimension of 1 made ``batch``; None where that is not safe."""
    model = editable.read(data)
    subgraph = model.subgraphs[0]
    computed = [tensor for tensor in subgraph.tensors if editable.constant(model, tensor) is None]
    if len(model.subgraphs) != 1 or any(not _leads_with_one(tensor) for tensor in computed):
        return None
    for operator in subgraph.operators:
        name = editable.operator_name(model, operator)
        if name not in ROWWISE or (name == "RESHAPE" and not _widen(model, operator, batch)):
            return None
    for tensor in computed:
        tensor.shape = np.asarray([batch, *tensor.shape[1:]], np.int32)
        tensor.shapeSignature = None
    return editable.write(model)


def _row(shape: tuple[int, ...]) -> tuple[int, ...]:
    """An output's shape without its batch of 1; all of it where there is none."""
    return shape[1:] if shape[:1] == (1,) else shape


def _leads_with_one(tensor: Any) -> bool:
    return tensor.shape is not None and len(tensor.shape) > 1 and int(tensor.shape[0]) == 1


def _widen(model: Any, operator: Any, batch: int) -> bool:
    """Make a RESHAPE's constant shape ``batch`` rows; False where it does not begin with 1."""
    if len(operator.inputs) < 2:
        return False
    tensor = model.subgraphs[0].tensors[int(operator.inputs[1])]
    shape = editable.constant(model, tensor)
    if shape is None or shape.size < 2 or int(shape[0]) not in (1, -1, batch):
        return False
    widened = np.asarray([batch, *shape[1:]], np.int32)
    editable.set_constant(model, tensor, widened)
    if operator.builtinOptions is not None:
        operator.builtinOptions.newShape = widened
    return True
