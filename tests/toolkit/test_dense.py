"""Dense layers with a scale per row become 1x1 convolutions with the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq import contract, model
from edgeq.legalize.dense import one_scale_dense
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.device.factories import (
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
    dense_model,
)

SCALES = (0.004, 0.01, 0.02, 0.05, 0.0007)


def layer(rows: int = 1, activation: int = 0, bias: bool = True) -> bytes:
    """int8 (rows, 7) -> per-channel dense of 5 -> int8 (rows, 5)."""
    random = np.random.RandomState(4)
    weights = random.randint(-127, 128, (5, 7)).astype(np.int8)
    tensors = (
        TensorDef("x", (rows, 7), "int8", 0.05, -20),
        TensorDef("weights", (5, 7), "int8", SCALES, data=weights),
        TensorDef(
            "bias",
            (5,),
            "int32",
            tuple(float(np.float32(0.05) * np.float32(scale)) for scale in SCALES),
            data=np.array([300, -200, 100, -50, 5000], np.int32),
        ),
        TensorDef("y", (rows, 5), "int8", 0.06, 10),
    )
    dense = OpDef(
        "FULLY_CONNECTED", (0, 1, 2 if bias else -1), (3,), (8, {0: ("b", activation)}), version=4
    )
    return build(ModelDef((GraphDef(tensors, (dense,), (0,), (3,)),)))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("activation", [0, 1, 3], ids=["none", "relu", "relu6"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_the_answers_stay_bit_for_bit(rows: int, activation: int, bias: bool) -> None:
    before = layer(rows, activation, bias)
    after, names = one_scale_dense(before)
    assert names == ("y",)
    parsed = parse_model(after, "after")
    assert [operator.op for operator in parsed.main.operators] == ["RESHAPE", "CONV_2D", "RESHAPE"]
    assert contract.check(parsed, mode="integer").is_kept
    old, new = load(before, name="old"), load(after, name="new")
    assert (old.inputs, old.outputs) == (new.inputs, new.outputs)
    random = np.random.default_rng(8)
    different = set()
    for _ in range(100):
        values = random.integers(-128, 128, (rows, 7)).astype(np.int8)
        expected = old.run(values)[0]
        different.update(expected.ravel().tolist())
        np.testing.assert_array_equal(new.run(values)[0], expected)
    assert len(different) > 20


def test_weights_are_not_stored_twice() -> None:
    before = dense_model(
        np.ones((64, 512), np.int8), weight_scale=tuple(np.linspace(0.01, 0.02, 64).tolist())
    )
    after, _ = one_scale_dense(before)
    assert len(after) < len(before) + 3000


def test_dense_layers_with_one_scale_stay_as_they_are() -> None:
    for data in (dense_model(), conv_classifier()):
        assert one_scale_dense(data) == (data, ())


def test_what_is_not_understood_stays_for_the_contract_to_name() -> None:
    edited = model.read(layer())
    edited.subgraphs[0].operators[0].builtinOptions.weightsFormat = 1
    data = model.write(edited)
    assert one_scale_dense(data) == (data, ())
    report = contract.check(parse_model(data, "m"), mode="integer")
    assert [each.rule for each in report.violations] == ["dense-weights-have-one-scale"]
