"""Models that an interpreter would crash on: each is refused, naming operator and tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT
from edgeq_device.tflite import parse_model
from tests.device.factories import (
    QUANTIZE_OPTIONS,
    RESHAPE_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    SignatureDef,
    TensorDef,
    build,
)

X = TensorDef("x", (1, 4), "float32")
Y = TensorDef("y", (1, 4), "float32")
RELU = OpDef("RELU", (0,), (1,))
CONSTANT = TensorDef("c", (1, 4), "float32", data=np.ones((1, 4), np.float32))
SHAPE = TensorDef("shape", (2,), "int32", data=np.array([2, 2], np.int32))
PLAIN = GraphDef((X, Y), (RELU,), (0,), (1,))


def model(graph: GraphDef, *more: GraphDef, **fields: Any) -> bytes:
    return build(ModelDef((graph, *more), **fields))


def one(tensors: tuple[TensorDef, ...], operator: OpDef) -> bytes:
    """One operator that reads tensor 0, the input, and writes the last tensor, the output."""
    return model(GraphDef(tensors, (operator,), (0,), (len(tensors) - 1,)))


def with_tensor(**changes: Any) -> bytes:
    return model(replace(PLAIN, tensors=(replace(X, **changes), Y)))


def calling(first: int, second: int) -> GraphDef:
    tensors = (TensorDef("if", (1,), "bool"), X, Y)
    options = (92, {0: ("i", first), 1: ("i", second)})
    return GraphDef(tensors, (OpDef("IF", (0, 1), (2,), options),), (0, 1), (2,))


INDICES: dict[str, tuple[bytes, str]] = {
    "no subgraph": (build(ModelDef(())), "it has no subgraph"),
    "input beyond the tensors": (
        model(replace(PLAIN, inputs=(5,))),
        "a model input or output names tensor 5 of 2",
    ),
    "output below 0": (
        model(replace(PLAIN, outputs=(-1,))),
        "a model input or output names tensor -1 of 2",
    ),
    "operand beyond the tensors": (
        one((X, Y), OpDef("RELU", (9,), (1,))),
        "operator 0 RELU names tensor 9 of 2",
    ),
    "absent output": (
        one((X, Y), OpDef("RELU", (0,), (-1,))),
        "operator 0 RELU names tensor -1 of 2",
    ),
    "signature of another tensor": (
        model(PLAIN, signatures=(SignatureDef("serve", {"x": 0}, {"y": 7}),)),
        'the signature "serve" names tensor 7 of 2',
    ),
    "subgraph that is not there": (
        model(calling(1, 2), PLAIN),
        "operator 0 IF calls subgraph 2 of 2",
    ),
    "subgraph that calls itself": (
        model(calling(1, 2), PLAIN, calling(1, 2)),
        "subgraph 0 calls itself",
    ),
}

ORDER: dict[str, tuple[bytes, str]] = {
    "read before it is written": (
        one((X, TensorDef("z", (1, 4), "float32"), Y), OpDef("ADD", (0, 1), (2,), (11, {}))),
        'operator 0 ADD reads tensor 1 "z" before anything writes it',
    ),
    "in the wrong order": (
        model(
            GraphDef(
                (X, TensorDef("z", (1, 4), "float32"), Y),
                (OpDef("RELU", (1,), (2,)), OpDef("TANH", (0,), (1,))),
                (0,),
                (2,),
            )
        ),
        'operator 0 RELU reads tensor 1 "z" before anything writes it',
    ),
    "in a second subgraph": (
        model(calling(1, 1), replace(PLAIN, inputs=(), operators=(RELU,))),
        'operator 0 RELU of subgraph 1 reads tensor 0 "x" before anything writes it',
    ),
    "output that nothing writes": (
        model(replace(PLAIN, operators=())),
        'nothing writes the output tensor 1 "y"',
    ),
    "written twice": (
        model(replace(PLAIN, operators=(RELU, RELU))),
        'operator 1 RELU writes tensor 1 "y" a second time',
    ),
    "input written": (
        one((X, Y), OpDef("RELU", (0,), (0,))),
        'operator 0 RELU writes tensor 0 "x" a second time',
    ),
    "constant written": (
        one((X, CONSTANT), OpDef("RELU", (0,), (1,))),
        'operator 0 RELU writes the constant tensor 1 "c"',
    ),
    "variable written": (
        one((X, replace(Y, is_variable=True)), RELU),
        'operator 0 RELU writes the variable tensor 1 "y"',
    ),
    "constant as input": (
        model(replace(PLAIN, tensors=(CONSTANT, Y))),
        'the input tensor 0 "c" is a constant',
    ),
}

TENSORS: dict[str, tuple[bytes, str]] = {
    "negative dimension": (with_tensor(shape=(-1, 4)), 'tensor 0 "x" has the shape [-1, 4]'),
    "nine dimensions": (
        with_tensor(shape=(1,) * 9),
        'tensor 0 "x" has the shape [1, 1, 1, 1, 1, 1, 1, 1, 1]',
    ),
    "empty input": (with_tensor(shape=(1, 0)), 'the input tensor 0 "x" has the shape [1, 0]'),
    "over 2 GiB": (
        with_tensor(shape=(65536, 65536)),
        'tensor 0 "x" takes 17179869184 bytes, more than 2 GiB',
    ),
    "size that overflows": (
        with_tensor(shape=(2**31 - 1,) * 4),
        f'tensor 0 "x" takes {4 * (2**31 - 1) ** 4} bytes, more than 2 GiB',
    ),
    "constant too short": (
        one((X, replace(CONSTANT, data=np.ones(3, np.float32)), Y), RELU),
        'tensor 1 "c" takes 16 bytes, but the file holds 12',
    ),
    "constant too long": (
        one((X, replace(CONSTANT, data=np.ones(5, np.float32)), Y), RELU),
        'tensor 1 "c" takes 16 bytes, but the file holds 20',
    ),
    "int4 of the wrong length": (
        one((X, TensorDef("c", (5,), "int4", data=bytes(5)), Y), RELU),
        'tensor 1 "c" takes 3 bytes, but the file holds 5',
    ),
    "broken texts": (
        one((X, TensorDef("t", (1,), "string", data=bytes([1, 0, 0, 0, 99, 0, 0, 0])), Y), RELU),
        'tensor 1 "t" holds texts whose offsets are broken',
    ),
    "handle with bytes": (
        one((X, TensorDef("h", (1,), "resource", data=bytes(4)), Y), RELU),
        'tensor 1 "h" is a resource and holds bytes',
    ),
    "scale that is no number": (
        with_tensor(dtype="int8", scale=float("nan")),
        'tensor 0 "x" has the scale nan',
    ),
    "negative scale": (
        with_tensor(dtype="int8", scale=-1.0),
        'tensor 0 "x" has the scale -1.0',
    ),
    "infinite scale": (
        with_tensor(dtype="int8", scale=float("inf")),
        'tensor 0 "x" has the scale inf',
    ),
    "scale below float's normal range": (
        with_tensor(dtype="int8", scale=2.0**-140),
        f'tensor 0 "x" has the scale {2.0**-140}',
    ),
    "zero point outside the type": (
        with_tensor(dtype="uint8", scale=1.0, zero_point=256),
        'tensor 0 "x" has a zero point outside uint8',
    ),
    "scales that do not fit the shape": (
        with_tensor(dtype="int8", scale=(1.0, 2.0, 3.0), axis=1),
        'tensor 0 "x" has 3 scales along axis 1 of the shape [1, 4]',
    ),
    "scales along no axis": (
        with_tensor(dtype="int8", scale=(1.0,) * 4, axis=2),
        'tensor 0 "x" has 4 scales along axis 2 of the shape [1, 4]',
    ),
}

DEFECTS = {**INDICES, **ORDER, **TENSORS}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_refused(defect: str) -> None:
    data, problem = DEFECTS[defect]
    with pytest.raises(ModelError) as caught:
        parse_model(data, "bad.tflite")

    assert caught.value.sentence == f"bad.tflite: is damaged: {problem}"
    assert caught.value.hint == DAMAGED_HINT


SOUND: dict[str, Callable[[], bytes]] = {
    "empty constant": lambda: one(
        (X, TensorDef("shape", (0,), "int32"), TensorDef("y", (), "float32")),
        OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS),
    ),
    "output that is a constant": lambda: model(
        GraphDef((X, CONSTANT), (), inputs=(0,), outputs=(1,))
    ),
    "output that is an input": lambda: model(replace(PLAIN, outputs=(0,))),
    "scale 0": lambda: with_tensor(dtype="int8", scale=0.0),
    "one zero point for all channels": lambda: with_tensor(dtype="int8", scale=(1.0,) * 4, axis=1),
    "unused tensor": lambda: model(replace(PLAIN, tensors=(X, Y, TensorDef("z", (3,))))),
    "subgraph called twice": lambda: model(calling(1, 1), PLAIN),
    "quantize": lambda: one(
        (replace(X, dtype="uint8", scale=1.0), replace(Y, dtype="uint8", scale=1.0)),
        OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_odd_but_sound_is_read(case: str) -> None:
    assert parse_model(SOUND[case](), "odd.tflite").main.index == 0
