"""The ranges of a float model's tensors: all of them, and the true ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeq import contract
from edgeq import model as editable
from edgeq.quantize import litert
from edgeq.quantize.errors import EngineCannotError
from edgeq.quantize.litert import LitertSpec
from edgeq.quantize.observe import ObserveSpec, observe, unobserved
from edgeq.quantize.recurrent import LSTM
from edgeq.quantize.tidy import tidy
from edgeq_device.errors import CalibrationError, ModelError
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tflite import parse_model
from tests.toolkit import float_models as models
from tests.toolkit.networks import Network
from tests.toolkit.test_litert import samples, sqnr

SPEC = ObserveSpec("m", threads=1)


def ints(*values: Any) -> Any:
    return np.asarray(values, np.int32)


def around(op: str, place: int, operand: Any, shape: tuple[int, ...], **options: Any) -> bytes:
    """conv, an operator with one constant operand at ``place``, conv."""
    net = Network()
    features = net.conv(models.picture(net), 4)
    operands = [features]
    operands.insert(place, net.constant("operand", operand))
    return net.build(net.conv(net.op(op, operands, ("u", shape), **options), 2, "out"))


def binary(op: str) -> bytes:
    net = Network()
    x = models.picture(net)
    left, right = net.conv(x, 4, "left"), net.conv(x, 4, "right")
    return net.build(net.conv(net.op(op, [left, right], ("u", net.shape(left))), 2, "out"))


def split() -> bytes:
    net = Network()
    features = net.conv(models.picture(net), 4)
    axis = net.constant("axis", ints(3).reshape(()))
    halves = (("s0", (1, 8, 8, 2)), ("s1", (1, 8, 8, 2)))
    first = net.op("SPLIT", [axis, features], *halves, numSplits=2)
    left, right = net.conv(first, 4, "left"), net.conv(first + 1, 4, "right")
    return net.build(net.op("CONCATENATION", [left, right], ("out", (1, 8, 8, 8)), axis=3))


def half_used_split() -> bytes:
    net = Network()
    features = net.conv(models.picture(net), 4)
    axis = net.constant("axis", ints(3).reshape(()))
    halves = (("s0", (1, 8, 8, 2)), ("s1", (1, 8, 8, 2)))
    return net.build(net.conv(net.op("SPLIT", [axis, features], *halves, numSplits=2), 2, "out"))


def strided_slice() -> bytes:
    net = Network()
    features = net.conv(models.picture(net), 4)
    corners = [
        net.constant(name, ints(*at))
        for name, at in (("from", (0, 1, 1, 0)), ("to", (1, 5, 5, 4)), ("by", (1, 1, 1, 1)))
    ]
    return net.build(net.op("STRIDED_SLICE", [features, *corners], ("out", (1, 4, 4, 4))))


def space_to_depth() -> bytes:
    net = Network()
    options = {"blockSize": 2}
    blocks = net.op("SPACE_TO_DEPTH", [models.picture(net)], ("u", (1, 4, 4, 12)), **options)
    return net.build(net.conv(blocks, 2, "out"))


def transpose_conv() -> bytes:
    net = Network()
    kernel = net.constant("w", net.random.normal(0, 0.3, (2, 3, 3, 3)).astype(np.float32))
    size = net.constant("size", ints(1, 16, 16, 2))
    options = {"strideH": 2, "strideW": 2}
    operands = [size, kernel, models.picture(net)]
    return net.build(net.op("TRANSPOSE_CONV", operands, ("out", (1, 16, 16, 2)), **options))


WHOLE = (1, 8, 8, 4)
MAKERS: dict[str, Callable[[], bytes]] = {
    "RESIZE_BILINEAR": lambda: around("RESIZE_BILINEAR", 1, ints(16, 16), (1, 16, 16, 4)),
    "RESIZE_NEAREST_NEIGHBOR": lambda: around(
        "RESIZE_NEAREST_NEIGHBOR", 1, ints(16, 16), (1, 16, 16, 4)
    ),
    "TRANSPOSE": lambda: around("TRANSPOSE", 1, ints(0, 2, 1, 3), WHOLE),
    "GATHER": lambda: around("GATHER", 1, ints(3, 0), (1, 8, 8, 2), axis=3),
    "MEAN": models.residual,
    "PAD": models.conv_behind_pad,
    "SPLIT": split,
    "SPLIT half used": half_used_split,
    "STRIDED_SLICE": strided_slice,
    "SPACE_TO_DEPTH": space_to_depth,
    "TRANSPOSE_CONV": transpose_conv,
    LSTM: models.lstm,
    **{op: lambda op=op: binary(op) for op in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")},
    **{
        op: lambda op=op: models.between(op)
        for op in ("RELU", "RELU6", "TANH", "LOGISTIC", "HARD_SWISH", "LEAKY_RELU", "ABS")
    },
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_float_tensor_gets_its_true_range_and_then_a_scale(name: str) -> None:
    data = MAKERS[name]()
    model = editable.read(data)
    tidy(model)
    fed = samples(data)
    ranges = observe(model, fed, SPEC)
    assert unobserved(model, ranges) == {}
    for tensor, ends in true_ranges(data, fed).items() if name != LSTM else ():
        assert ranges[tensor] == pytest.approx(ends, rel=1e-4, abs=1e-5)
    integer = litert.quantize(data, fed, LitertSpec("m", threads=1))
    parsed = parse_model(integer, "i")
    for operator in parsed.main.operators:
        for index in operator.outputs:
            assert parsed.main.tensors[index].quantization.scales
            assert parsed.main.tensors[index].dtype in ("int8", "uint8")
    assert contract.check(parsed, mode="integer", int8_ends=False).is_kept
    assert sqnr(data, integer) > 28


def true_ranges(data: bytes, fed: list[tuple[Any, ...]]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of every result, by numpy."""
    graph = parse_model(data, "m").main
    model = load(data, name="m", options=LoadOptions(preserve_all=True, threads=1))
    found: dict[str, tuple[float, float]] = {}
    for sample in fed:
        model.run(*sample)
        for index in {index for op in graph.operators for index in op.outputs}:
            values, name = model.tensor(index), graph.tensors[index].name
            low, high = found.get(name, (np.inf, -np.inf))
            found[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return found


def test_a_convolution_that_feeds_an_add_has_its_own_range_not_the_sums() -> None:
    data = models.residual()
    ranges = observe(editable.read(data), samples(data), SPEC)
    true = true_ranges(data, samples(data))
    for name in ("first", "second", "sum"):
        assert ranges[name] == pytest.approx(true[name], rel=1e-5)
    width = {name: high - low for name, (low, high) in ranges.items()}
    assert width["sum"] > 1.1 * max(width["second"], width["first"])


def test_the_cell_state_of_an_lstm_is_that_of_every_step() -> None:
    data = models.lstm()
    model = editable.read(data)
    fed = samples(data)
    ranges = observe(model, fed, SPEC)
    tensors = {
        editable.tensor_name(t): editable.constant(model, t) for t in model.subgraphs[0].tensors
    }
    cells, hiddens = [], []
    for (sample,) in fed:
        hidden = cell = np.zeros(4)
        for step in sample[0]:
            gates = [
                np.asarray(tensors[f"in{n}"]) @ step
                + np.asarray(tensors[f"back{n}"]) @ hidden
                + np.asarray(tensors[f"b{n}"])
                for n in range(4)
            ]
            admit, keep, out = (1 / (1 + np.exp(-gates[n])) for n in (0, 1, 3))
            cell = keep * cell + admit * np.tanh(gates[2])
            hidden = out * np.tanh(cell)
            cells.append(cell)
            hiddens.append(hidden)
    assert ranges["cell"] == pytest.approx((np.min(cells), np.max(cells)), rel=1e-4)
    low, high = np.min(hiddens), np.max(hiddens)
    for name in ("hidden", "inner4", "out"):
        assert ranges[name] == pytest.approx(
            (min(low, -high * 128 / 127), max(high, -low * 127 / 128))
        )


def test_the_hidden_state_has_the_zero_point_0_that_old_kernels_need() -> None:
    data = models.lstm()
    integer = parse_model(litert.quantize(data, samples(data), LitertSpec("m", threads=1)), "i")
    found = {t.name: t.quantization for t in integer.main.tensors if t.dtype == "int8"}
    for name in ("hidden", "inner4", "out_int8"):
        assert found[name].zero_points == (0,)
        assert found[name].scales == found["hidden"].scales


def test_an_lstm_forgets_between_samples() -> None:
    data = models.lstm()
    fed = samples(data)
    forwards = observe(editable.read(data), fed, SPEC)
    assert observe(editable.read(data), fed[::-1], SPEC) == forwards


def test_the_cell_clip_holds() -> None:
    data = models.lstm(cellClip=0.25)
    ranges = observe(editable.read(data), samples(data), SPEC)
    assert ranges["cell"] == (-0.25, 0.25)


def test_a_variant_of_the_lstm_is_refused_by_name() -> None:
    with pytest.raises(EngineCannotError) as caught:
        observe(editable.read(models.lstm(fusedActivationFunction=1)), samples(models.lstm()), SPEC)
    assert str(caught.value) == (
        "m: the litert engine cannot quantize an LSTM with another activation than tanh "
        "(UNIDIRECTIONAL_SEQUENCE_LSTM)"
    )


def test_a_nan_among_other_numbers_does_not_hide() -> None:
    net = Network()
    root = net.op("SQRT", [models.picture(net)], ("root", models.SHAPE))
    data = net.build(net.conv(root, 2, "out"))
    good = np.full(models.SHAPE, 2.0, np.float32)
    bad = good.copy()
    bad[0, 4, 4, 1] = -1
    with pytest.raises(CalibrationError) as caught:
        observe(editable.read(data), [(good,), (bad,)], SPEC)
    assert str(caught.value) == "m: output 'out' holds nan on the samples"


def test_an_infinite_value_is_refused_even_after_good_samples() -> None:
    data = models.between("EXP")
    good = samples(data, 3)
    with pytest.raises(CalibrationError, match=r"m: tensor 'u' becomes .* to inf on the samples"):
        observe(editable.read(data), [*good, (good[0][0] * 1e3,)], SPEC)


def test_a_sample_that_does_not_fit_is_named() -> None:
    wrong = np.zeros((1, 3, 3, 3), np.float32)
    with pytest.raises(CalibrationError, match="^m: sample 1 does not fit: "):
        observe(
            editable.read(models.conv_same()),
            [(np.zeros(models.SHAPE, np.float32),), (wrong,)],
            SPEC,
        )
    with pytest.raises(CalibrationError, match="^m: sample 0 does not fit: "):
        observe(editable.read(models.two_inputs()), [(wrong,)], SPEC)


def test_an_operator_that_fails_on_a_sample_is_no_crash() -> None:
    net = Network()
    index = net.input("x", (1,), "int32")
    table = net.constant("table", np.eye(4, dtype=np.float32))
    data = net.build(net.op("GATHER", [table, index], ("out", (1, 4))))
    with pytest.raises(ModelError, match="fails on calibration sample 1: .*gather index out of"):
        observe(editable.read(data), [(ints(3),), (ints(4),)], SPEC)


def test_tidying_folds_weights_and_drops_what_nothing_needs() -> None:
    model = editable.read(models.float16_weights())
    assert tidy(model)
    names = [editable.tensor_name(tensor) for tensor in model.subgraphs[0].tensors]
    assert names == ["x", "weights", "bias", "out"]
    assert not tidy(model)
    x = samples(models.float16_weights(), 1)[0]
    expected = load(models.float16_weights(), name="a").run(*x)[0]
    seen = load(editable.write(model), name="b").run(*x)[0]
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5)


def test_weights_stored_as_integers_become_the_numbers_that_they_stand_for() -> None:
    net = Network()
    stored = net.constant("q", np.array([[1, -2], [3, 4], [0, 5]], np.int8))
    quantization = net.tables.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [0.5, 2.0, 1.0], [0, 1, 5]
    net.graph.tensors[stored].quantization = quantization
    weights = net.op("DEQUANTIZE", [stored], ("weights", (3, 2)))
    data = net.build(
        net.op("FULLY_CONNECTED", [net.input("x", (1, 2)), weights, -1], ("o", (1, 3)))
    )
    model = editable.read(data)
    assert tidy(model)
    found = {editable.tensor_name(t): t for t in model.subgraphs[0].tensors}["weights"]
    expected = [[0.5, -1.0], [4.0, 6.0], [-5.0, 0.0]]
    assert np.array_equal(editable.constant(model, found), expected)
