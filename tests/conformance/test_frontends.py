"""Real integer models go in as they are; the one with an open batch answers the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.frontends import open_source
from edgeq_device.errors import ModelError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model

pytestmark = pytest.mark.conformance


def test_every_real_model_is_an_integer_model_with_its_own_bytes(coral: Path) -> None:
    changed, sources = [], 0
    for path in (coral / "models").rglob("*.tflite"):
        if "invalid" in path.parts or path.stem.endswith("_edgetpu"):
            continue
        sources += 1
        data = path.read_bytes()
        with open_source(path) as source:
            assert source.is_integer, path
            assert source.inputs == parse_model(source.integer_model(), path.name).input_specs()
            if source.integer_model() != data:
                changed.append(path.name)
    assert sources >= 13
    assert changed == ["dense_256.tflite"]


def test_every_compiled_model_is_refused(coral: Path) -> None:
    paths = list((coral / "models").rglob("*_edgetpu.tflite"))
    assert len(paths) >= 16
    for path in paths:
        with pytest.raises(ModelError) as caught:
            open_source(path)
        assert caught.value.problem == "is already compiled for the Edge TPU"
        assert "give the .tflite that it was compiled from" in caught.value.hint


def test_the_open_batch_of_a_real_model_becomes_one(coral: Path) -> None:
    (path,) = (coral / "models").rglob("dense_256.tflite")
    assert parse_model(path.read_bytes(), path.name).dynamic_tensors
    with open_source(path) as source:
        after = source.integer_model()
    assert not parse_model(after, path.name).dynamic_tensors
    old, new = load(path.read_bytes(), name="old"), load(after, name="new")
    random = np.random.default_rng(0)
    for _ in range(50):
        values = random.integers(0, 256, (1, 256)).astype(np.uint8)
        assert old.run(values)[0].tobytes() == new.run(values)[0].tobytes()
