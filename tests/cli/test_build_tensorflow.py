"""The commands on what only TensorFlow reads: Keras models, SavedModels, functions."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.tflite import read_model
from tests.cli.conftest import Workshop
from tests.cli.running import command, done, edgeq, environment, files_in, process

pytestmark = pytest.mark.tensorflow


def accuracy(bundle: Path, shop: Workshop) -> float:
    found = done(edgeq("evaluate", bundle, "--data", shop.test, "--json")).document
    return float(found["accuracy"])


def test_a_keras_model_in_one_command(shop: Workshop, keras_models: Path, tmp_path: Path) -> None:
    """Twice, from other folders: the same bytes."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        options = [*shop.options, "-o", f"{name}.edgeq", "--save-model", "model.tflite", "--json"]
        made.append(
            subprocess.Popen(
                command("build", keras_models / "digits.keras", *options),
                cwd=folder,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process_, name in zip(made, ("one", "two"), strict=True):
        stdout, stderr = process_.communicate(timeout=300)
        assert (process_.returncode, stderr) == (0, "")
        assert f'"bundle": "{name}.edgeq"' in stdout
        assert '"source": "keras"' in stdout
        assert '"engine": "litert"' in stdout
        saved = (tmp_path / name / "model.tflite").read_bytes()
        assert f'"sha256": "{hashlib.sha256(saved).hexdigest()}"' in stdout
    bundles = [tmp_path / name / f"{name}.edgeq" for name in ("one", "two")]
    assert bundles[0].read_bytes() == bundles[1].read_bytes()
    assert accuracy(bundles[0], shop) > 0.87


@pytest.mark.parametrize(
    ("source", "kind", "options", "kinds", "engine"),
    [
        (
            "digits.keras",
            "keras",
            ["--engine", "tflite-converter"],
            ("uint8", "uint8"),
            "tflite-converter",
        ),
        ("digits.h5", "keras", ["--mode", "dynamic"], ("float32", "float32"), "tflite-converter"),
        ("digits_saved_model", "saved-model", [], ("uint8", "uint8"), "litert"),
    ],
)
def test_every_kind_of_source(
    shop: Workshop,
    keras_models: Path,
    tmp_path: Path,
    source: str,
    kind: str,
    options: list[str],
    kinds: tuple[str, str],
    engine: str,
) -> None:
    out = tmp_path / "out.edgeq"
    words = [keras_models / source, *shop.options, "--samples", "100", "-o", out, "--json"]
    document = done(edgeq("build", *words, *options)).document
    assert (document["source"], document["engine"]) == (kind, engine)
    assert (document["inputs"][0]["dtype"], document["outputs"][0]["dtype"]) == kinds
    assert accuracy(out, shop) > 0.87
    assert files_in(tmp_path) == ["out.edgeq"]


def test_a_function_of_the_users_own(keras_models: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "c.npz", image=random.integers(0, 256, (60, 8, 8, 3), np.uint8))
    options = ["--calibration", tmp_path / "c.npz", "--preprocess", "[-1,1]"]
    out = tmp_path / "out.edgeq"
    words = ["user_models:cnn", *options, "-o", out, "--json"]
    ended = done(process("build", *words, cwd=keras_models))
    assert ended.document["source"] == "function"
    assert ended.document["inputs"][0]["dtype"] == "uint8"
    assert ended.document["inputs"][0]["shape"] == [1, 8, 8, 3]
    manifest = done(edgeq("info", out, "--json")).document["manifest"]
    assert manifest["name"] == "cnn"
    assert manifest["inputs"][0]["applied"] == "model"


def test_comparing_all_four_conversions(shop: Workshop, keras_models: Path, tmp_path: Path) -> None:
    options = [*shop.options, "--samples", "100", "--data", shop.test]
    left = ["--save-models", tmp_path / "models", "--picture", tmp_path / "picture.png", "--json"]
    document = done(edgeq("compare", keras_models / "digits.keras", *options, *left)).document
    rows = {row["mode"]: row for row in document["rows"]}
    assert list(rows) == ["float", "dynamic", "float-fallback", "integer"]
    assert all(row["available"] for row in rows.values())
    kinds = {mode: (row["input_types"][0], row["output_types"][0]) for mode, row in rows.items()}
    assert kinds.pop("integer") == ("uint8", "uint8")
    assert set(kinds.values()) == {("float32", "float32")}
    assert rows["dynamic"]["bytes"] < rows["float"]["bytes"] / 3
    assert rows["float"]["accuracy"] > 0.87
    for row in rows.values():
        assert abs(row["accuracy"] - rows["float"]["accuracy"]) <= 0.01
        assert row["agreement"] >= 0.98
    names = ["dynamic", "float", "float_fallback", "integer"]
    assert files_in(tmp_path) == [*(f"models/{name}.tflite" for name in names), "picture.png"]
    assert read_model(tmp_path / "models/dynamic.tflite").input_specs()[0].dtype == "float32"
