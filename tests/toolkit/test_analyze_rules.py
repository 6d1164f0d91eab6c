"""Each rule of the Edge TPU: a case that it lets through, and one that it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeq.ops.rules import all_rules, judge, rules_of
from tests.device.builder import SOFTMAX_OPTIONS, TensorDef, conv_options
from tests.toolkit.one_operator import One, ints, value, weights


def same(op: str, *shape: int, options: Any = (0, {}), version: int = 1) -> One:
    return One(op, (value("x", *shape),), (value("y", *shape),), options, version)


def conv(dilation: tuple[int, int] = (1, 1), channels: int = 4, kernel: Any = None) -> One:
    kind, fields = conv_options()
    options = kind, {**fields, 4: ("i", dilation[0]), 5: ("i", dilation[1])}
    given = weights(8, 3, 3, 4) if kernel is None else kernel
    return One(
        "CONV_2D", (value("x", 1, 9, 9, channels), given), (value("y", 1, 9, 9, 8),), options
    )


def transposed(size: int, channels: int) -> One:
    shape = (1, size, size, channels)
    options = 49, {1: ("i", 2), 2: ("i", 2)}
    reads = (
        ints("shape", *shape),
        weights(channels, 1, 1, 4),
        value("x", 1, size // 2, size // 2, 4),
    )
    return One("TRANSPOSE_CONV", reads, (value("y", *shape),), options)


def dense(rows: int = 1, kernel: Any = None, form: int = 0) -> One:
    given = weights(8, 4) if kernel is None else kernel
    options = 8, {1: ("b", form)}
    return One("FULLY_CONNECTED", (value("x", rows, 4), given), (value("y", rows, 8),), options)


def pool(activation: int) -> One:
    fields = {1: 2, 2: 2, 3: 2, 4: 2}
    options = 5, {**{n: ("i", v) for n, v in fields.items()}, 5: ("b", activation)}
    reads = (value("x", 1, 8, 8, 4),)
    return One("MAX_POOL_2D", reads, (value("y", 1, 4, 4, 4),), options)


def prelu(*alpha: int) -> One:
    return One("PRELU", (value("x", 1, 4, 4, 4), weights(*alpha)), (value("y", 1, 4, 4, 4),))


def joined(*constant: int, channels: int = 4, side: int = 4) -> One:
    parts = (value("x", 1, side, side, channels),)
    parts += tuple(weights(1, side, side, channels, fill=fill) for fill in constant)
    if not constant:
        parts += (value("z", 1, side, side, channels),)
    total = channels * len(parts)
    return One("CONCATENATION", parts, (value("y", 1, side, side, total),), (10, {0: ("i", 3)}))


def pack(axis: int) -> One:
    shape = [4, 4]
    shape.insert(axis, 2)
    reads = (value("x", 4, 4), value("z", 4, 4))
    return One("PACK", reads, (value("y", *shape),), (59, {0: ("i", 2), 1: ("i", axis)}))


def split(axis: int) -> One:
    parts = (value("a", 1, 4, 4, 2), value("b", 1, 4, 4, 2))
    return One("SPLIT", (ints("axis", axis), value("x", 1, 4, 4, 4)), parts, (35, {0: ("i", 2)}))


def pad(batch: int) -> One:
    values = [[0, batch], [1, 1], [1, 1], [0, 0]]
    padding = TensorDef("p", (4, 2), "int32", data=np.array(values, np.int32))
    return One("PAD", (value("x", 1, 4, 4, 4), padding), (value("y", 1, 6, 6, 4),))


def sliced(stride: int = 1, ellipsis: int = 0) -> One:
    reads = (
        value("x", 1, 8, 8, 4),
        ints("begin", 0, 0, 0, 0),
        ints("end", 1, 8, 8, 4),
        ints("strides", 1, stride, stride, 1),
    )
    side = 8 // stride
    options = 32, {2: ("i", ellipsis)}
    return One("STRIDED_SLICE", reads, (value("y", 1, side, side, 4),), options)


def mean(shape: tuple[int, ...], *axes: int) -> One:
    left = tuple(size for number, size in enumerate(shape) if number not in axes)
    return One("MEAN", (value("x", *shape), ints("axes", *axes)), (value("y", *left),))


def resize(before: int, after: int, op: str = "RESIZE_BILINEAR") -> One:
    reads = (value("x", 1, before, before, 4), ints("size", after, after))
    return One(op, reads, (value("y", 1, after, after, 4),))


def lstm(features: int) -> One:
    gate, state, bias = weights(4, features), weights(4, 4), ints("bias", 0, 0, 0, 0)
    reads: list[TensorDef | None] = [None] * 20
    reads[0] = value("x", 1, 5, features)
    reads[1:9] = [gate] * 4 + [state] * 4
    reads[12:16] = [bias] * 4
    reads[18] = TensorDef("output state", (1, 4), "int8", 0.5, is_variable=True)
    reads[19] = TensorDef("cell state", (1, 4), "int16", 0.5, is_variable=True)
    options = 71, {0: ("b", 4)}
    return One("UNIDIRECTIONAL_SEQUENCE_LSTM", tuple(reads), (value("y", 1, 5, 4),), options)


def softmax(*shape: int) -> One:
    return same("SOFTMAX", *shape, options=SOFTMAX_OPTIONS)


def reshaped(shape: TensorDef) -> One:
    return One("RESHAPE", (value("x", 1, 4), shape), (value("y", 4, 1),), (17, {}))


def typed(read: str, written: str, op: str = "QUANTIZE") -> One:
    return One(op, (value("x", 1, 4, dtype=read),), (value("y", 1, 4, dtype=written),))


CASES: dict[str, tuple[One, One]] = {
    "operator_exists": (same("LOGISTIC", 1, 4), same("HARD_SWISH", 1, 4)),
    "version_is_read": (same("TANH", 1, 4, version=3), same("TANH", 1, 4, version=4)),
    "sizes_are_constant": (
        reshaped(ints("shape", 4, 1)),
        reshaped(TensorDef("shape", (2,), "int32")),
    ),
    "values_are_8_bit": (typed("uint8", "int8"), typed("float32", "int8")),
    "three_inner_dimensions": (same("LOGISTIC", 1, 4, 4, 2), same("LOGISTIC", 2, 4, 4, 2)),
    "dilation_is_square": (conv((2, 2)), conv((2, 1))),
    "convolution_weights_are_constant": (conv(), conv(kernel=value("w", 1, 3, 3, 4))),
    "one_group": (conv(), conv(channels=8)),
    "upsampled_map_is_small": (transposed(64, 256), transposed(64, 512)),
    "weights_have_default_format": (dense(), dense(form=1)),
    "dense_weights_are_constant": (dense(), dense(kernel=value("w", 8, 4))),
    "dense_result_is_one_row": (dense(), dense(rows=2)),
    "softmax_is_one_row": (softmax(1, 4), softmax(2, 4)),
    "softmax_is_short": (softmax(1, 16384), softmax(1, 16385)),
    "no_activation_inside": (pool(0), pool(1)),
    "alpha_is_one_dimensional": (prelu(1, 1, 4), prelu(4, 4, 4)),
    "constant_part_is_zero": (joined(0), joined(3)),
    "joined_tensor_is_small": (joined(side=60), joined(side=60, channels=128)),
    "not_packed_along_batch": (pack(1), pack(0)),
    "not_split_along_batch": (split(3), split(0)),
    "not_padded_along_batch": (pad(0), pad(1)),
    "strides_are_1": (sliced(), sliced(stride=2)),
    "no_new_axis": (sliced(), sliced(ellipsis=1)),
    "batch_is_not_reduced": (mean((1, 4, 4, 4), 1, 2), mean((1, 4, 4, 4), 0, 1)),
    "channels_come_in_fours": (mean((1, 4, 4, 8), 3), mean((1, 4, 4, 6), 3)),
    "averaged_map_is_small": (mean((1, 255, 128, 4), 1, 2), mean((1, 256, 128, 4), 1, 2)),
    "resize_grows_little": (resize(24, 48), resize(1, 33)),
    "resized_map_is_small": (resize(64, 128), resize(128, 256, "RESIZE_NEAREST_NEIGHBOR")),
    "sequence_is_narrow": (lstm(900), lstm(901)),
}


def test_every_rule_has_a_case() -> None:
    assert sorted(CASES) == sorted(rule.name for rule in all_rules())


@pytest.mark.parametrize("name", CASES)
def test_a_rule_lets_through_what_it_is_not_about(name: str) -> None:
    assert judge(CASES[name][0].case()) is None


@pytest.mark.parametrize("name", CASES)
def test_a_rule_refuses_with_what_it_saw_and_a_way_out(name: str) -> None:
    found = judge(CASES[name][1].case())
    assert found is not None
    rule, refusal = found
    assert rule.name == name
    assert refusal.detail
    assert refusal.remedy
    assert not refusal.detail.endswith(".")
    assert not refusal.remedy.endswith(".")


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_a_rule_says_what_must_hold_in_one_sentence(rule: Any) -> None:
    assert rule.sentence.endswith(".")
    assert rule.sentence.count(". ") == 0


def test_rules_for_all_come_first() -> None:
    assert [rule.name for rule in rules_of("MAX_POOL_2D")] == [
        "operator_exists",
        "version_is_read",
        "sizes_are_constant",
        "values_are_8_bit",
        "three_inner_dimensions",
        "no_activation_inside",
    ]


@pytest.mark.parametrize(
    ("given", "detail", "remedy"),
    [
        (typed("float32", "int8"), 'it reads float32 ("x")', "feed integers"),
        (typed("int8", "int16", "TANH"), 'it writes int16 ("y")', "quantize to 8 bits"),
        (resize(20, 200), "it goes from 20x20 to 200x200", "end the model before it"),
        (resize(1, 8), None, None),
        (joined(0, 0), "it joins 3 tensors, 2 of them constant", "pad with zeros"),
        (conv(channels=8), "it has 2 groups", "split the channels"),
        (same("TFLite_Detection_PostProcess", 1, 4), "it has no TFLite_Det", "end the model"),
    ],
)
def test_what_a_refusal_says(given: One, detail: str | None, remedy: str | None) -> None:
    found = judge(given.case())
    if detail is None or remedy is None:
        assert found is None
        return
    assert found is not None
    assert found[1].detail.startswith(detail)
    assert found[1].remedy.startswith(remedy)


def as_float(one: One) -> One:
    """The same operator before quantization."""

    def plain(tensor: TensorDef | None) -> TensorDef | None:
        if tensor is None or tensor.dtype != "int8":
            return tensor
        data = None if tensor.data is None else tensor.data.astype(np.float32)
        return replace(tensor, dtype="float32", scale=(), data=data)

    reads, writes = ([plain(each) for each in some] for some in (one.reads, one.writes))
    return replace(one, reads=tuple(reads), writes=tuple(filter(None, writes)))


@pytest.mark.parametrize("given", [conv(channels=8), sliced(stride=2)], ids=lambda one: one.op)
def test_what_building_rewrites_is_no_obstacle_for_a_float_model(given: One) -> None:
    assert judge(given.case()) is not None
    assert judge(as_float(given).case()) is None


@pytest.mark.parametrize("given", [conv((2, 1)), pool(1), mean((1, 4, 4, 4), 0, 1), resize(1, 33)])
def test_other_rules_hold_for_float_models_too(given: One) -> None:
    whole, float_one = judge(given.case()), judge(as_float(given).case())
    assert whole is not None
    assert float_one is not None
    assert float_one[0].name == whole[0].name
