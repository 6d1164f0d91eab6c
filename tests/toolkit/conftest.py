"""Fixtures of the host's tests: small Keras models, and one TensorFlow process for all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.frontends import TensorFlowChild

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def keras_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of ``make_keras_models.py`` and the module ``user_models.py``.

    Only for tests with the marker ``tensorflow``: making them takes some ten seconds.
    """
    folder = tmp_path_factory.mktemp("keras_models")
    made = subprocess.run(
        [sys.executable, str(HERE / "make_keras_models.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    shutil.copy(HERE / "user_models.py", folder)
    return folder


@pytest.fixture(scope="session")
def tensorflow_child() -> Iterator[TensorFlowChild]:
    """One TensorFlow process for all tests that only ask it for models."""
    with TensorFlowChild(timeout=300) as child:
        yield child


@pytest.fixture
def here(keras_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models as the current folder, as a user would stand in it."""
    monkeypatch.chdir(keras_models)
    return keras_models
