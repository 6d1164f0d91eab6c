"""What holds for operators of any kind: the kind itself, its version, types and shapes."""

from __future__ import annotations

from math import prod

from edgeq.ops.case import Case, Refusal, Rule, shape_text
from edgeq.ops.edgetpu import EDGE_TPU_OPERATORS
from edgeq.ops.kinds import ALSO_MAPPED, OTHERWISE, REMEDIES
from edgeq.ops.shapes import SHAPE_OPERANDS
from edgeq.ops.versions import MAX_VERSION, remedy_for_version, version_is_known

_EIGHT_BIT = ("int8", "uint8")
_FLOATS = ("float32", "float16")


def operator_exists(case: Case) -> Refusal | None:
    """The Edge TPU must have the operator."""
    op = case.operator.op
    if op in EDGE_TPU_OPERATORS or op in ALSO_MAPPED:
        return None
    return Refusal(f"it has no {case.operator.label}", REMEDIES.get(op, OTHERWISE))


def version_is_read(case: Case) -> Refusal | None:
    """The operator's version must be one that the frozen compiler reads: it refuses the file."""
    operator = case.operator
    # The version of a float operator says nothing about its integer self.
    if case.is_float or version_is_known(operator.op, operator.version):
        return None
    highest = MAX_VERSION.get(operator.op, 0)
    seen = f"version {operator.version} is not read, the highest is {highest}"
    return Refusal(seen, remedy_for_version(operator.op))


def values_are_8_bit(case: Case) -> Refusal | None:
    """The operator must read and write 8-bit integers (int8 or uint8)."""
    allowed = _EIGHT_BIT + (_FLOATS if case.is_float else ())
    for verb, tensors in (("reads", case.activations), ("writes", case.outputs)):
        for tensor in tensors:
            if tensor.dtype not in allowed:
                return Refusal(f'it {verb} {tensor.dtype} ("{tensor.name}")', _type_remedy(case))
    return None


def _type_remedy(case: Case) -> str:
    types = {each.dtype for each in (*case.activations, *case.outputs)}
    if case.operator.op == "QUANTIZE" and types & set(_FLOATS):
        return "feed integers: give the model a uint8 input, or 8-bit operators before this one"
    if types & set(_FLOATS):
        return "quantize the model fully: edgeq build MODEL --calibration DATA"
    if "int16" in types:
        return "quantize to 8 bits: 16-bit activations do not map"
    return "compute indices and shapes outside the model, or let them be constants"


def three_inner_dimensions(case: Case) -> Refusal | None:
    """Only the three innermost dimensions of a tensor may be larger than 1."""
    for tensor in (*case.activations, *case.outputs):
        if prod(tensor.shape[:-3]) > 1:
            seen = f'"{tensor.name}" is {shape_text(tensor.shape)}'
            return Refusal(seen, "use batch 1 and at most three dimensions larger than 1")
    return None


def sizes_are_constant(case: Case) -> Refusal | None:
    """What decides the size of the result must be a constant of the model."""
    for number in SHAPE_OPERANDS.get(case.operator.op, ()):
        tensor = case.operand(number)
        if tensor is not None and not case.is_fixed(number):
            seen = f'"{tensor.name}" is computed while the model runs'
            return Refusal(seen, "build the model with batch_size=1 and fixed input sizes")
    return None


RULES = (
    Rule(operator_exists),
    Rule(version_is_read),
    Rule(sizes_are_constant),
    Rule(values_are_8_bit),
    Rule(three_inner_dimensions),
)
