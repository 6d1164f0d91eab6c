"""Whole data sets through one model: the same bytes as one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeq import bulk
from edgeq import model as editable
from edgeq.bulk import BATCH, BulkModel, with_batch, without_shifts
from edgeq.quantize import litert
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tflite import parse_model
from tests.toolkit import float_models as models
from tests.toolkit.networks import RELU, Network
from tests.toolkit.test_litert import SPEC, samples

OPTIONS = LoadOptions(threads=1)


@pytest.fixture(autouse=True)
def _few_samples_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "WORTH_IT", 2 * BATCH)


def digits(end: str = "SOFTMAX") -> bytes:
    """The digits' kind of network: conv, pool, a reshape to a row, dense."""
    net = Network()
    features = net.conv(models.picture(net), 4, activation=RELU)
    options = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    pooled = net.op("MAX_POOL_2D", [features], ("pooled", (1, 4, 4, 4)), **options)
    logits = net.dense(net.reshape(pooled, (1, 64)), 10, "logits")
    return net.build(net.op(end, [logits], ("out", (1, 10)), beta=1.0))


def several() -> bytes:
    """Two inputs, two outputs of different rank."""
    net = Network()
    left, right = (
        net.conv(models.picture(net, "x"), 4, "left"),
        net.conv(models.picture(net, "y"), 4, "right"),
    )
    total = net.op("ADD", [left, right], ("total", net.shape(left)))
    return net.build(net.dense(net.reshape(total, (1, 256)), 3, "out"), total)


def integer(data: bytes) -> bytes:
    return litert.quantize(data, samples(data), SPEC)


def inputs_for(data: bytes, count: int, seed: int = 3) -> tuple[Any, ...]:
    chance = np.random.default_rng(seed)
    return tuple(
        chance.integers(0, 256, (count, *spec.shape[1:])).astype(np.uint8)
        if spec.dtype == "uint8"
        else chance.normal(0, 1, (count, *spec.shape[1:])).astype(np.float32)
        for spec in parse_model(data, "m").input_specs()
    )


def one_by_one(data: bytes, arrays: tuple[Any, ...]) -> list[Any]:
    model = load(data, name="m", options=OPTIONS)
    results = [model.run(*(a[n : n + 1] for a in arrays)) for n in range(len(arrays[0]))]
    return [np.concatenate(parts) for parts in zip(*results)]


@pytest.mark.parametrize("count", [1, 63, 64, 127, 128, 129, 200])
def test_any_number_of_samples_gives_the_bytes_of_one_at_a_time(count: int) -> None:
    data = integer(digits())
    arrays = inputs_for(data, count)
    model = BulkModel(data, "m", OPTIONS)
    (seen,) = model.run(arrays)
    (expected,) = one_by_one(data, arrays)
    assert seen.shape == (count, 10)
    assert np.array_equal(seen, expected)
    assert len(np.unique(expected, axis=0)) > min(count, 60) * 0.9
    assert (model._batched is not None) == (count >= 2 * BATCH)


@pytest.mark.parametrize("make", [digits, several, models.residual, models.depthwise_valid])
@pytest.mark.parametrize("is_integer", [True, False])
def test_other_networks_and_float_ones_too(make: Any, is_integer: bool) -> None:
    data = integer(make()) if is_integer else make()
    arrays = inputs_for(data, 150)
    for seen, expected in zip(BulkModel(data, "m", OPTIONS).run(arrays), one_by_one(data, arrays)):
        assert seen.shape == expected.shape
        assert seen.tobytes() == expected.tobytes()


def test_batches_are_really_used_and_leave_a_rest_to_the_single_model() -> None:
    data = integer(several())
    model = BulkModel(data, "m", OPTIONS)
    arrays = inputs_for(data, 2 * BATCH + 5)
    calls: list[int] = []
    model.run(arrays)
    assert model._batched is not None
    single, batched = model.single.run, model._batched.run
    model.single.run = lambda *a: (calls.append(1), single(*a))[1]  # type: ignore[method-assign]
    model._batched.run = lambda *a: (calls.append(BATCH), batched(*a))[1]  # type: ignore[method-assign]
    model.run(arrays)
    assert calls == [BATCH, BATCH, 1, 1, 1, 1, 1]


def test_a_later_call_with_few_samples_is_right_too() -> None:
    data = integer(digits())
    model = BulkModel(data, "m", OPTIONS)
    for count in (200, 3, 64, 1, 130):
        arrays = inputs_for(data, count, seed=count)
        assert np.array_equal(model.run(arrays)[0], one_by_one(data, arrays)[0])


def test_no_samples_give_no_results_of_the_right_shape_and_type() -> None:
    data = integer(several())
    out, total = BulkModel(data, "m", OPTIONS).run(inputs_for(data, 0))
    assert (out.shape, out.dtype) == ((0, 3), np.uint8)
    assert (total.shape, total.dtype) == ((0, 8, 8, 4), np.uint8)


def test_an_output_without_a_batch_is_stacked() -> None:
    net = Network()
    flat = net.dense(net.mean(net.conv(models.picture(net), 4)), 6, "row")
    data = net.build(net.reshape(flat, (6,), "out"))
    (seen,) = BulkModel(data, "m", OPTIONS).run(inputs_for(data, 130))
    assert seen.shape == (130, 6)
    model = load(data, name="m", options=OPTIONS)
    (x,) = inputs_for(data, 130)
    assert np.array_equal(seen[77], model.run(x[77:78])[0])


