"""Short words for tests that open a model: its operators, its answers, its failure."""

from __future__ import annotations

from collections import Counter

import pytest

from edgeq.frontends import TensorFlowChild, open_source
from edgeq_device.errors import ModelError
from edgeq_device.runtime import load
from edgeq_device.tensors import Array
from edgeq_device.tflite import parse_model


def operators(data: bytes) -> Counter[str]:
    return Counter(operator.op for operator in parse_model(data, "model").main.operators)


def run(data: bytes, *values: Array) -> tuple[Array, ...]:
    return load(data, name="model").run(*values)


def failure(name: str, child: TensorFlowChild) -> ModelError:
    with pytest.raises(ModelError) as caught:
        open_source(name, child=child)
    return caught.value
