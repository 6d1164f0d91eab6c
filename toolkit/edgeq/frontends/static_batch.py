"""Make the batch of a .tflite 1 and compute what depends on shapes ahead, once.

A model converted with an open batch measures its own tensors at run time (SHAPE, STRIDED_SLICE,
PACK, ...). The Edge TPU's compiler takes no such operator and no open shape. With the batch at 1
all of them have constant answers: the interpreter computes them here, they become constants, and
the operators go. No other number in the model changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.frontends.constant_tensors import computed_from_constants
from edgeq.frontends.dead_parts import drop_dead_parts
from edgeq.model import (
    EditableModel,
    add_tensor,
    constant,
    operator_name,
    read,
    set_constant,
    tensor_name,
    write,
)
from edgeq_device.errors import ModelError
from edgeq_device.runtime import LoadedModel, LoadOptions, load, probe
from edgeq_device.tensors import Array


def make_static(data: bytes, name: str) -> bytes:
    """A checked .tflite -> the same model with batch 1 and no open shape, bit for bit.

    Bytes that are static already come back untouched. ModelError (about ``name``) where a
    dimension other than the batch is open, or where shapes depend on the values.
    """
    model = read(data)
    if not _needs_work(model):
        return data
    _fix_inputs(model, name)
    fixed = write(model)
    probe(fixed, name=name)
    runner = load(fixed, name=name, options=LoadOptions(threads=1, preserve_all=True))
    runner.run(*_zeros(runner))
    _fold(model, runner)
    _settle_shapes(model, runner)
    folded = write(model)
    _verify(fixed, folded, name)
    return folded


def _needs_work(model: EditableModel) -> bool:
    if any(
        tensor.shapeSignature is not None and min(tensor.shapeSignature, default=0) < 0
        for graph in model.subgraphs
        for tensor in graph.tensors
    ):
        return True
    return bool(computed_from_constants(model, model.subgraphs[0]))


def _fix_inputs(model: EditableModel, name: str) -> None:
    graph = model.subgraphs[0]
    for index in graph.inputs:
        tensor = graph.tensors[index]
        signature = tensor.shapeSignature
        if signature is None:
            continue
        sizes = [int(size) for size in signature]
        if any(size < 0 for size in sizes[1:]):
            shown = ", ".join("?" if size < 0 else str(size) for size in sizes)
            raise ModelError(
                name,
                f"input {tensor_name(tensor)!r} has the shape ({shown}), where ? has no fixed size",
                hint="convert it again with a fixed size for every dimension but the batch",
            )
        if sizes and sizes[0] < 0:
            sizes[0] = 1
        tensor.shape = np.asarray(sizes, np.int32)
        tensor.shapeSignature = None


def _fold(model: EditableModel, runner: LoadedModel) -> None:
    """Make constants of all tensors that only constants and shapes decide."""
    graph = model.subgraphs[0]
    known = computed_from_constants(model, graph)
    for index in sorted(known):
        set_constant(model, graph.tensors[index], runner.tensor(index))
    graph.operators = [
        operator
        for operator in graph.operators
        if not all(int(index) in known for index in operator.outputs)
    ]


def _settle_shapes(model: EditableModel, runner: LoadedModel) -> None:
    """Write down the shapes that the interpreter found, and fix what RESHAPE leaves open."""
    graph = model.subgraphs[0]
    for detail in runner.interpreter.get_tensor_details():
        index = int(detail["index"])
        if index < len(graph.tensors) and constant(model, graph.tensors[index]) is None:
            graph.tensors[index].shape = np.asarray(detail["shape"], np.int32)
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.shapeSignature = None
    for operator in graph.operators:
        if operator_name(model, operator) == "RESHAPE":
            _settle_reshape(model, graph, operator)
    drop_dead_parts(model)


def _settle_reshape(model: EditableModel, graph: Any, operator: Any) -> None:
    shape = np.asarray(graph.tensors[int(operator.outputs[0])].shape, np.int32)
    if operator.builtinOptions is not None:
        operator.builtinOptions.newShape = shape
    if len(operator.inputs) > 1 and int(operator.inputs[1]) >= 0:
        given = constant(model, graph.tensors[int(operator.inputs[1])])
        if given is not None and not np.array_equal(given, shape):
            name = f"{tensor_name(graph.tensors[int(operator.outputs[0])])}/new_shape"
            operator.inputs[1] = add_tensor(model, graph, name, shape)


def _verify(before: bytes, after: bytes, name: str) -> None:
    """Run both on the same random values: every output must be the same, bit for bit."""
    options = LoadOptions(threads=1, preserve_all=True)
    old, new = load(before, name=name, options=options), load(after, name=name, options=options)
    values = _random(new)
    for spec, one, other in zip(new.outputs, old.run(*values), new.run(*values)):
        if one.tobytes() != other.tobytes() or one.shape != other.shape:
            raise ModelError(
                name,
                f"its shapes depend on the values that it is given (output {spec.name!r})",
                hint="convert it with batch 1: give edgeq the Keras model",
            )


def _zeros(runner: LoadedModel) -> Sequence[Array]:
    return [np.zeros(spec.shape, spec.dtype) for spec in runner.inputs]


def _random(runner: LoadedModel) -> Sequence[Array]:
    """Values in each input's range; small whole numbers for indices, which must stay in bounds."""
    generator = np.random.default_rng(0)
    values: list[Array] = []
    for spec in runner.inputs:
        if spec.dtype in ("int8", "uint8", "int16") and spec.is_quantized:
            limits = np.iinfo(spec.dtype)
            values.append(
                generator.integers(limits.min, limits.max + 1, spec.shape).astype(spec.dtype)
            )
        elif np.issubdtype(spec.dtype, np.floating):
            values.append(generator.random(spec.shape).astype(spec.dtype))
        else:
            values.append(generator.integers(0, 2, spec.shape).astype(spec.dtype))
    return values
