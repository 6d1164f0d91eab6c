"""Models of a single operator, for the rules of the Edge TPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.ops.case import Case, Surroundings
from edgeq_device.tflite import parse_model
from tests.device.builder import NO_OPTIONS, GraphDef, ModelDef, OpDef, TensorDef, build


@dataclass(frozen=True)
class One:
    """An operator with its operands: tensors with ``data`` are constants, the others inputs."""

    op: str
    reads: tuple[TensorDef | None, ...]
    writes: tuple[TensorDef, ...]
    options: Any = NO_OPTIONS
    version: int = 1

    def model(self) -> bytes:
        tensors = [each for each in self.reads if each is not None]
        places, count = [], 0
        for each in self.reads:
            places.append(-1 if each is None else count)
            count += each is not None
        fed = [i for i in places if i >= 0 and tensors[i].data is None]
        made = tuple(range(count, count + len(self.writes)))
        custom = self.op not in _BUILTIN
        operator = OpDef(self.op, tuple(places), made, self.options, self.version, custom)
        graph = GraphDef((*tensors, *self.writes), (operator,), tuple(fed), made)
        return build(ModelDef((graph,)))

    def case(self) -> Case:
        model = parse_model(self.model(), "one.tflite")
        return Case(Surroundings(model), model.main.operators[0])


class _Builtins:
    def __contains__(self, op: str) -> bool:
        from edgeq_device.tflite.opcodes import BUILTIN_NAMES

        return op in BUILTIN_NAMES


_BUILTIN = _Builtins()


def value(name: str, *shape: int, dtype: str = "int8") -> TensorDef:
    """A tensor that depends on the input."""
    scale = 0.5 if dtype in ("int8", "uint8", "int16") else ()
    return TensorDef(name, shape, dtype, scale)


def ints(name: str, *values: int) -> TensorDef:
    """A constant list of int32."""
    return TensorDef(name, (len(values),), "int32", data=np.array(values, np.int32))


def weights(*shape: int, fill: int = 1) -> TensorDef:
    """A constant of int8."""
    return TensorDef("w", shape, "int8", 0.5, data=np.full(shape, fill, np.int8))
