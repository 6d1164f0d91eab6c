"""The partition, the blocker and the totals, on models small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.analyze import Analysis, analyze, summary
from edgeq.analyze.costs import fit
from edgeq.analyze.partition import Part, partition
from edgeq_device.errors import ModelError
from edgeq_device.tflite import parse_model
from tests.device.builder import GraphDef, ModelDef, OpDef, TensorDef, build
from tests.device.factories import (
    conv_classifier,
    custom_op_model,
    dense_model,
    float_dense_model,
)
from tests.toolkit.one_operator import value


def graph(*operators: tuple[str, tuple[int, ...], int]) -> bytes:
    """Operators of one result each: (op, tensors read, tensor written); tensor 0 is the input."""
    count = 1 + max(written for _, _, written in operators)
    tensors = tuple(value(f"t{number}", 1, 4) for number in range(count))
    ops = tuple(OpDef(op, reads, (written,)) for op, reads, written in operators)
    return build(ModelDef((GraphDef(tensors, ops, (0,), (count - 1,)),)))


def found(data: bytes) -> Analysis:
    return analyze(parse_model(data, "test.tflite"))


BRANCHES = graph(
    ("TANH", (0,), 1),
    ("ABS", (1,), 2),  # not on the Edge TPU
    ("TANH", (2,), 3),
    ("LOGISTIC", (1,), 4),  # beside it
    ("ADD", (3, 4), 5),
)


def test_a_branch_beside_an_unsupported_operator_still_maps() -> None:
    analysis = found(BRANCHES)
    assert [each.placement for each in analysis.operators] == [
        "edgetpu",
        "cpu",
        "cpu",
        "edgetpu",
        "cpu",
    ]
    assert [each.rule for each in analysis.cpu_operators] == [
        "operator_exists",
        "one_part_only",
        "one_part_only",
    ]
    assert all("it waits for operator 1 ABS" in e.reason for e in analysis.cpu_operators[1:])
    assert analysis.operators[4].remedy.startswith("change operator 1 ABS: ")
    assert analysis.blocker is not None
    assert analysis.blocker.operator.index == 1
    assert analysis.blocker.gained_operators == 2


def test_an_unsupported_head_does_not_keep_the_rest_off() -> None:
    analysis = found(graph(("ABS", (0,), 1), ("TANH", (1,), 2), ("TANH", (2,), 3)))
    assert [each.placement for each in analysis.operators] == ["cpu", "edgetpu", "edgetpu"]
    assert analysis.blocker is not None
    assert analysis.blocker.gained_operators == 0


def test_the_blocker_is_the_first_that_keeps_others_off() -> None:
    analysis = found(
        graph(
            ("ABS", (0,), 1),
            ("TANH", (1,), 2),
            ("ABS", (2,), 3),
            ("TANH", (3,), 4),
            ("ABS", (4,), 5),
        )
    )
    assert [each.index for each in analysis.operators if each.is_mapped] == [1]
    assert analysis.blocker is not None
    assert (analysis.blocker.operator.index, analysis.blocker.gained_operators) == (2, 1)
    assert "it waits for operator 2 ABS" in analysis.operators[3].reason


def test_two_blockers_in_a_row_gain_nothing_alone() -> None:
    analysis = found(
        graph(("TANH", (0,), 1), ("ABS", (1,), 2), ("ABS", (2,), 3), ("TANH", (3,), 4))
    )
    assert analysis.blocker is not None
    assert (analysis.blocker.operator.index, analysis.blocker.gained_operators) == (1, 0)


def test_nothing_maps() -> None:
    analysis = found(graph(("ABS", (0,), 1), ("ABS", (1,), 2)))
    assert analysis.mapped == 0
    assert analysis.summary == "Edge TPU 0 ops (0 %) · CPU 2 ops (100 %)"
    assert analysis.parameter_bytes == 0
    assert analysis.blocker is not None
    assert analysis.blocker.operator.index == 0


def test_parts_alternate_and_hold_each_operator_once() -> None:
    model = parse_model(BRANCHES, "test.tflite")
    parts = partition(model.main, [True, False, True, True, True])
    assert parts == (Part(True, (0, 3)), Part(False, (1,)), Part(True, (2, 4)))


def test_all_of_a_dense_model_maps() -> None:
    analysis = found(dense_model())
    assert analysis.summary == "Edge TPU 3 ops (100 %) · CPU 0 ops (0 %)"
    assert analysis.blocker is None
    assert not analysis.is_float
    assert (analysis.macs("edgetpu"), analysis.macs("cpu")) == (32, 0)
    # 4 outputs take 16 rows: a bias of 4 bytes and 8 weights each.
    assert analysis.parameter_bytes == 16 * 4 + 16 * 8


def test_a_scale_for_each_channel_takes_8_bytes_more() -> None:
    model = found(dense_model(weight_scale=(0.1, 0.2, 0.3, 0.4)))
    assert model.parameter_bytes == 16 * 12 + 16 * 8


def test_a_float_model_is_judged_as_quantized() -> None:
    analysis = found(float_dense_model())
    assert analysis.is_float
    assert analysis.cpu_operators == ()
    assert analysis.macs("edgetpu") == 9
    assert analysis.parameter_bytes == 16 * 4 + 16 * 4


def test_a_float_island_in_an_integer_model_stays_on_the_cpu() -> None:
    tensors = (
        value("x", 1, 4),
        value("a", 1, 4),
        value("f", 1, 4, dtype="float32"),
        value("g", 1, 4, dtype="float32"),
        value("y", 1, 4),
    )
    operators = (
        OpDef("TANH", (0,), (1,)),
        OpDef("DEQUANTIZE", (1,), (2,)),
        OpDef("TANH", (2,), (3,)),
        OpDef("QUANTIZE", (3,), (4,)),
    )
    analysis = found(build(ModelDef((GraphDef(tensors, operators, (0,), (4,)),))))
    assert [each.rule for each in analysis.operators] == [
        "all_rules_hold",
        "operator_exists",
        "values_are_8_bit",
        "values_are_8_bit",
    ]


def test_what_is_constant_in_a_float_model_is_computed_ahead() -> None:
    half = TensorDef("half", (1, 4), "float16", data=np.ones((1, 4), np.float16))
    tensors = (
        value("x", 1, 4, dtype="float32"),
        half,
        value("f", 1, 4, dtype="float32"),
        value("y", 1, 4, dtype="float32"),
    )
    operators = (OpDef("DEQUANTIZE", (1,), (2,)), OpDef("ADD", (0, 2), (3,)))
    analysis = found(build(ModelDef((GraphDef(tensors, operators, (0,), (3,)),))))
    assert [each.rule for each in analysis.operators] == ["computed_ahead", "all_rules_hold"]


@pytest.mark.parametrize("is_float", [True, False])
def test_shapes_are_computed_ahead_where_the_batch_will_be_made_1(is_float: bool) -> None:
    kind = "float32" if is_float else "int8"
    tensors = (
        value("x", 1, 4, dtype=kind),
        TensorDef("shape", (2,), "int32"),
        value("y", 1, 4, dtype=kind),
        value("z", 1, 4, dtype=kind),
    )
    operators = (
        OpDef("SHAPE", (0,), (1,)),
        OpDef("RESHAPE", (0, 1), (2,), (17, {})),
        OpDef("TANH", (2,), (3,)),
    )
    analysis = found(build(ModelDef((GraphDef(tensors, operators, (0,), (3,)),))))
    assert [each.rule for each in analysis.operators] == (
        ["computed_ahead", "all_rules_hold", "all_rules_hold"]
        if is_float
        else ["operator_exists", "sizes_are_constant", "all_rules_hold"]
    )


def test_a_compiled_model_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        found(custom_op_model())
    assert str(caught.value) == "test.tflite: is already compiled for the Edge TPU"
    assert caught.value.hint == "give the .tflite that it was compiled from"


def test_a_small_convolutional_network_maps() -> None:
    analysis = found(conv_classifier())
    assert analysis.cpu_operators == ()
    assert analysis.macs("edgetpu") == 13864


@pytest.mark.parametrize(
    ("size", "word"),
    [
        (0, "fits"),
        (6_815_743, "fits"),
        (6_815_744, "unknown"),
        (8_283_750, "unknown"),
        (8_283_751, "streams"),
    ],
)
def test_fit(size: int, word: str) -> None:
    assert fit(size) == word


@pytest.mark.parametrize(
    ("mapped", "total", "line"),
    [
        (28, 30, "Edge TPU 28 ops (93 %) · CPU 2 ops (7 %)"),
        (999, 1000, "Edge TPU 999 ops (99 %) · CPU 1 ops (1 %)"),
        (1, 1000, "Edge TPU 1 ops (1 %) · CPU 999 ops (99 %)"),
        (0, 0, "Edge TPU 0 ops (0 %) · CPU 0 ops (0 %)"),
    ],
)
def test_summary(mapped: int, total: int, line: str) -> None:
    assert summary(mapped, total) == line


def test_a_long_chain_with_many_blockers_is_quick() -> None:
    chain = [("ABS" if n % 2 else "TANH", (n,), n + 1) for n in range(600)]
    analysis = found(graph(*chain))
    assert analysis.mapped == 1
    assert analysis.blocker is not None
    assert analysis.blocker.operator.index == 1
