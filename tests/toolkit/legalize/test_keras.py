"""A Keras network of layers that converters write as the frozen compiler cannot read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeq import contract, pipeline
from edgeq.config import BuildSpec
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import ops

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

NETWORK = """
import sys, keras
from keras import layers
keras.utils.set_random_seed(0)
image = keras.Input((12, 12, 3), name="image")
x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
x = layers.Conv2D(8, 3, groups=2, activation="relu")(x)
x = layers.UpSampling2D(2, interpolation="nearest")(x)
x = layers.Conv2DTranspose(4, 3, strides=2, activation="relu")(x)
x = layers.GlobalAveragePooling2D()(x)
keras.Model(image, layers.Dense(5)(x)).save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "network.keras"
    subprocess.run([sys.executable, "-c", NETWORK, path], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("engine", ["litert", "tflite-converter"])
def test_it_builds_with_both_engines(engine: str, network: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.npy"
    np.save(samples, np.random.default_rng(0).normal(0, 1, (100, 12, 12, 3)).astype(np.float32))
    output = tmp_path / "network.edgeq"
    spec = BuildSpec(str(network), calibration=str(samples), engine=engine, output=output)
    result = pipeline.build(spec)
    found = ops(result.model.data)
    names = [op for op, _ in found]
    assert names.count("SPLIT") == names.count("RESIZE_NEAREST_NEIGHBOR") == 1
    assert not {"TILE", "SHAPE", "PACK"} & set(names)
    assert {version for op, version in found if op == "CONV_2D"} == {3}
    assert contract.check(parse_model(result.model.data, "m"), mode="integer").is_kept
    agreement = result.model.report.agreement
    assert agreement is not None
    assert agreement.sqnr_db > 25
