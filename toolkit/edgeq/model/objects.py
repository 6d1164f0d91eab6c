"""A .tflite as objects of the generated schema, and what is asked of them."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import flatbuffers
import numpy as np

from edgeq_device.errors import MissingTool, ModelError
from edgeq_device.tensors import Array

EditableModel = Any
"""A ``ModelT`` of the generated schema: subgraphs, operatorCodes, buffers, ... as objects."""

PLACEHOLDER = 1
"""Writers put this offset where the contents are inside after all; TFLite ignores it too."""


def schema() -> Any:
    """The generated schema module; MissingTool where ai-edge-litert is not installed."""
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise MissingTool(
            "ai-edge-litert",
            f"cannot be imported ({error})",
            hint='pip install "edgeq[toolkit]"',
        ) from error
    return schema_py_generated


def read(data: bytes, name: str = "model") -> EditableModel:
    """Checked .tflite bytes -> an editable model with everything inline.

    Constants that lie behind the flatbuffer (``Buffer.offset``, as ai-edge-quantizer writes them)
    are brought in, and so are options of custom operators: the frozen compiler's schema does not
    know of such places. ModelError (about ``name``) where a field that no check looks at, such
    as a tensor's min and max, points outside the file.
    """
    tables = schema()
    try:
        model = tables.ModelT.InitFromObj(tables.Model.GetRootAsModel(data, 0))
    except (struct.error, ValueError, TypeError, IndexError, OverflowError) as error:
        problem = f"is damaged: a field points outside the file ({error})"
        raise ModelError(name, problem, hint="copy or export the file again") from error
    for buffer in model.buffers or ():
        if buffer.offset > PLACEHOLDER:
            buffer.data = _behind(data, buffer.offset, buffer.size)
        buffer.offset = buffer.size = 0
    for graph in model.subgraphs or ():
        for operator in graph.operators or ():
            if operator.largeCustomOptionsOffset > PLACEHOLDER:
                operator.customOptions = _behind(
                    data, operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
                )
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return model


def _behind(data: bytes, offset: int, size: int) -> Array:
    if offset + size > len(data):
        raise ModelError(
            "model",
            "a constant lies outside the file",
            hint="the file is cut short: copy or export it again",
        )
    return np.frombuffer(data, np.uint8, size, offset)


def write(model: EditableModel) -> bytes:
    """An editable model -> .tflite bytes; the same objects give the same bytes."""
    constants = sum(len(b.data) for b in model.buffers or () if b.data is not None)
    builder = _AligningBuilder(constants + 2**16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _AligningBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Aligns constants to 16 bytes: the schema asks for it, Python's generated code does not."""

    def StartVector(  # noqa: N802 - flatbuffers' own name
        self, size: int, count: int, alignment: int
    ) -> int:
        """Begin a vector; those of bytes are constants and options."""
        return int(super().StartVector(size, count, 16 if size == 1 else alignment))


def operator_name(model: EditableModel, operator: Any) -> str:
    """The builtin operator's name, such as "CONV_2D"."""
    return code_name(model.operatorCodes[operator.opcodeIndex])


def code_name(code: Any) -> str:
    """The name of the builtin operator that an operator code stands for."""
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _names("BuiltinOperator").get(number, f"UNKNOWN_{number}")


def operator_code(model: EditableModel, name: str, version: int) -> int:
    """The index of the operator code for ``name`` at ``version``, added where it is not there."""
    tables = schema()
    number = getattr(tables.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        same = max(code.builtinCode, code.deprecatedBuiltinCode) == number
        if same and code.version == version:
            return index
    code = tables.OperatorCodeT()
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(number, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def constant(model: EditableModel, tensor: Any) -> Array | None:
    """The constant data of ``tensor`` in its own shape and dtype, or None where it is computed.

    ModelError where the constant is stored sparse, or in a type that numpy has not.
    """
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    if tensor.sparsity is not None:
        raise ModelError(
            tensor_name(tensor),
            "is stored sparse, which edgeq cannot edit",
            hint="convert the model without sparsity",
        )
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    raw = np.asarray(data, np.uint8).tobytes()
    return np.frombuffer(raw, tensor_dtype(tensor)).reshape(shape)


def set_constant(model: EditableModel, tensor: Any, values: Array) -> None:
    """Give ``tensor`` a constant of its own: a new buffer, so that no other tensor changes."""
    buffer = schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    tensor.shape = np.asarray(values.shape, np.int32)
    tensor.type = tensor_type(values.dtype)


def add_tensor(model: EditableModel, subgraph: Any, name: str, values: Array) -> int:
    """Add a constant tensor to ``subgraph``; returns its index."""
    tensor = schema().TensorT()
    tensor.name = name
    set_constant(model, tensor, values)
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1


def tensor_name(tensor: Any) -> str:
    """The tensor's name as text, "" where it has none."""
    name = tensor.name
    if name is None:
        return ""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def tensor_dtype(tensor: Any) -> np.dtype[Any]:
    """The numpy dtype of a tensor; ModelError where numpy has none."""
    name = _names("TensorType")[tensor.type].lower()
    try:
        return np.dtype(name)
    except TypeError as error:
        raise ModelError(
            tensor_name(tensor),
            f"holds {name} values, which edgeq cannot edit",
            hint="convert the model with float32 values",
        ) from error


def tensor_type(dtype: np.dtype[Any] | type[Any]) -> int:
    """The schema's number for a numpy dtype."""
    return int(getattr(schema().TensorType, np.dtype(dtype).name.upper()))


@cache
def _names(enumeration: str) -> dict[int, str]:
    values = vars(getattr(schema(), enumeration))
    return {number: name for name, number in values.items() if isinstance(number, int)}
