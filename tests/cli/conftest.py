"""Models, data and bundles for the commands' tests, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.cli import models
from tests.cli.running import done, edgeq
from tests.toolkit.conftest import keras_models

__all__ = ["keras_models"]


@dataclass(frozen=True)
class Workshop:
    """A folder that no test changes: a float model of real digits, and data for it."""

    folder: Path
    model: Path
    softmax: Path
    color: Path
    two: Path
    calibration: Path
    test: Path
    labels: Path
    bundle: Path
    """The integer bundle of ``model``, built with ``options``."""

    @property
    def options(self) -> list[str]:
        """What a build of ``model`` needs besides it."""
        return ["--calibration", str(self.calibration), "--preprocess", "[0,1]"]


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test takes what the compiler made in another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.with_name(f"{tmp_path.name}-cache")))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    pixels, labels = models.digits()
    names = ("digits.tflite", "softmax.tflite", "color.tflite", "two.tflite")
    made = (
        models.digit_classifier(),
        models.digit_classifier(softmax=True),
        models.color_classifier(),
        models.two_inputs(),
    )
    for name, data in zip(names, made, strict=True):
        (folder / name).write_bytes(data)
    np.savez(folder / "calibration.npz", x=pixels[:200])
    np.savez(folder / "test.npz", x=pixels[models.TRAINED :], y=labels[models.TRAINED :])
    (folder / "labels.txt").write_text("".join(f"digit {number}\n" for number in range(10)))
    found = Workshop(
        folder,
        *(folder / name for name in names),
        calibration=folder / "calibration.npz",
        test=folder / "test.npz",
        labels=folder / "labels.txt",
        bundle=folder / "digits.edgeq",
    )
    done(edgeq("build", found.model, *found.options, "-o", found.bundle))
    return found
