"""Make the batch of a .tflite 1 and compute what depends on shapes ahead, once.

A model converted with an open batch measures its own tensors at run time (SHAPE, STRIDED_SLICE,
PACK, ...). The Edge TPU's compiler takes no such operator and no open shape. With the batch at 1
all of them have constant answers: the interpreter computes them here, they become constants, and
the operators go. No other number in the model changes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from edgeq.model import (
    EditableModel,
    add_tensor,
    constant,
    drop_dead_parts,
    operator_name,
    read,
    set_constant,
    tensor_name,
    write,
)
from edgeq.static.constant_tensors import RANDOM, Constancy, examine
from edgeq.static.fixed_batch import fixed_batch, rows_agree, set_batch
from edgeq.static.trial_values import trial_values
from edgeq_device.errors import ModelError
from edgeq_device.runtime import LoadedModel, LoadOptions, load, probe
from edgeq_device.tflite import Model, parse_model


def make_static(data: bytes, name: str) -> bytes:
    """A .tflite -> the same model with batch 1 and no open shape, bit for bit.

    Bytes that are static already come back untouched. ModelError (about ``name``) where a
    dimension other than the batch is open, where an output's size depends on the values, or
    where a batch other than 1 is built in.
    """
    parsed = parse_model(data, name)
    batch = fixed_batch(parsed, data)
    if batch is None and not needs_work(parsed):
        return data
    model = read(data, name)
    if batch is None:
        _fix_inputs(model, name)
    else:
        set_batch(model, batch)
    fixed = write(model)
    folded = write(_folded(model, fixed, name, batch))
    if batch is not None:
        rows_agree(data, folded, name, batch)
    else:
        _verify(fixed, folded, name)
    return folded


def needs_work(model: Model) -> bool:
    """True where a shape is open or computed, or weights are stored as float16."""
    if model.dynamic_tensors:
        return True
    tensors = model.main.tensors
    return any(
        operator.op in ("SHAPE", "RANK")
        or (operator.op == "DEQUANTIZE" and tensors[operator.inputs[0]].dtype == "float16")
        for operator in model.main.operators
    )


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


def _folded(model: EditableModel, fixed: bytes, name: str, batch: int | None) -> EditableModel:
    """The model (whose bytes are ``fixed``) with constants for all that only shapes decide."""
    found = examine(model, model.subgraphs[0])
    _refuse_open_outputs(model.subgraphs[0], found, name)
    try:
        probe(fixed, name=name)
        runner = _load(fixed, name)
        runner.run(*(np.zeros(spec.shape, spec.dtype) for spec in runner.inputs))
    except ModelError as error:
        if batch is None:
            raise
        raise ModelError(
            name, f"the batch {batch} is built in", hint="convert it again with batch 1"
        ) from error
    _fold(model, runner, found)
    _settle_shapes(model, runner, found)
    drop_dead_parts(model)
    return model


def _refuse_open_outputs(graph: Any, found: Constancy, name: str) -> None:
    for index in graph.outputs:
        if int(index) in found.open:
            raise ModelError(
                name,
                f"the size of output {tensor_name(graph.tensors[int(index)])!r} depends on the "
                "values that go in",
                hint="do that step after the model and give edgeq the part before it",
            )


def _fold(model: EditableModel, runner: LoadedModel, found: Constancy) -> None:
    graph = model.subgraphs[0]
    for index in sorted(found.computed):
        set_constant(model, graph.tensors[index], runner.tensor(index))
    graph.operators = [
        operator
        for operator in graph.operators
        if not found.computed.issuperset(int(index) for index in operator.outputs)
    ]


def _settle_shapes(model: EditableModel, runner: LoadedModel, found: Constancy) -> None:
    """Write down the shapes that the interpreter found, and fix what RESHAPE leaves open."""
    graph = model.subgraphs[0]
    for detail in runner.interpreter.get_tensor_details():
        index = int(detail["index"])
        if index < len(graph.tensors) and constant(model, graph.tensors[index]) is None:
            graph.tensors[index].shape = np.asarray(detail["shape"], np.int32)
    for subgraph in model.subgraphs:
        for index, tensor in enumerate(subgraph.tensors):
            if subgraph is not graph or index not in found.open:
                tensor.shapeSignature = None
    for operator in graph.operators:
        if operator_name(model, operator) == "RESHAPE":
            _settle_reshape(model, graph, operator)


def _settle_reshape(model: EditableModel, graph: Any, operator: Any) -> None:
    result = graph.tensors[int(operator.outputs[0])]
    if result.shapeSignature is not None:
        return  # its size depends on the values
    shape = np.asarray(result.shape, np.int32)
    if operator.builtinOptions is not None:
        operator.builtinOptions.newShape = shape
    if len(operator.inputs) > 1 and int(operator.inputs[1]) >= 0:
        given = constant(model, graph.tensors[int(operator.inputs[1])])
        if given is not None and not np.array_equal(given, shape):
            added = add_tensor(model, graph, f"{tensor_name(result)}/new_shape", shape)
            operator.inputs = [int(operator.inputs[0]), added]


def _verify(before: bytes, after: bytes, name: str) -> None:
    """Run both on the same values: every output must be the same, bit for bit."""
    if any(operator.op in RANDOM for operator in parse_model(after, name).main.operators):
        return  # it answers otherwise at every run
    old, new = _load(before, name), _load(after, name)
    values = trial_values(new.inputs)
    for spec, one, other in zip(new.outputs, old.run(*values), new.run(*values), strict=True):
        if one.shape != other.shape or one.tobytes() != other.tobytes():
            raise ModelError(
                name,
                f"output {spec.name!r} changes when its shapes are computed ahead",
                hint="convert it again with batch 1",
            )


def _load(data: bytes, name: str) -> LoadedModel:
    with warnings.catch_warnings():
        # ai-edge-litert warns that keeping all tensors takes memory
        warnings.simplefilter("ignore", UserWarning)
        return load(data, name=name, options=LoadOptions(threads=1, preserve_all=True))
