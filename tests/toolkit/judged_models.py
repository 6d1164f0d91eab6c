"""Small models for the contract's tests, and what is said about them."""

from __future__ import annotations

from edgeq import contract
from edgeq.contract import ContractReport
from edgeq_device.tflite import parse_model
from tests.device.factories import (
    QUANTIZE_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
)

DEQUANTIZE = (38, {})
CAST = (37, {})
ARG_MAX = (40, {0: ("b", 4)})


def judge(data: bytes, mode: str = "integer", **options: bool) -> ContractReport:
    return contract.check(parse_model(data, "m.tflite"), mode=mode, **options)


def broken(report: ContractReport) -> list[tuple[str, str, str]]:
    return [(each.rule, each.operator, each.tensor) for each in report.violations]


def graph(*tensors: TensorDef, ops: tuple[OpDef, ...], ends: tuple[int, ...]) -> bytes:
    first, *last = ends
    return build(ModelDef((GraphDef(tensors, ops, (first,), tuple(last)),)))


def island(op: str, *, tail: bool = False) -> bytes:
    """uint8 -> QUANTIZE -> DEQUANTIZE -> ``op`` in float -> QUANTIZE -> uint8."""
    last = "float32" if tail else "uint8"
    return graph(
        TensorDef("pixels", (1, 4), "uint8", 1 / 255),
        TensorDef("x", (1, 4), "int8", 1 / 255, -128),
        TensorDef("real", (1, 4), "float32"),
        TensorDef("bent", (1, 4), "float32"),
        TensorDef("scores", (1, 4), last, 1 / 64 if last == "uint8" else (), 64 if not tail else 0),
        ops=(
            OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
            OpDef("DEQUANTIZE", (1,), (2,), DEQUANTIZE, version=2),
            OpDef(op, (2,), (3,)),
            OpDef("QUANTIZE", (3,), (4,), QUANTIZE_OPTIONS),
        )[: 3 if tail else 4],
        ends=(0, 3 if tail else 4),
    )
