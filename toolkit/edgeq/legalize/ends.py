"""Give an integer model with int8 ends uint8 ones, by a QUANTIZE operator at each.

The scale stays and the zero point moves by 128, so that uint8 value = int8 value + 128, exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.model import EditableModel, operator_code, read, schema, tensor_name, write
from edgeq_device.errors import ModelError

_SHIFT = 128


def uint8_ends(data: bytes, name: str = "model") -> bytes:
    """Checked .tflite bytes -> the same model, every int8 input and output of it uint8.

    The new ends take over the old ones' names. Bytes without int8 ends come back as they are.
    ModelError (about ``name``) where an int8 end has no scale: QUANTIZE cannot shift it.
    """
    model = read(data, name)
    return write(model) if _rewrite(model, name) else data


def _rewrite(model: EditableModel, name: str) -> tuple[Touched, ...]:
    graph = model.subgraphs[0]
    tensors = graph.tensors
    int8 = schema().TensorType.INT8
    inputs = [index for index in dict.fromkeys(graph.inputs) if tensors[index].type == int8]
    outputs = [index for index in dict.fromkeys(graph.outputs) if tensors[index].type == int8]
    if not inputs and not outputs:
        return ()
    _refuse_raw(model, (*inputs, *outputs), name)
    names = {index: tensor_name(tensors[index]) for index in (*inputs, *outputs)}
    new_inputs = {index: _uint8_twin(model, index, names[index]) for index in inputs}
    new_outputs = {index: _uint8_twin(model, index, names[index]) for index in outputs}
    before = [_shift(model, source=twin, target=index) for index, twin in new_inputs.items()]
    behind = [_shift(model, source=index, target=twin) for index, twin in new_outputs.items()]
    graph.operators = [*before, *(graph.operators or ()), *behind]
    graph.inputs = _renumbered(graph.inputs, new_inputs)
    graph.outputs = _renumbered(graph.outputs, new_outputs)
    _renumber_signatures(model, new_inputs, new_outputs)
    ends = [("input", index) for index in inputs] + [("output", index) for index in outputs]
    return tuple(Touched(kind, names[index]) for kind, index in ends)


def _refuse_raw(model: EditableModel, ends: tuple[int, ...], name: str) -> None:
    for index in ends:
        tensor = model.subgraphs[0].tensors[index]
        scale = None if tensor.quantization is None else tensor.quantization.scale
        if scale is None or len(scale) != 1:
            raise ModelError(
                name,
                f'"{tensor_name(tensor)}" is int8 without one scale, so it cannot become uint8',
                hint="keep the int8 ends: leave out --uint8-ends",
            )


def _uint8_twin(model: EditableModel, index: int, name: str) -> int:
    """Add a uint8 tensor like int8 tensor ``index``, under its ``name``; the old one is renamed.

    Where that name is given away already, to the input that is an output too, it gets another.
    """
    tables = schema()
    tensors = model.subgraphs[0].tensors
    old = tensors[index]
    quantization = tables.QuantizationParametersT()
    quantization.scale = np.array(old.quantization.scale, np.float32)
    zero_points = old.quantization.zeroPoint
    zero_point = 0 if zero_points is None or len(zero_points) == 0 else int(zero_points[0])
    quantization.zeroPoint = np.array([zero_point + _SHIFT], np.int64)
    twin = tables.TensorT()
    if tensor_name(old) == name:
        old.name = _free_name(model, f"{name}_int8")
        twin.name = name
    else:
        twin.name = _free_name(model, f"{name}_uint8")
    twin.type = tables.TensorType.UINT8
    twin.shape = None if old.shape is None else np.array(old.shape, np.int32)
    if old.shapeSignature is not None:
        twin.shapeSignature = np.array(old.shapeSignature, np.int32)
    twin.hasRank = old.hasRank
    twin.quantization = quantization
    tensors.append(twin)
    return len(tensors) - 1


def _free_name(model: EditableModel, wanted: str) -> str:
    taken = {tensor_name(tensor) for tensor in model.subgraphs[0].tensors}
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _shift(model: EditableModel, *, source: int, target: int) -> Any:
    """A QUANTIZE operator from one 8-bit type to the other; version 1, as the converter writes."""
    tables = schema()
    operator = tables.OperatorT()
    operator.opcodeIndex = operator_code(model, "QUANTIZE", 1)
    operator.inputs = np.array([source], np.int32)
    operator.outputs = np.array([target], np.int32)
    operator.builtinOptionsType = tables.BuiltinOptions.QuantizeOptions
    operator.builtinOptions = tables.QuantizeOptionsT()
    return operator


def _renumbered(indices: Any, new: dict[int, int]) -> Any:
    return np.array([new.get(int(index), int(index)) for index in indices], np.int32)


def _renumber_signatures(
    model: EditableModel, inputs: dict[int, int], outputs: dict[int, int]
) -> None:
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex != 0:
            continue
        for maps, new in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for entry in maps or ():
                entry.tensorIndex = new.get(entry.tensorIndex, entry.tensorIndex)


def _apply(draft: Draft) -> tuple[Touched, ...]:
    return _rewrite(draft.model, draft.spec.name) if draft.spec.uint8_ends else ()


UINT8_ENDS = Rewrite(
    "uint8-ends", "int8 inputs and outputs become uint8, where --uint8-ends asks for it", _apply
)
