"""Quantizing and dequantizing numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq_device.runtime import load
from edgeq_device.tensors import TensorSpec
from tests.device.factories import quantize_model

PIXELS = TensorSpec("x", (1, 4), "uint8", 1 / 255, 0)


def test_real_numbers_are_rounded_and_saturated() -> None:
    spec = TensorSpec("x", (1, 6), "int8", 0.5, -3)
    reals = np.array([[0.0, 1.0, -1.0, 0.6, 1e9, -1e9]], np.float32)
    found = spec.quantize(reals)
    assert found.dtype == np.int8
    assert found.tolist() == [[-3, -1, -5, -2, 127, -128]]
    assert spec.dequantize(found)[0, :4].tolist() == [0.0, 1.0, -1.0, 0.5]


def test_halves_go_to_the_even_number() -> None:
    spec = TensorSpec("x", (4,), "uint8", 2.0, 10)
    assert spec.quantize(np.array([1.0, 3.0, 5.0, -1.0])).tolist() == [10, 12, 12, 10]


def test_infinities_saturate() -> None:
    assert PIXELS.quantize(np.array([np.inf, -np.inf])).tolist() == [255, 0]


def test_the_limits_of_int32_hold() -> None:
    spec = TensorSpec("b", (3,), "int32", 0.25, 0)
    limits = np.iinfo(np.int32)
    assert spec.quantize(np.array([1e12, -1e12, 16777217.25])).tolist() == [
        limits.max,
        limits.min,
        67108869,
    ]


def test_a_tensor_without_a_scale_takes_numbers_as_they_are() -> None:
    spec = TensorSpec("i", (3,), "int32")
    assert not spec.is_quantized
    found = spec.quantize(np.array([1.0, 2.0, 300.0]))
    assert (found.dtype, found.tolist()) == (np.int32, [1, 2, 300])
    assert spec.dequantize(found) is found
    floats = TensorSpec("f", (1,), "float32").quantize(np.array([1 / 3]))
    assert (floats.dtype, floats[0]) == (np.float32, np.float32(1 / 3))


def test_dequantized_numbers_are_float32() -> None:
    found = TensorSpec("x", (3,), "uint8", 0.1, 200).dequantize(np.array([0, 200, 255], np.uint8))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [-20.0, 0.0, 5.5], rtol=1e-6)


@given(
    scale=st.floats(1e-6, 1e3),
    zero_point=st.integers(-128, 127),
    number=st.integers(-128, 127),
)
def test_every_integer_comes_back(scale: float, zero_point: int, number: int) -> None:
    spec = TensorSpec("x", (1,), "int8", scale, zero_point)
    assert spec.quantize(spec.dequantize(np.array([number], np.int8))) == [number]


@given(value=st.floats(-1000, 1000), scale=st.floats(0.001, 10), zero_point=st.integers(0, 255))
def test_the_error_is_half_a_step_inside_the_range(
    value: float, scale: float, zero_point: int
) -> None:
    spec = TensorSpec("x", (1,), "uint8", scale, zero_point)
    low, high = (float(end) for end in spec.dequantize(np.array([0, 255], np.uint8)))
    found = float(spec.dequantize(spec.quantize(np.array([value])))[0])
    nearest = min(max(value, low), high)
    assert abs(found - nearest) <= scale / 2 * (1 + 1e-4) + 1e-6 * abs(value)


@pytest.mark.parametrize("output_zero_point", [0, 100])
def test_it_is_the_arithmetic_of_the_interpreter(output_zero_point: int) -> None:
    # 1/64 is a power of two, so that no value lies between two steps by float's rounding alone.
    data = quantize_model(1 / 64, 3, 1 / 32, output_zero_point, shape=(1, 256))
    model = load(data, name="m")
    every = np.arange(256, dtype=np.uint8)[None]
    (seen,) = model.run(every)
    wanted = model.outputs[0].quantize(model.inputs[0].dequantize(every))
    # The interpreter rounds halves up, this away from odd numbers: at most one step apart.
    off = seen.astype(int) - wanted
    assert set(np.unique(off)) <= {0, 1}
    exact = (every.astype(int) - 3) % 2 == 0
    assert (off[exact] == 0).all()
