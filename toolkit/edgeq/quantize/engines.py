"""Choose an engine, quantize, and take the result only where it says what the float model says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from edgeq import agreement, contract
from edgeq.agreement import Agreement
from edgeq.quantize import converter, litert
from edgeq.quantize.converted import as_converted, for_converter, with_extremes
from edgeq.quantize.folding import fold_inputs
from edgeq.quantize.pixels import pixel_inputs
from edgeq.quantize.plan import Affine, InputPlan, floats
from edgeq.quantize.samples import GraphSamples, InputSamples, spread
from edgeq_device.errors import (
    CalibrationError,
    ConfigError,
    EdgeqError,
    GateFailed,
    ModelError,
)
from edgeq_device.progress import Progress, silent
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tflite import parse_model

COMPARED = 32
"""Samples that the integer model is compared with float on."""

BROKEN_OPERATORS = {
    "SUM": "TensorFlow 2.5's kernel, which the frozen compiler holds, wraps around where today's "
    "saturates, and the litert engine scales it wrongly",
}
"""Operators that no engine quantizes rightly for the frozen compiler."""


class FloatSource(converter.Convertible, Protocol):
    """What the engines need of a model's source; the front ends offer it."""

    can_convert: bool

    def float_model(self) -> bytes:
        """The float .tflite with static batch 1."""


def as_it_is(data: bytes) -> bytes:
    """The model, unchanged."""
    return data


@dataclass(frozen=True)
class QuantSpec:
    """How to quantize."""

    name: str
    mode: str = "integer"
    engine: str = "auto"
    threads: int | None = None
    finish: Callable[[bytes], bytes] = as_it_is
    """What is done to an engine's integer model before it is judged."""


@dataclass(frozen=True)
class QuantReport:
    """Which engine quantized, why, and how well the result follows the float model."""

    engine: str
    reason: str
    plans: tuple[InputPlan, ...]
    agreement: Agreement | None = None
    remark: str = ""


@dataclass(frozen=True)
class _Candidate:
    data: bytes
    reference: bytes
    plans: tuple[InputPlan, ...]


def quantize(
    source: FloatSource,
    inputs: tuple[InputSamples, ...],
    spec: QuantSpec,
    *,
    progress: Progress = silent,
) -> tuple[bytes, QuantReport]:
    """A float source and its samples -> a .tflite in ``spec.mode`` and how it was made.

    Modes "integer" and "float-fallback". GateFailed (exit 3) where the result does not follow
    the float model or holds an operator that no engine quantizes rightly; ModelError where no
    engine can quantize the model.
    """
    if not inputs:
        raise ModelError(spec.name, "has no inputs", hint="there is nothing to calibrate it with")
    refuse_broken_operators(source.float_model(), spec)
    if spec.engine == "tflite-converter":
        return with_converter(source, inputs, spec, "asked for", progress=progress)
    try:
        return with_litert(source, inputs, spec, progress=progress)
    except (CalibrationError, ConfigError):
        raise  # the samples or the options are at fault: the other engine has the same ones
    except EdgeqError as error:
        if not source.can_convert:
            raise
        if spec.engine == "litert":
            error.hint = "leave out --engine litert: TensorFlow's converter is tried then"
            raise
        reason = f"the litert engine could not: {error}"
        return with_converter(source, inputs, spec, reason, progress=progress)


def refuse_broken_operators(data: bytes, spec: QuantSpec) -> None:
    """GateFailed where the float model holds an operator that no engine quantizes rightly."""
    if spec.mode != "integer":
        return
    graph = parse_model(data, spec.name).subgraphs[0]
    for operator in graph.operators:
        on_floats = any(graph.tensors[index].dtype == "float32" for index in operator.outputs)
        if on_floats and operator.op in BROKEN_OPERATORS:
            raise GateFailed(
                f"{spec.name}: operator {operator.index} ({operator.op}) is quantized wrongly: "
                + BROKEN_OPERATORS[operator.op],
                hint="write the sum as a mean times the number of its terms",
            )


