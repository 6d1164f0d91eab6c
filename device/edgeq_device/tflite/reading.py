"""Reads the tables of a .tflite flatbuffer into the values of `model`."""

from __future__ import annotations

from edgeq_device.flatfile import FlatFile, Table
from edgeq_device.tflite.dtypes import TENSOR_TYPES
from edgeq_device.tflite.model import (
    Buffer,
    Model,
    Operator,
    OperatorCode,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
)
from edgeq_device.tflite.opcodes import CUSTOM, builtin_name
from edgeq_device.tflite.sparsity import stored_elements

IDENTIFIER = b"TFL3"

_PLAIN = Quantization()
_DETAILS = {0: "", 1: "custom", 2: "blockwise", 3: "multi-axis"}


def read_tables(file: FlatFile) -> Model:
    """The whole model as values; field numbers are those of TFLite's schema, version 3."""
    with file.metered():
        root = file.root(IDENTIFIER)
        codes = tuple(_operator_code(table) for table in root.tables(1))
        buffers = tuple(_buffer(table) for table in root.tables(4))
        return Model(
            name=file.name,
            version=root.scalar(0, "I"),
            description=root.text(3) or "",
            subgraphs=tuple(
                _subgraph(table, index, codes) for index, table in enumerate(root.tables(2))
            ),
            operator_codes=codes,
            buffers=buffers,
            metadata=_metadata(root, buffers),
            signatures=tuple(_signature(table) for table in root.tables(7)),
            data=file.view,
        )


def _operator_code(table: Table) -> OperatorCode:
    # Codes up to 127 stand in the older byte field too; newer ones only in the int field.
    code = max(table.scalar(0, "b"), table.scalar(3, "i"))
    custom = (table.text(1) or "") if code == CUSTOM else ""
    return OperatorCode(builtin_name(code), code, table.scalar(2, "i", 1), custom)


def _buffer(table: Table) -> Buffer:
    data = table.blob(0)
    offset, size = table.scalar(1, "Q"), table.scalar(2, "Q")
    # TFLite writes 1 as a placeholder, so only larger offsets mean "outside the flatbuffer".
    if len(data) or offset <= 1:
        return Buffer(data)
    file = table.file
    file.need(offset, size, "a buffer behind the flatbuffer")
    return Buffer(file.view[offset : offset + size], external=True)


def _metadata(root: Table, buffers: tuple[Buffer, ...]) -> dict[str, memoryview]:
    found = {}
    for table in root.tables(6):
        index = table.scalar(1, "I")
        if index >= len(buffers):
            table.file.damaged("metadata names a buffer that is not there", table.position)
        found[table.text(0) or ""] = buffers[index].data
    return found


def _signature(table: Table) -> Signature:
    return Signature(
        key=table.text(2) or "",
        inputs=_tensor_map(table, 0),
        outputs=_tensor_map(table, 1),
        subgraph=table.scalar(4, "I"),
    )


def _tensor_map(table: Table, field: int) -> tuple[tuple[str, int], ...]:
    return tuple((entry.text(0) or "", entry.scalar(1, "I")) for entry in table.tables(field))


def _subgraph(table: Table, index: int, codes: tuple[OperatorCode, ...]) -> Subgraph:
    return Subgraph(
        index=index,
        name=table.text(4) or "",
        tensors=tuple(_tensor(entry, i) for i, entry in enumerate(table.tables(0))),
        operators=tuple(_operator(entry, i, codes) for i, entry in enumerate(table.tables(3))),
        inputs=table.numbers(1, "<i4"),
        outputs=table.numbers(2, "<i4"),
    )


def _tensor(table: Table, index: int) -> Tensor:
    code = table.scalar(1, "b")
    if not 0 <= code < len(TENSOR_TYPES):
        table.file.damaged(f"tensor {index} has the unknown type {code}", table.position)
    shape = table.numbers(0, "<i4")
    sparsity = table.table(6)
    for variant in table.tables(9):
        variant.numbers(0, "<i4")
    return Tensor(
        index=index,
        name=table.text(3) or "",
        shape=shape,
        shape_signature=table.numbers(7, "<i4") or shape,
        dtype=TENSOR_TYPES[code],
        buffer=table.scalar(2, "I"),
        quantization=_quantization(table.table(4)),
        is_variable=table.scalar(5, "?", False),
        stored=None if sparsity is None else stored_elements(sparsity, shape),
        external_buffer=table.scalar(10, "I"),
    )


def _quantization(table: Table | None) -> Quantization:
    if table is None:
        return _PLAIN
    scales = table.numbers(2, "<f4")
    details = _DETAILS.get(table.scalar(4, "B"), "unknown")
    table.table(5)
    if not scales and not details:
        return _PLAIN
    return Quantization(scales, table.numbers(3, "<i8"), table.scalar(6, "i"), details)


def _operator(table: Table, index: int, codes: tuple[OperatorCode, ...]) -> Operator:
    number = table.scalar(0, "I")
    if number >= len(codes):
        table.file.damaged(
            f"operator {index} has type {number} of a list of {len(codes)}", table.position
        )
    code = codes[number]
    return Operator(
        index=index,
        op=code.op,
        version=code.version,
        custom_code=code.custom_code,
        inputs=table.numbers(1, "<i4"),
        outputs=table.numbers(2, "<i4"),
        options=table.table(4),
        builtin_options_type=table.scalar(3, "B"),
        options_2=table.table(12),
        builtin_options_2_type=table.scalar(11, "B"),
        custom_options=_custom_options(table),
        intermediates=table.numbers(8, "<i4"),
    )


def _custom_options(table: Table) -> memoryview:
    """Inside the flatbuffer, or, for large ones, behind it (fields 9 and 10)."""
    offset, size = table.scalar(9, "Q"), table.scalar(10, "Q")
    if offset <= 1:
        return table.blob(5)
    table.file.need(offset, size, "an operator's options behind the flatbuffer")
    return table.file.view[offset : offset + size]
