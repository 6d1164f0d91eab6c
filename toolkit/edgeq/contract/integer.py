"""The rules for a model that goes to the Edge TPU compiler: integer, and known to it."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.contract.flow import Flow, is_float
from edgeq.contract.report import Finding, Rule
from edgeq.ops import (
    CPU_CUSTOM_OPERATORS,
    MAX_VERSION,
    is_candidate,
    remedy_for_version,
    version_is_known,
)
from edgeq_device.tflite import Operator, OperatorCode
from edgeq_device.tflite.opcodes import BUILTIN_NAMES, EDGETPU_CUSTOM_CODE

_QUANTIZE_AGAIN = "give edgeq the float model and calibration samples: edgeq build MODEL ..."
_UINT8_ENDS = "add --uint8-ends"


def operators_are_builtin(flow: Flow) -> Iterator[Finding]:
    """Custom operators must be ones that the Edge TPU compiler leaves to the CPU."""
    for operator in flow.graph.operators:
        name = operator.custom_code
        if operator.op != "CUSTOM" or name in CPU_CUSTOM_OPERATORS:
            continue
        tensor = next(flow.results(operator), None)
        seen = "this custom operator is not known"
        if name == EDGETPU_CUSTOM_CODE:
            seen = "this model is already compiled for the Edge TPU"
        yield Finding(seen, _custom_remedy(name), operator, tensor)


def _custom_remedy(name: str) -> str:
    if name == EDGETPU_CUSTOM_CODE:
        return "give the file that it was compiled from"
    if name.startswith("Flex"):
        return "convert the model without tf.lite.OpsSet.SELECT_TF_OPS"
    return "replace the operator by TensorFlow Lite's own, or run this step outside the model"


def versions_are_known(flow: Flow) -> Iterator[Finding]:
    """Operators must be of a version that the frozen compiler knows (TensorFlow 2.5)."""
    for number, code in enumerate(flow.model.operator_codes):
        if code.op == "CUSTOM" or version_is_known(code.op, code.version):
            continue
        user = _first_user(flow, code)
        tensor = next(flow.results(user), None) if user else None
        highest = MAX_VERSION.get(code.op)
        seen = f"version {code.version} is not known" if highest else "it is not known"
        if highest:
            seen += f" (the highest is {highest})"
        elif code.op in BUILTIN_NAMES:
            seen = "it is not known to the frozen compiler"
        where = user or f"operator code {number} {code.op}, which no operator uses"
        yield Finding(seen, remedy_for_version(code.op), where, tensor)


def _first_user(flow: Flow, code: OperatorCode) -> Operator | None:
    same = (op for op in flow.graph.operators if (op.op, op.version) == (code.op, code.version))
    return next(same, None)


def inputs_are_uint8(flow: Flow) -> Iterator[Finding]:
    """Every model input must be uint8."""
    for tensor in flow.inputs():
        if tensor.dtype not in ("uint8", "int8"):
            reader = flow.readers.get(tensor.index)
            yield Finding(f"the input is {tensor.dtype}", _QUANTIZE_AGAIN, reader, tensor)


def float_stays_at_the_ends(flow: Flow) -> Iterator[Finding]:
    """Between integer operators every operator must be integer."""
    named = set()
    for operator in flow.graph.operators:
        if not is_candidate(operator.op) or operator.index in flow.tail | flow.head:
            continue
        for tensor in filter(is_float, flow.operands(operator)):
            maker = flow.producers.get(tensor.index)
            if maker is not None and _is_island(maker) and maker.index not in named:
                named.add(maker.index)
                seen = f"it writes {tensor.dtype} to operator {operator.index} {operator.label}"
                yield Finding(seen, _island_remedy(maker), maker, tensor)


def _is_island(maker: Operator) -> bool:
    return not is_candidate(maker.op) and maker.op != "DEQUANTIZE"


def _island_remedy(maker: Operator) -> str:
    return (
        f"{maker.label} has no 8-bit form in this converter: use another layer in its place, or "
        "leave it in float with --mode float-fallback"
    )


def candidates_are_integer(flow: Flow) -> Iterator[Finding]:
    """An operator that the Edge TPU could run must read and write integers only."""
    for operator in flow.graph.operators:
        if not is_candidate(operator.op) or operator.index in flow.tail | flow.head:
            continue
        for verb, tensors in (
            ("reads", flow.operands(operator)),
            ("writes", flow.results(operator)),
        ):
            tensor = next((each for each in tensors if is_float(each)), None)
            if tensor is not None:
                maker = flow.producers.get(tensor.index)
                if verb == "reads" and maker is not None and _is_island(maker):
                    break  # float_stays_at_the_ends has named it
                origin = ""
                if maker is not None and maker is not operator:
                    origin = f" from operator {maker.index} {maker.label}"
                seen = f"it {verb} {tensor.dtype}{origin}"
                yield Finding(seen, _QUANTIZE_AGAIN, operator, tensor)
                break


def outputs_are_uint8(flow: Flow) -> Iterator[Finding]:
    """Every model output must be uint8, unless an operator that only a CPU can run makes it."""
    for tensor in flow.outputs():
        maker = flow.producers.get(tensor.index)
        if tensor.dtype in ("uint8", "int8"):
            continue
        if maker is not None and is_float(tensor) and is_candidate(maker.op):
            continue  # candidates_are_integer has named it
        if maker is None or (is_candidate(maker.op) and maker.index not in flow.tail):
            yield Finding(f"the output is {tensor.dtype}", _QUANTIZE_AGAIN, maker, tensor)


def dense_weights_have_one_scale(flow: Flow) -> Iterator[Finding]:
    """FULLY_CONNECTED weights must have one scale: the frozen compiler ignores the others."""
    for operator in flow.graph.operators:
        if operator.op != "FULLY_CONNECTED" or len(operator.inputs) < 2 or operator.inputs[1] < 0:
            continue
        weights = flow.graph.tensors[operator.inputs[1]]
        if weights.quantization.is_per_channel:
            yield Finding(
                f"the weights have {len(weights.quantization.scales)} scales",
                "give edgeq the float model, or convert with converter."
                "_experimental_disable_per_channel_quantization_for_dense_layers = True",
                operator,
                weights,
            )


def own_ends_are_uint8(flow: Flow) -> Iterator[Finding]:
    """Inputs and outputs must be uint8, not int8, in a model that edgeq quantized."""
    for kind, tensors, users in (
        ("input", flow.inputs(), flow.readers),
        ("output", flow.outputs(), flow.producers),
    ):
        for tensor in tensors:
            if tensor.dtype == "int8":
                user = users.get(tensor.index)
                yield Finding(f"the {kind} is int8", _UINT8_ENDS, user, tensor)


FIRST_RULES: tuple[Rule, ...] = (operators_are_builtin, versions_are_known)
RULES: tuple[Rule, ...] = (
    inputs_are_uint8,
    float_stays_at_the_ends,
    candidates_are_integer,
    outputs_are_uint8,
    dense_weights_have_one_scale,
)