def test_a_batch_that_gives_other_bytes_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    data, other = integer(digits()), integer(digits("TANH"))
    monkeypatch.setattr(bulk, "with_batch", lambda _, count: with_batch(other, count))
    model = BulkModel(data, "m", OPTIONS)
    arrays = inputs_for(data, 130)
    assert np.array_equal(model.run(arrays)[0], one_by_one(data, arrays)[0])
    assert model._batched is None


def test_for_few_samples_no_batch_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    data = integer(digits())
    monkeypatch.setattr(bulk, "WORTH_IT", 131)
    model = BulkModel(data, "m", OPTIONS)
    model.run(inputs_for(data, 130))
    assert model._batched is None
    model.run(inputs_for(data, 131))
    assert model._batched is not None


def test_portions_of_many_expected_samples_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    data = integer(digits())
    monkeypatch.setattr(bulk, "WORTH_IT", 1000)
    model = BulkModel(data, "m", OPTIONS)
    model.expect(1000)
    arrays = inputs_for(data, 200)
    assert np.array_equal(model.run(arrays)[0], one_by_one(data, arrays)[0])
    assert model._batched is not None


def test_ends_that_only_shift_are_done_by_numpy() -> None:
    data = with_batch(integer(digits()), BATCH)
    assert data is not None
    before, after = (parse_model(each, "m") for each in (data, without_shifts(data)))
    ends = [(one.input_specs()[0].dtype, one.output_specs()[0].dtype) for one in (before, after)]
    assert ends == [("uint8", "uint8"), ("int8", "int8")]
    operators = [[operator.op for operator in one.main.operators] for one in (before, after)]
    assert operators[0] == ["QUANTIZE", *operators[1], "QUANTIZE"]


def test_ends_that_rescale_or_are_read_twice_stay() -> None:
    data = integer(digits())
    model = editable.read(data)
    tensor = model.subgraphs[0].tensors[int(model.subgraphs[0].inputs[0])]
    tensor.quantization.scale = [2 * float(tensor.quantization.scale[0])]
    rescaled = parse_model(without_shifts(editable.write(model)), "m")
    assert rescaled.input_specs()[0].dtype == "uint8"
    assert rescaled.output_specs()[0].dtype == "int8"
    model = editable.read(data)
    graph = model.subgraphs[0]
    graph.outputs = [*graph.outputs, graph.inputs[0]]  # the input is an output, too
    given_back = parse_model(without_shifts(editable.write(model)), "m")
    assert [spec.dtype for spec in given_back.input_specs()] == ["uint8"]
    assert [spec.dtype for spec in given_back.output_specs()] == ["int8", "uint8"]
    float_ends = digits()
    assert without_shifts(float_ends) == editable.write(editable.read(float_ends))


def test_large_models_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = integer(digits())
    monkeypatch.setattr(bulk, "SMALL", len(data) - 1)
    model = BulkModel(data, "m", OPTIONS)
    model.run(inputs_for(data, 130))
    assert model._batched is None


def rows_mixed() -> bytes:
    """A network in which a batch of 1 becomes 4 rows: they would mix."""
    net = Network()
    rows = net.reshape(net.input("x", (1, 8)), (4, 2))
    return net.build(net.reshape(net.op("SOFTMAX", [rows], ("s", (4, 2)), beta=1.0), (1, 8), "out"))


def over_the_batch() -> bytes:
    """A mean over the batch."""
    net = Network()
    axes = net.constant("axes", np.array([0], np.int32))
    return net.build(net.op("MEAN", [net.input("x", (1, 8)), axes], ("out", (1, 8)), keepDims=True))


@pytest.mark.parametrize("make", [rows_mixed, over_the_batch, models.lstm, models.float16_weights])
def test_what_is_not_row_by_row_gets_no_batch(make: Any) -> None:
    data = make()
    assert with_batch(data, BATCH) is None
    arrays = inputs_for(data, 130)
    assert BulkModel(data, "m", OPTIONS).run(arrays)[0].shape[0] == 130


@pytest.mark.parametrize("shape", [(1, 64), (-1, 64), (1, -1)])
def test_a_reshape_is_widened_however_its_shape_is_written(shape: tuple[int, ...]) -> None:
    net = Network()
    x = net.input("x", (1, 4, 4, 4))
    wanted = net.constant("shape", np.array(shape, np.int32))
    flat = net.op("RESHAPE", [x, wanted], ("flat", (1, 64)), newShape=np.array(shape, np.int32))
    data = net.build(net.dense(flat, 3, "out"))
    batched = with_batch(data, BATCH)
    assert batched is not None
    assert load(batched, name="m").outputs[0].shape == (BATCH, 3)
    arrays = inputs_for(data, 130)
    assert np.array_equal(BulkModel(data, "m", OPTIONS).run(arrays)[0], one_by_one(data, arrays)[0])


def test_the_given_model_is_not_changed() -> None:
    data = integer(digits())
    before = bytes(data)
    assert with_batch(data, 16) is not None
    assert data == before
