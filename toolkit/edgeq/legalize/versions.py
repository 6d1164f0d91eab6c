"""Operator versions that the frozen compiler does not know, where nothing new of them is used."""

from __future__ import annotations

from typing import Any

from edgeq.legalize.draft import Draft, Rewrite, Touched, scales
from edgeq.model import operator_code, schema
from edgeq.ops import version_is_known

OLD_TYPES = ("FLOAT32", "INT8", "UINT8", "INT32", "BOOL", "INT64")
"""Values that operators of TensorFlow 2.5 compute with; other ones are what newer versions add."""
PLAIN = (
    "ABS",
    "ADD",
    "AVERAGE_POOL_2D",
    "BATCH_TO_SPACE_ND",
    "CONCATENATION",
    "GATHER",
    "LOGISTIC",
    "MAXIMUM",
    "MAX_POOL_2D",
    "MEAN",
    "MINIMUM",
    "MUL",
    "PACK",
    "PAD",
    "PADV2",
    "REDUCE_MAX",
    "REDUCE_MIN",
    "RELU",
    "RELU6",
    "SELECT",
    "SLICE",
    "SOFTMAX",
    "SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE",
    "SPLIT",
    "SPLIT_V",
    "STRIDED_SLICE",
    "SUB",
    "TANH",
    "TRANSPOSE",
    "UNPACK",
)
"""Operators with 1 for floats and uint8, 2 for int8, and nothing else in between.

The rules are those of TensorFlow's tools/versioning/op_version.cc.
"""
OLD_RANK = 4


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched = []
    for operator in draft.operators:
        code = draft.model.operatorCodes[operator.opcodeIndex]
        name = draft.op(operator)
        if name == "CUSTOM" or version_is_known(name, code.version):
            continue
        version = least_version(draft, operator)
        if version is None or not version_is_known(name, version):
            continue
        touched.append(draft.touched(operator))
        operator.opcodeIndex = operator_code(draft.model, name, version)
        if hasattr(operator.builtinOptions, "quantizedBiasType"):
            operator.builtinOptions.quantizedBiasType = 0
    return tuple(touched)


def least_version(draft: Draft, operator: Any) -> int | None:
    """The lowest version with all that the operator uses; None where no rule is known."""
    if not _uses_old_types(draft, operator):
        return None
    name = draft.op(operator)
    integer = _is_int8(draft, operator)
    if name in RULES:
        return RULES[name](draft, operator, integer)
    if name in PLAIN and _is_plain(draft, operator):
        return 2 if integer else 1
    return None


def _convolution(draft: Draft, operator: Any, integer: bool) -> int | None:
    if draft.shape(operator.inputs[0])[-1] != draft.shape(operator.inputs[1])[-1]:
        return 6  # groups
    if _is_hybrid(draft, operator):
        return None
    return 3 if integer else 1


def _depthwise(draft: Draft, operator: Any, integer: bool) -> int | None:
    if _is_hybrid(draft, operator):
        return None
    options = operator.builtinOptions
    dilated = options.dilationHFactor > 1 or options.dilationWFactor > 1
    return 3 if integer else 2 if dilated else 1


def _dense(draft: Draft, operator: Any, integer: bool) -> int | None:
    options = operator.builtinOptions
    if _is_hybrid(draft, operator) or options is None or options.weightsFormat:
        return None
    if options.keepNumDims:
        return 5
    if integer:
        return 4
    return 1 if len(operator.inputs) > 2 and int(operator.inputs[2]) >= 0 else 6


def _transposed(draft: Draft, operator: Any, integer: bool) -> int | None:
    if operator.builtinOptions is not None and operator.builtinOptions.fusedActivationFunction:
        return 4
    if len(operator.inputs) > 3 and int(operator.inputs[3]) >= 0:
        return 3
    return 2 if integer else 1


def _resize(draft: Draft, operator: Any, integer: bool) -> int | None:
    if operator.builtinOptions is not None and operator.builtinOptions.halfPixelCenters:
        return 3
    return 2 if integer else 1


def _quantize(draft: Draft, operator: Any, integer: bool) -> int | None:
    tensors = [draft.tensor(index) for index in (*operator.inputs, *operator.outputs)]
    if any(len(scales(tensor)) > 1 for tensor in tensors):
        return None  # one scale per channel
    return 1 if draft.op(operator) == "QUANTIZE" else 2 if integer else 1


RULES = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transposed,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _quantize,
}


def _uses_old_types(draft: Draft, operator: Any) -> bool:
    known = {getattr(schema().TensorType, name) for name in OLD_TYPES}
    places = [int(index) for index in (*operator.inputs, *operator.outputs)]
    return all(draft.tensor(index).type in known for index in places if index >= 0)


def _is_int8(draft: Draft, operator: Any) -> bool:
    int8 = schema().TensorType.INT8
    places = [int(index) for index in (*operator.inputs, *operator.outputs)]
    return any(draft.tensor(index).type == int8 for index in places if index >= 0)


def _is_hybrid(draft: Draft, operator: Any) -> bool:
    """True where weights are integers and values are floats."""
    return bool(draft.tensor(operator.inputs[0]).type != draft.tensor(operator.inputs[1]).type)


def _is_plain(draft: Draft, operator: Any) -> bool:
    options = operator.builtinOptions
    newer = ("offset", "ellipsisMask", "newAxisMask")
    if any(getattr(options, field, 0) for field in newer):
        return False
    places = [int(index) for index in (*operator.inputs, *operator.outputs)]
    return all(len(draft.shape(index)) <= OLD_RANK for index in places if index >= 0)


VERSIONS = Rewrite(
    "versions",
    "an operator version that TensorFlow 2.5 does not know becomes the lowest one that has all "
    "that the operator uses",
    _apply,
)
