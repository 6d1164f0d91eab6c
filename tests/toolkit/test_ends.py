"""int8 ends become uint8 by QUANTIZE operators, and every answer stays: + 128, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeq import contract, model
from edgeq.legalize.ends import uint8_ends
from edgeq_device.errors import ModelError
from edgeq_device.runtime import load
from edgeq_device.tflite import Model, parse_model
from tests.device.factories import (
    FULLY_CONNECTED_OPTIONS,
    RESHAPE_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
    dense_model,
)

ADD_OPTIONS = (11, {0: ("b", 0)})


def branching(inputs: tuple[int, ...] = (0, 1), outputs: tuple[int, ...] = (2, 4)) -> bytes:
    """ "sum" = "left" + "right"; "scores" = weights * "sum": so "sum" is an end and read inside."""
    random = np.random.RandomState(3)
    weights = random.randint(-127, 128, (5, 6)).astype(np.int8)
    tensors = (
        TensorDef("left", (1, 6), "int8", 0.02, 7),
        TensorDef("right", (1, 6), "int8", 0.03, -11),
        TensorDef("sum", (1, 6), "int8", 0.05, -3),
        TensorDef("weights", (5, 6), "int8", 0.01, data=weights),
        TensorDef("scores", (1, 5), "int8", 0.08, 2),
    )
    operators = (
        OpDef("ADD", (0, 1), (2,), ADD_OPTIONS, version=2),
        OpDef("FULLY_CONNECTED", (2, 3, -1), (4,), FULLY_CONNECTED_OPTIONS, version=4),
    )
    return build(ModelDef((GraphDef(tensors, operators, inputs, outputs),)))


def random_int8(shape: tuple[int, ...], seed: int) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def shifted(values: NDArray[np.int8]) -> NDArray[np.uint8]:
    return (values.astype(np.int16) + 128).astype(np.uint8)


def assert_same_answers(before: bytes, after: bytes, times: int = 100) -> None:
    old, new = load(before, name="old"), load(after, name="new")
    for seed in range(times):
        given = [random_int8(spec.shape, seed + 1000 * i) for i, spec in enumerate(old.inputs)]
        fed = [
            shifted(values) if spec.dtype == "uint8" else values
            for values, spec in zip(given, new.inputs, strict=True)
        ]
        for spec, expected, seen in zip(new.outputs, old.run(*given), new.run(*fed), strict=True):
            wanted = shifted(expected) if spec.dtype == "uint8" else expected
            np.testing.assert_array_equal(seen, wanted)


def ends(parsed: Model) -> list[tuple[str, str, int]]:
    specs = (*parsed.input_specs(), *parsed.output_specs())
    return [(spec.name, spec.dtype, spec.zero_point) for spec in specs]


def test_several_inputs_and_outputs_and_one_that_is_read_inside() -> None:
    before = branching()
    after = uint8_ends(before)
    parsed = parse_model(after, "after")
    assert ends(parsed) == [
        ("left", "uint8", 135),
        ("right", "uint8", 117),
        ("sum", "uint8", 125),
        ("scores", "uint8", 130),
    ]
    assert [spec.scale for spec in parsed.output_specs()] == pytest.approx([0.05, 0.08])
    assert [operator.op for operator in parsed.main.operators] == [
        "QUANTIZE",
        "QUANTIZE",
        "ADD",
        "FULLY_CONNECTED",
        "QUANTIZE",
        "QUANTIZE",
    ]
    assert contract.check(parsed, mode="integer", int8_ends=False).is_kept
    assert_same_answers(before, after)


def test_an_input_that_is_directly_an_output() -> None:
    before = branching(outputs=(0, 4))
    after = uint8_ends(before)
    assert ends(parse_model(after, "after")) == [
        ("left", "uint8", 135),
        ("right", "uint8", 117),
        ("left_uint8", "uint8", 135),
        ("scores", "uint8", 130),
    ]
    assert_same_answers(before, after)


def test_an_output_that_is_listed_twice_stays_twice() -> None:
    before = branching(outputs=(4, 4))
    parsed = parse_model(uint8_ends(before), "after")
    assert [spec.name for spec in parsed.output_specs()] == ["scores", "scores"]
    assert len(parsed.main.operators) == 5
    assert_same_answers(before, uint8_ends(before))


def test_a_constant_output() -> None:
    before = branching(outputs=(3, 4))
    assert_same_answers(before, uint8_ends(before), times=5)


def test_only_the_int8_ends_of_mixed_ones_change() -> None:
    """A model with a uint8 input and an int8 output, and the reverse."""
    for keep in ("outputs", "inputs"):
        edited = model.read(dense_model())
        graph = edited.subgraphs[0]
        if keep == "outputs":
            graph.operators.pop(0)
            graph.inputs = np.array([1], np.int32)
        else:
            graph.operators.pop()
            graph.outputs = np.array([4], np.int32)
        before = model.write(edited)
        after = uint8_ends(before)
        parsed = parse_model(after, "after")
        assert [spec.dtype for spec in (*parsed.input_specs(), *parsed.output_specs())] == [
            "uint8",
            "uint8",
        ]
        old, new = load(before, name="old"), load(after, name="new")
        for seed in range(50):
            values = random_int8((1, 8), seed)
            kept = shifted(values)
            expected = old.run(values if keep == "outputs" else kept)[0]
            if keep == "inputs":
                expected = shifted(expected)
            np.testing.assert_array_equal(new.run(kept)[0], expected)


@pytest.mark.parametrize("data", [conv_classifier(), dense_model()], ids=["conv", "dense"])
def test_uint8_ends_come_back_as_they_are(data: bytes) -> None:
    assert uint8_ends(data) is data


def test_a_second_time_changes_nothing() -> None:
    once = uint8_ends(branching())
    assert uint8_ends(once) is once
    assert uint8_ends(branching()) == once


def test_the_new_names_are_unique_even_where_the_obvious_one_is_taken() -> None:
    tensors = (
        TensorDef("x", (1, 4), "int8", 0.5),
        TensorDef("x_int8", (2,), "int32", data=np.array([2, 2], np.int32)),
        TensorDef("y", (2, 2), "int8", 0.5),
    )
    reshape = OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS)
    before = build(ModelDef((GraphDef(tensors, (reshape,), (0,), (2,)),)))
    after = uint8_ends(before)
    names = [tensor.name for tensor in parse_model(after, "after").main.tensors]
    assert sorted(names) == ["x", "x_int8", "x_int8_2", "y", "y_int8"]
    assert_same_answers(before, after)


def test_an_int8_end_without_a_scale_is_refused_by_name() -> None:
    tensors = (
        TensorDef("codes", (1, 4), "int8"),
        TensorDef("shape", (2,), "int32", data=np.array([2, 2], np.int32)),
        TensorDef("square", (2, 2), "int8"),
    )
    reshape = OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS)
    data = build(ModelDef((GraphDef(tensors, (reshape,), (0,), (2,)),)))
    with pytest.raises(ModelError) as caught:
        uint8_ends(data, "codes.tflite")
    assert caught.value.sentence == (
        'codes.tflite: "codes" is int8 without one scale, so it cannot become uint8'
    )
    assert caught.value.hint == "keep the int8 ends: leave out --uint8-ends"


def test_signatures_follow_the_new_ends() -> None:
    edited = model.read(branching())
    tables = model.schema()
    signature = tables.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs, signature.outputs = [], []
    for maps, name, index in (
        (signature.inputs, "l", 0),
        (signature.inputs, "r", 1),
        (signature.outputs, "s", 4),
    ):
        entry = tables.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        maps.append(entry)
    edited.signatureDefs = [signature]
    parsed = parse_model(uint8_ends(model.write(edited)), "after")
    (seen,) = parsed.signatures
    assert [(name, parsed.main.tensors[i].dtype) for name, i in (*seen.inputs, *seen.outputs)] == [
        ("l", "uint8"),
        ("r", "uint8"),
        ("s", "uint8"),
    ]
    assert tuple(index for _, index in seen.inputs) == parsed.main.inputs


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(2**-12, 8.0, width=32),
    zero_point=st.integers(-128, 127),
    seed=st.integers(0, 2**16),
)
def test_the_shift_is_exact_for_any_scale_and_zero_point(
    scale: float, zero_point: int, seed: int
) -> None:
    x = TensorDef("x", (1, 256), "int8", scale, zero_point)
    tensors = (x, TensorDef("shape", (1,), "int32", data=np.array([256], np.int32)))
    tensors = (*tensors, replace(x, name="y", shape=(256,)))
    reshape = OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS)
    before = build(ModelDef((GraphDef(tensors, (reshape,), (0,), (2,)),)))
    every = np.random.default_rng(seed).permutation(np.arange(256, dtype=np.uint8))
    answer = load(uint8_ends(before), name="after").run(every.reshape(1, 256))[0]
    np.testing.assert_array_equal(answer, every)