def with_litert(
    source: FloatSource,
    inputs: tuple[InputSamples, ...],
    spec: QuantSpec,
    *,
    progress: Progress = silent,
) -> tuple[bytes, QuantReport]:
    """Quantize with the ``litert`` engine and judge the result."""
    data = source.float_model()
    declared = tuple(one.preprocessing for one in inputs)
    if spec.mode == "integer":
        data, plans = fold_inputs(data, declared, spec.name)
    else:
        plans = tuple(map(floats, declared))
    told = litert.LitertSpec(
        spec.name,
        float_ends=spec.mode != "integer",
        fixed_ranges=tuple(plan.fixed_range for plan in plans),
        tensor_ranges=tuple(
            (plan.inserted, plan.value_range)
            for plan in plans
            if plan.inserted and plan.value_range
        ),
        threads=spec.threads,
    )
    result = litert.quantize(data, GraphSamples(inputs, plans), told, progress=progress)
    result = spec.finish(result)
    candidate = _Candidate(result, data, plans)
    report = QuantReport("litert", "the default", plans)
    return result, judge(source, inputs, spec, candidate, report)


def with_converter(
    source: FloatSource,
    inputs: tuple[InputSamples, ...],
    spec: QuantSpec,
    reason: str,
    *,
    progress: Progress = silent,
) -> tuple[bytes, QuantReport]:
    """Quantize with TensorFlow's converter and judge the result."""
    if not source.can_convert:
        raise ModelError(
            spec.name,
            "the tflite-converter engine cannot start from a .tflite",
            hint="give the Keras model, or use --engine litert",
        )
    data = reference = source.float_model()
    declared = tuple(one.preprocessing for one in inputs)
    chosen = tuple(map(floats, declared))
    if spec.mode == "integer":
        reference, folded = fold_inputs(data, declared, spec.name)
        chosen = tuple(map(for_converter, folded, declared))
    samples = with_extremes(GraphSamples(inputs, chosen))
    affine = [Affine(plan.gain, plan.offset) if plan.is_edited else None for plan in chosen]
    result = converter.convert(source, samples, mode=spec.mode, affine=affine, progress=progress)
    if spec.mode == "integer":
        result = pixel_inputs(result, chosen)
        parsed = parse_model(result, spec.name)
        chosen = tuple(
            as_converted(plan, one, parsed, number)
            for number, (plan, one) in enumerate(zip(chosen, declared, strict=True))
        )
    result = spec.finish(result)
    candidate = _Candidate(result, reference, chosen)
    report = QuantReport("tflite-converter", reason, chosen)
    return result, judge(source, inputs, spec, candidate, report)


def judge(
    source: FloatSource,
    inputs: tuple[InputSamples, ...],
    spec: QuantSpec,
    candidate: _Candidate,
    report: QuantReport,
) -> QuantReport:
    """Check the contract and compare with the float model; returns the report, completed."""
    parsed = parse_model(candidate.data, spec.name)
    checked = contract.check(parsed, mode=spec.mode, int8_ends=False)
    checked.raise_if_broken(spec.name)
    options = LoadOptions(threads=spec.threads)
    float_model = load(source.float_model(), name=spec.name, options=options)
    integer = load(candidate.data, name=spec.name, options=options)
    numbers = spread(len(inputs[0].array), COMPARED)
    for_integer = [
        tuple(
            one.integer_value(number, plan, tensor)
            for one, plan, tensor in zip(inputs, candidate.plans, integer.inputs, strict=True)
        )
        for number in numbers
    ]
    values = [tuple(one.value(number) for one in inputs) for number in numbers]
    steps = agreement.output_steps(parsed)
    both = list(zip(values, for_integer, strict=True))
    found = agreement.compare(float_model, integer, both, steps)
    graph = GraphSamples(inputs, candidate.plans)
    pairs = [
        (graph[number], seen) for number, seen in zip(numbers[:4], for_integer[:4], strict=True)
    ]
    remark = agreement.accept(found, candidate.reference, candidate.data, pairs)
    return replace(report, agreement=found, remark=remark)
