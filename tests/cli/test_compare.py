"""``edgeq compare`` of a .tflite file: the table, the JSON document, the files it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq_device.tflite import read_model
from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import Ended, done, edgeq, files_in, process, refused

MODES = ["float", "dynamic", "float-fallback", "integer"]
KEYS = {"mode", "bytes", "accuracy", "agreement", "max_difference", "milliseconds", "engine"}


@pytest.fixture(scope="module")
def compared(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """A comparison with everything that it can leave, and the folder where it was left."""
    folder = tmp_path_factory.mktemp("compared")
    options = [*shop.options, "--data", shop.test, "--labels", shop.labels]
    left = ["--save-models", folder / "models", "--picture", folder / "picture.png"]
    return done(edgeq("compare", shop.model, *options, *left, "--json")), folder


def test_json_has_a_row_per_conversion(compared: tuple[Ended, Path], shop: Workshop) -> None:
    document = compared[0].document
    assert document["schema"] == "edgeq.comparison/1"
    assert (document["samples"], document["labels_matched_by"]) == (1000, "class number")
    rows = {row["mode"]: row for row in document["rows"]}
    assert [row["mode"] for row in document["rows"]] == MODES
    assert all(row.keys() >= KEYS for row in document["rows"])
    types = {mode: (row["input_types"], row["output_types"]) for mode, row in rows.items()}
    assert types["float"] == types["float-fallback"] == (["float32"], ["float32"])
    assert types["integer"] == (["uint8"], ["uint8"])
    assert rows["float"]["bytes"] == shop.model.stat().st_size
    assert rows["integer"]["bytes"] < rows["float"]["bytes"] / 2
    assert rows["float"]["accuracy"] == pytest.approx(0.848, abs=0.005)
    assert rows["integer"]["accuracy"] == pytest.approx(rows["float"]["accuracy"], abs=0.005)
    assert (rows["float"]["agreement"], rows["float"]["max_difference"]) == (1, 0)
    assert rows["integer"]["agreement"] >= 0.99
    assert (rows["float"]["float_operators"], rows["integer"]["float_operators"]) == (4, 0)
    assert rows["float-fallback"]["float_operators"] == 2  # QUANTIZE and DEQUANTIZE
    assert all(rows[mode]["milliseconds"] > 0 for mode in ("float", "float-fallback", "integer"))


def test_dynamic_is_said_to_need_the_keras_model(compared: tuple[Ended, Path]) -> None:
    ended, _ = compared
    row = next(row for row in ended.document["rows"] if row["mode"] == "dynamic")
    assert row["available"] is False
    assert "TensorFlow's converter cannot start from a .tflite file" in row["unavailable"]
    assert "give the Keras model" in row["unavailable"]
    assert (row["bytes"], row["accuracy"]) == (0, None)


def test_the_models_are_left_under_their_names(compared: tuple[Ended, Path]) -> None:
    ended, folder = compared
    names = ["float.tflite", "float_fallback.tflite", "integer.tflite"]
    assert files_in(folder) == [*(f"models/{name}" for name in names), "picture.png"]
    assert ended.document["saved"] == [str(folder / "models" / name) for name in names]
    sizes = {row["bytes"] for row in ended.document["rows"]} - {0}
    assert {(folder / "models" / name).stat().st_size for name in names} == sizes
    integer = read_model(folder / "models" / "integer.tflite")
    assert [spec.dtype for spec in (*integer.input_specs(), *integer.output_specs())] == [
        "uint8",
        "uint8",
    ]


def test_the_picture_shows_something(compared: tuple[Ended, Path]) -> None:
    from PIL import Image

    with Image.open(compared[1] / "picture.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[0] > 200
    assert pixels.shape[1] > 2 * pixels.shape[0]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_the_table(shop: Workshop) -> None:
    ended = done(process("compare", shop.model, *shop.options, "--data", shop.test))
    lines = [line.split() for line in ended.stdout.splitlines() if line.strip()]
    assert lines[0][0] == "digits.tflite:"
    assert [line[0] for line in lines[-4:]] == MODES
    assert lines[-1][1:5] == ["3.8", "KiB", "uint8", "uint8"]
    assert lines[-3][1:] == ["-"] * 8
    assert all(line == line.rstrip() for line in ended.stdout.splitlines())
    assert "dynamic is not available: " in ended.stderr
    assert "give the Keras model" in ended.stderr


def test_what_is_there_stays_without_force(shop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    mine = tmp_path / "models" / "dynamic.tflite"
    mine.write_text("mine")
    options = [*shop.options, "--data", shop.test]
    refused(
        edgeq("compare", shop.model, *options, "--save-models", tmp_path / "models"),
        f"--save-models is '{mine}', but must be a file that does not exist yet",
        "--force overwrites it",
    )
    refused(
        edgeq("compare", shop.model, *options, "--picture", mine),
        f"--picture is '{mine}', but must be a file that does not exist yet",
        "--force overwrites it",
    )
    refused(
        edgeq("compare", shop.model, *options, "--save-models", mine),
        f"{mine}: is no folder",
        "name a folder with --save-models",
    )
    assert files_in(tmp_path) == ["models/dynamic.tflite"]
    assert mine.read_text() == "mine"
    picture = ["--picture", mine, "--force"]
    done(edgeq("compare", shop.model, *options, *picture))
    assert mine.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_compared(shop: Workshop, tmp_path: Path) -> None:
    data = ["--data", shop.test]
    refused(
        edgeq("compare", shop.model, *data),
        "--calibration is not given, but must be a folder of pictures, a .npy, a .npz, or "
        "package.module:function",
        "100 to 200 pictures like those of the task are enough",
    )
    refused(
        edgeq("compare", shop.bundle, *shop.options, *data),
        f"{shop.bundle}: is a bundle, built already",
        "edgeq run digits.edgeq INPUT",
    )
    model = tmp_path / "int8.tflite"
    model.write_bytes(models.int8_classifier())
    refused(
        edgeq("compare", model, *shop.options, *data),
        f"{model}: computes with integers already",
        "give the float model",
    )
