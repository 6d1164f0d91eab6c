"""What several tests share: EfficientNet-Lite0, slow to write, and the old runtime."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def old_python() -> Path:
    """The Python with TensorFlow 2.5.3, whose interpreter is like the frozen compiler's."""
    lanes = Path(os.environ.get("EDGEQ_LANES", ROOT / ".lanes"))
    python = lanes / "old" / "bin" / "python"
    works = python.exists() and subprocess.run([python, "-c", ""], check=False).returncode == 0
    if not works:
        reason = f"no Python with TensorFlow 2.5.3 in {lanes / 'old'}: run scripts/old-runtime"
        if os.environ.get("EDGEQ_REQUIRE_LANES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return python
