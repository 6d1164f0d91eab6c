"""EfficientNet-Lite0 for several tests: TensorFlow takes ten seconds to write it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT


@dataclass(frozen=True)
class SavedNetwork:
    """One network as a Keras model and as a float .tflite."""

    keras: Path
    tflite: Path


@pytest.fixture(scope="session")
def efficientnet(tmp_path_factory: pytest.TempPathFactory) -> SavedNetwork:
    """EfficientNet-Lite0 with its ImageNet weights, written by a child process."""
    folder = tmp_path_factory.mktemp("efficientnet")
    network = SavedNetwork(folder / "lite0.keras", folder / "lite0.tflite")
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.networks.save", "efficientnet_lite0"),
            *("--keras", str(network.keras), "--tflite", str(network.tflite)),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return network
