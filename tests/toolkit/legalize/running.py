"""What the tests of all rewrites ask: the operators, and whether answers stayed."""

from __future__ import annotations

import numpy as np

from edgeq.quantize import litert
from edgeq.quantize.litert import LitertSpec
from edgeq_device.runtime import load
from edgeq_device.tensors import Array
from edgeq_device.tflite import parse_model


def quantized(data: bytes) -> bytes:
    """A float model -> the litert engine's integer one, from normal values."""
    return litert.quantize(data, values(data, 20), LitertSpec("m", threads=1))


def values(data: bytes, count: int, seed: int = 0) -> list[tuple[Array, ...]]:
    """Samples for a model's inputs."""
    chance = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        sample = []
        for spec in parse_model(data, "m").input_specs():
            if spec.is_quantized:
                limits = np.iinfo(spec.dtype)
                sample.append(chance.integers(limits.min, limits.max, spec.shape, spec.dtype))
            else:
                sample.append(chance.normal(0, 1, spec.shape).astype(spec.dtype))
        drawn.append(tuple(sample))
    return drawn


def ops(data: bytes) -> list[tuple[str, int]]:
    """Each operator and its version."""
    return [(operator.op, operator.version) for operator in parse_model(data, "m").main.operators]


def assert_same_answers(before: bytes, after: bytes, count: int = 10) -> None:
    """Both answer the same, bit for bit, and not always the same thing."""
    old, new = load(before, name="before"), load(after, name="after")
    assert (old.inputs, old.outputs) == (new.inputs, new.outputs)
    seen = set()
    for sample in values(before, count, seed=7):
        wanted, got = old.run(*sample), new.run(*sample)
        assert [one.tobytes() for one in wanted] == [one.tobytes() for one in got]
        seen.add(wanted[0].tobytes())
    assert len(seen) == count
