"""Operators that an interpreter would crash on: each is refused by name."""

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
    FULLY_CONNECTED_OPTIONS,
    RESHAPE_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_options,
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


def conv(filters: Any = (8, 3, 3, 4), options: Any = None, channels: int = 4) -> bytes:
    weights = TensorDef("w", filters, "float32", data=np.zeros(filters, np.float32))
    picture = TensorDef("x", (1, 8, 8, channels), "float32")
    output = TensorDef("y", (1, 8, 8, 8), "float32")
    operator = OpDef("CONV_2D", (0, 1), (2,), options or conv_options())
    return one((picture, weights, output), operator)


def lstm(*absent: int) -> bytes:
    """An LSTM whose 20 inputs are all the model's input but for ``absent`` ones."""
    inputs = tuple(-1 if place in absent else 0 for place in range(20))
    return one((X, Y), OpDef("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, (1,), (71, {})))


SPLIT = OpDef("SPLIT", (1, 0), (2, 3), (35, {0: ("i", 3)}))
AXIS = TensorDef("axis", (), "int32", data=np.int32(1))
HALF = TensorDef("half", (1, 2), "float32")

DEFECTS: dict[str, tuple[bytes, str]] = {
    "missing input": (
        one((X, Y), OpDef("FULLY_CONNECTED", (0,), (1,), FULLY_CONNECTED_OPTIONS)),
        "operator 0 FULLY_CONNECTED has 1 of 2 inputs",
    ),
    "missing output": (
        model(GraphDef((X, Y), (OpDef("RELU", (0,), ()),), (0,), (0,))),
        "operator 0 RELU has 0 of 1 outputs",
    ),
    "absent input": (
        one((X, Y), OpDef("MUL", (0, -1), (1,), (21, {}))),
        "operator 0 MUL lacks its input 1",
    ),
    "absent LSTM weights": (
        lstm(3),
        "operator 0 UNIDIRECTIONAL_SEQUENCE_LSTM lacks its input 3",
    ),
    "half an input gate": (
        lstm(12),
        "operator 0 UNIDIRECTIONAL_SEQUENCE_LSTM lacks its input 12",
    ),
    "no options": (conv(options=(0, {})), "operator 0 CONV_2D has no options"),
    "options of another operator": (
        conv(options=(11, {})),
        "operator 0 CONV_2D has the options of another operator (type 11)",
    ),
    "stride 0": (
        conv(options=conv_options(stride=0)),
        "operator 0 CONV_2D has 0 where a stride, size or count must stand",
    ),
    "dilation 0": (
        conv(options=(1, {1: ("i", 1), 2: ("i", 1), 4: ("i", 0)})),
        "operator 0 CONV_2D has 0 where a stride, size or count must stand",
    ),
    "padding of no kind": (
        conv(options=conv_options(padding=9)),
        "operator 0 CONV_2D has the option 9 of 2",
    ),
    "activation of no kind": (
        conv(options=conv_options(activation=77)),
        "operator 0 CONV_2D has the option 77 of 6",
    ),
    "filter without channels": (
        one(
            (
                TensorDef("x", (1, 8, 8, 4), "float32"),
                TensorDef("w", (8, 3, 3, 0), "float32"),
                TensorDef("y", (1, 8, 8, 8), "float32"),
            ),
            OpDef("CONV_2D", (0, 1), (2,), conv_options()),
        ),
        "operator 0 CONV_2D has a filter of the shape [8, 3, 3, 0]",
    ),
    "filter of other channels": (
        conv(filters=(8, 3, 3, 3)),
        "operator 0 CONV_2D has 4 input channels and a filter of the shape [8, 3, 3, 3]",
    ),
    "filter of three dimensions": (
        conv(filters=(8, 3, 3)),
        "operator 0 CONV_2D has an input or filter without four dimensions",
    ),
    "more parts than outputs": (
        model(GraphDef((X, AXIS, HALF, replace(HALF, name="z")), (SPLIT,), (0,), (2,))),
        "operator 0 SPLIT says 3 operands and has 2",
    ),
    "numbers into texts": (
        one((X, replace(Y, dtype="string")), RELU),
        "operator 0 RELU turns numbers into strings",
    ),
    "reshape into another type": (
        one((X, SHAPE, replace(Y, dtype="int8")), OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS)),
        "operator 0 RESHAPE turns float32 into int8",
    ),
    "shape of a hundred dimensions": (
        one(
            (X, TensorDef("s", (100,), "int32", data=np.ones(100, np.int32)), Y),
            OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS),
        ),
        "operator 0 RESHAPE has 100 numbers where one for each dimension must stand",
    ),
    "dimension named twice": (
        one(
            (X, TensorDef("order", (2,), "int32", data=np.array([1, 1], np.int32)), Y),
            OpDef("TRANSPOSE", (0, 1), (2,), (26, {})),
        ),
        "operator 0 TRANSPOSE has the order of dimensions [1, 1]",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_refused(defect: str) -> None:
    data, problem = DEFECTS[defect]
    with pytest.raises(ModelError) as caught:
        parse_model(data, "bad.tflite")

    assert caught.value.sentence == f"bad.tflite: is damaged: {problem}"
    assert caught.value.hint == DAMAGED_HINT


SOUND: dict[str, Callable[[], bytes]] = {
    "grouped convolution": lambda: conv(filters=(8, 3, 3, 2)),
    "absent bias": lambda: one(
        (X, TensorDef("w", (4, 4), "float32", data=np.eye(4, dtype=np.float32)), Y),
        OpDef("FULLY_CONNECTED", (0, 1, -1), (2,), FULLY_CONNECTED_OPTIONS),
    ),
    "LSTM without an input gate": lambda: lstm(1, 5, 12),
    "LSTM without peepholes and projection": lambda: lstm(9, 10, 11, 16, 17),
    "custom operator without operands": lambda: model(
        GraphDef((X, Y), (RELU, OpDef("Nothing", (), (), custom=True)), (0,), (1,))
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_odd_but_sound_is_read(case: str) -> None:
    assert parse_model(SOUND[case](), "odd.tflite").main.index == 0
