"""What is not integer, or not for the Edge TPU, and is let through: each by its name."""

from __future__ import annotations

from collections.abc import Iterable

from edgeq.contract.flow import Flow, is_float
from edgeq.contract.report import Allowance, operator_text, tensor_text
from edgeq.contract.structure import computed_sizes, has_variable_batch_only
from edgeq.ops import CPU_CUSTOM_OPERATORS, is_candidate
from edgeq_device.tflite import Operator, Tensor


def structural(flow: Flow) -> tuple[Allowance, ...]:
    """Allowances of any mode."""
    batch = [tensor for tensor in flow.inputs() if has_variable_batch_only(tensor)]
    if any(computed_sizes(flow)):
        return ()
    return _named(
        "variable-batch",
        (),
        batch,
        "the batch is written as variable, but stored as 1, and no size depends on it",
    )


def integer(flow: Flow, *, int8_ends: bool) -> tuple[Allowance, ...]:
    """Allowances of an integer model; int8 ends are one only where ``int8_ends``."""
    return (
        *_head(flow),
        *_tail(flow),
        *_float_outputs(flow),
        *_intermediates(flow),
        *(_int8_ends(flow) if int8_ends else ()),
    )


def _head(flow: Flow) -> tuple[Allowance, ...]:
    operators = [
        op
        for op in flow.graph.operators
        if op.index in flow.head - flow.tail and _is_known(op) and _is_float(flow, op)
        if not set(op.outputs) & set(flow.graph.outputs)
    ]
    return _named("cpu-head", operators, (), "only a CPU can run these first operators")


def _tail(flow: Flow) -> tuple[Allowance, ...]:
    """Decoders and what follows them, and float outputs of other operators for the CPU."""
    makers = {flow.producers[t.index].index for t in _cpu_outputs(flow)}
    operators = [op for op in flow.graph.operators if op.index in flow.tail | makers]
    outputs = [t for t in flow.outputs() if flow.producers.get(t.index) in operators]
    return _named("cpu-tail", operators, outputs, "only a CPU can run these last operators")


def _cpu_outputs(flow: Flow) -> list[Tensor]:
    return [
        tensor
        for tensor in flow.outputs()
        if (maker := flow.producers.get(tensor.index)) is not None
        and not is_candidate(maker.op)
        and _is_known(maker)
        and maker.op != "DEQUANTIZE"
        and tensor.dtype not in ("uint8", "int8")
    ]


def _float_outputs(flow: Flow) -> tuple[Allowance, ...]:
    pairs = [(flow.producers.get(tensor.index), tensor) for tensor in flow.outputs()]
    found = [(op, tensor) for op, tensor in pairs if op is not None and op.op == "DEQUANTIZE"]
    return _named(
        "float-output",
        [op for op, _ in found],
        [tensor for _, tensor in found],
        "the last operator turns the integers into float, on the CPU",
    )


def _intermediates(flow: Flow) -> tuple[Allowance, ...]:
    found = [
        (op, flow.graph.tensors[index])
        for op in flow.graph.operators
        for index in op.intermediates
        if index >= 0 and is_float(flow.graph.tensors[index])
    ]
    return _named(
        "lstm-intermediates",
        {op.index: op for op, _ in found}.values(),
        [tensor for _, tensor in found],
        "these float tensors of the LSTM hold scales only, no data",
    )


def _int8_ends(flow: Flow) -> tuple[Allowance, ...]:
    ends = [t for t in (*flow.inputs(), *flow.outputs()) if t.dtype == "int8"]
    return _named(
        "int8-ends", (), ends, "these ends of the given model are int8; --uint8-ends changes them"
    )


def _is_known(operator: Operator) -> bool:
    return operator.op != "CUSTOM" or operator.custom_code in CPU_CUSTOM_OPERATORS


def _is_float(flow: Flow, operator: Operator) -> bool:
    return any(map(is_float, (*flow.operands(operator), *flow.results(operator))))


def _named(
    name: str, operators: Iterable[Operator], tensors: Iterable[Tensor], sentence: str
) -> tuple[Allowance, ...]:
    texts = tuple(operator_text(operator) for operator in operators)
    names = tuple(tensor_text(tensor) for tensor in tensors)
    return (Allowance(name, texts, names, sentence),) if texts or names else ()
