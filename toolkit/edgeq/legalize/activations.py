"""GELU, LEAKY_RELU and HARD_SWISH of integer models, from operators that the Edge TPU maps.

GELU is not exact by nature: ``x * sigmoid(1.702 x)`` is up to 0.02 from it. The other two are
the same function, but each of the operators rounds to 8 bits of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched, scales, zero_points
from edgeq.legalize.editing import add_operator, is_int8, like
from edgeq.model import add_tensor, schema, tensor_name

SLOPE = 1.702
"""The sigmoid of this times x is the closest to GELU's (https://arxiv.org/abs/1606.08415)."""
LOGISTIC_SCALE, LOGISTIC_ZERO = 1 / 256, -128
"""What LOGISTIC's int8 kernel asks of its output."""
ONE = 127
"""The int8 value of a constant factor: its scale is then the factor divided by 127."""


def _gelu(draft: Draft) -> tuple[Touched, ...]:
    return _each(draft, "GELU", _gelu_operators)


def _leaky(draft: Draft) -> tuple[Touched, ...]:
    return _each(draft, "LEAKY_RELU", _leaky_operators)


def _hard_swish(draft: Draft) -> tuple[Touched, ...]:
    return _each(draft, "HARD_SWISH", _hard_swish_operators)


def _each(draft: Draft, op: str, write: Any) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        if draft.op(operator) != op:
            continue
        if not all(_is_plain(draft, index) for index in (operator.inputs[0], operator.outputs[0])):
            continue
        touched.append(draft.touched(operator))
        swaps[id(operator)] = write(draft, operator)
    draft.replace(swaps)
    return tuple(touched)


def _is_plain(draft: Draft, index: int) -> bool:
    return is_int8(draft, index) and len(scales(draft.tensor(index))) == 1


def _gelu_operators(draft: Draft, operator: Any) -> list[Any]:
    """MUL by 1.702 (which only moves the scale), LOGISTIC, MUL."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    name = tensor_name(draft.tensor(target))
    scale, zero = scales(draft.tensor(source))[0], zero_points(draft.tensor(source))[0]
    steeper = _computed(draft, source, f"{name}/steeper", scale * SLOPE, zero)
    gate = _computed(draft, source, f"{name}/gate", LOGISTIC_SCALE, LOGISTIC_ZERO)
    factor = _factor(draft, f"{name}/slope", SLOPE)
    return [
        add_operator(draft, "MUL", 2, [source, factor], [steeper]),
        add_operator(draft, "LOGISTIC", 2, [steeper], [gate]),
        add_operator(draft, "MUL", 2, [source, gate], [target]),
    ]


def _leaky_operators(draft: Draft, operator: Any) -> list[Any]:
    """MUL by the slope, in the result's own steps, and MAXIMUM of both."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    name = tensor_name(draft.tensor(target))
    slope = float(operator.builtinOptions.alpha)
    factor = _factor(draft, f"{name}/slope", slope)
    shape = draft.shape(target)
    leak = like(draft, target, shape, f"{name}/leak")
    operators = [add_operator(draft, "MUL", 2, [source, factor], [leak])]
    whole = source
    if _numbers(draft, source) != _numbers(draft, target):
        # MAXIMUM's kernel compares the stored numbers: both must have one scale.
        whole = like(draft, target, shape, f"{name}/whole")
        operators.append(add_operator(draft, "QUANTIZE", 2, [source], [whole]))
    # Above a slope of 1 the smaller one is the leaky side.
    pick = "MAXIMUM" if slope <= 1.0 else "MINIMUM"
    return [*operators, add_operator(draft, pick, 2, [whole, leak], [target])]


def _hard_swish_operators(draft: Draft, operator: Any) -> list[Any]:
    """ADD 3 with RELU6 inside, MUL by x, MUL by a sixth (in the same step: only the scale)."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    name = tensor_name(draft.tensor(target))
    three = _factor(draft, f"{name}/three", 3.0)
    shifted = _computed(draft, source, f"{name}/shifted", 6 / 255, -128)
    scale, zero = scales(draft.tensor(target))[0], zero_points(draft.tensor(target))[0]
    sixfold = _computed(draft, target, f"{name}/sixfold", scale * 6, zero)
    sixth = _factor(draft, f"{name}/sixth", 1 / 6)
    return [
        add_operator(draft, "ADD", 2, [source, three], [shifted], fusedActivationFunction=3),
        add_operator(draft, "MUL", 2, [source, shifted], [sixfold]),
        add_operator(draft, "MUL", 2, [sixfold, sixth], [target]),
    ]


def _numbers(draft: Draft, index: int) -> tuple[Any, ...]:
    return scales(draft.tensor(index)), zero_points(draft.tensor(index))


def _computed(draft: Draft, source: int, name: str, scale: float, zero: int) -> int:
    """Add an int8 tensor of the shape of ``source`` with a scale of its own."""
    index = like(draft, source, draft.shape(source), name)
    draft.tensor(index).quantization = _quantization(scale, zero)
    return index


def _factor(draft: Draft, name: str, value: float) -> int:
    """Add a constant number as int8."""
    stored = ONE * int(np.sign(value))
    index = add_tensor(draft.model, draft.graph, name, np.array([stored], np.int8))
    draft.tensor(index).quantization = _quantization(abs(value) / ONE or 1.0, 0)
    return index


def _quantization(scale: float, zero: int) -> Any:
    quantization = schema().QuantizationParametersT()
    quantization.scale = np.array([scale], np.float32)
    quantization.zeroPoint = np.array([zero], np.int64)
    return quantization


GELU = Rewrite(
    "gelu", "an int8 GELU becomes x * LOGISTIC(1.702 x)", _gelu, is_exact=False, max_steps=16.0
)
LEAKY_RELU = Rewrite(
    "leaky-relu",
    "an int8 LEAKY_RELU becomes MAXIMUM of x and MUL(x, slope)",
    _leaky,
    is_exact=False,
    max_steps=4.0,
)
HARD_SWISH = Rewrite(
    "hard-swish",
    "an int8 HARD_SWISH becomes x * RELU6(x + 3) / 6",
    _hard_swish,
    is_exact=False,
    max_steps=4.0,
)
