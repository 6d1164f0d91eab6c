"""Make the four conversions of one source, each or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeq import quantize
from edgeq.config import BuildSpec
from edgeq.frontends import Source
from edgeq.legalize import LegalizeSpec, legalize
from edgeq.quantize import InputPlan, InputSamples, QuantSpec, as_it_is
from edgeq_device.errors import EdgeqError
from edgeq_device.tflite import Model

ORDER = ("float", "dynamic", "float-fallback", "integer")
"""As the guide introduces them."""


@dataclass(frozen=True)
class Conversion:
    """One .tflite, how it was made, and how its inputs are fed."""

    mode: str
    data: bytes = field(default=b"", repr=False)
    engine: str = ""
    plans: tuple[InputPlan, ...] = ()
    unavailable: str = ""


def convert(
    spec: BuildSpec, source: Source, samples: tuple[InputSamples, ...], mode: str
) -> Conversion:
    """The conversion in ``mode``; ``unavailable`` holds the reason where it cannot be made."""
    plans = tuple(quantize.floats(one.preprocessing) for one in samples)

    def legal(data: bytes) -> bytes:
        return legalize(data, (), LegalizeSpec(spec.model))[0]

    try:
        if mode == "float":
            return Conversion(mode, source.float_model(), "none", plans)
        if mode == "dynamic":
            return Conversion(mode, source.convert("dynamic"), "tflite-converter", plans)
        finish = legal if mode == "integer" else as_it_is
        told = QuantSpec(spec.model, mode, spec.engine, spec.threads, finish)
        data, report = quantize.quantize(source, samples, told)
        return Conversion(mode, data, report.engine, report.plans)
    except EdgeqError as error:
        if mode == "float":
            raise
        hint = f" ({error.hint})" if error.hint else ""
        return Conversion(mode, unavailable=error.sentence + hint)


def count_float_operators(model: Model) -> int:
    """Operators with a float32 operand or result, QUANTIZE and DEQUANTIZE included."""
    graph = model.subgraphs[0]
    return sum(
        any(
            graph.tensors[index].dtype == "float32"
            for index in (*operator.inputs, *operator.outputs)
            if index >= 0
        )
        for operator in graph.operators
    )
