"""``edgeq demo``: trained on real digits, it leaves four conversions, a bundle and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.contract import check
from edgeq_device.tflite import Model, read_model
from tests.cli.running import Ended, done, files_in, process

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

MODELS = ("dynamic", "float", "float_fallback", "integer")
DIGITS = ("digit_0_is_4", "digit_1_is_2", "digit_2_is_0", "digit_3_is_9", "digit_4_is_6")
COMMANDS = ("build", "compare", "verify", "evaluate", "run")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """The demo, run once as users do, and the folder that it filled."""
    folder = tmp_path_factory.mktemp("demo") / "digits"
    return done(process("demo", "-o", folder)), folder


def model(folder: Path, name: str) -> Model:
    return read_model(folder / "models" / f"{name}.tflite")


def ends(read: Model) -> tuple[str, ...]:
    return tuple(spec.dtype for spec in (*read.input_specs(), *read.output_specs()))


def accuracies(folder: Path) -> dict[str, float]:
    """Of each conversion on the held-out digits, as ``edgeq evaluate`` has it."""
    found = {}
    for name in MODELS:
        path = folder / "models" / f"{name}.tflite"
        options = ["--data", folder / "test.npz", "--preprocess", "[0,1]", "--json"]
        document = done(process("evaluate", path, *options)).document
        assert document["samples"] == 1000
        found[name] = document["accuracy"]
    return found


def test_it_leaves_what_it_says(demo: tuple[Ended, Path]) -> None:
    ended, folder = demo
    pictures = [f"{place}/{name}.png" for place in ("annotated", "pictures") for name in DIGITS]
    models = [f"models/{name}.tflite" for name in MODELS]
    single = ["calibration.npz", "comparison.png", "confusion.png", "digits.edgeq"]
    single += ["digits.keras", "labels.txt", "test.npz"]
    assert files_in(folder) == sorted([*pictures, *models, *single])
    ran = [line.split()[2] for line in ended.stdout.splitlines() if line.startswith("$ edgeq ")]
    assert ran == list(COMMANDS)


def test_the_integer_model_keeps_the_float_models_accuracy(demo: tuple[Ended, Path]) -> None:
    found = accuracies(demo[1])
    assert found["float"] >= 0.9
    assert abs(found["integer"] - found["float"]) <= 0.005
    assert min(found.values()) >= found["float"] - 0.005


def test_the_four_conversions_have_their_types(demo: tuple[Ended, Path]) -> None:
    folder = demo[1]
    read = {name: model(folder, name) for name in MODELS}
    assert {name: ends(one) for name, one in read.items()} == {
        "dynamic": ("float32", "float32"),
        "float": ("float32", "float32"),
        "float_fallback": ("float32", "float32"),
        "integer": ("uint8", "uint8"),
    }
    dtypes = {name: {tensor.dtype for tensor in one.main.tensors} for name, one in read.items()}
    assert "int8" not in dtypes["float"]
    assert {"int8", "float32"} <= dtypes["dynamic"]  # int8 weights, float activations
    assert "float32" not in dtypes["integer"]
    check(read["integer"], mode="integer").raise_if_broken("integer")
    sizes = {name: len(one.data) for name, one in read.items()}
    assert max(sizes[name] for name in MODELS if name != "float") < 0.3 * sizes["float"]


def test_the_comparison_says_the_same_for_machines(demo: tuple[Ended, Path]) -> None:
    ended, folder = demo
    options = ["--calibration", folder / "calibration.npz", "--preprocess", "[0,1]", "--json"]
    ran = process("compare", folder / "digits.keras", *options, "--data", folder / "test.npz")
    rows = {row["mode"]: row for row in done(ran).document["rows"]}
    found = accuracies(folder)
    for mode, row in rows.items():
        assert row["accuracy"] == found[mode.replace("-", "_")], mode
        assert row["agreement"] >= 0.99, mode
        assert row["milliseconds"] > 0, mode
        printed = next(line for line in ended.stdout.splitlines() if line.split()[:1] == [mode])
        assert f"{row['accuracy']:.2%}" in printed
    data = (folder / "models" / "integer.tflite").read_bytes()
    assert rows["integer"]["bytes"] == len(data)


def test_the_bundle_runs_the_integer_model(demo: tuple[Ended, Path]) -> None:
    folder = demo[1]
    report = done(process("verify", folder / "digits.edgeq", "--json")).document
    assert report["bit_for_bit"] is True
    info = done(process("info", folder / "digits.edgeq", "--json")).document
    assert info["manifest"]["models"]["cpu"]["bytes"] == len(model(folder, "integer").data)
    lines = done(process("run", folder / "digits.edgeq", folder / "pictures", "--json")).lines
    best = [line["result"]["classes"][0]["label"] for line in lines]
    # Of the five, each a digit in its own hand, one may be taken for another.
    assert sum(name[-1] == label for name, label in zip(DIGITS, best, strict=True)) >= 4


def test_the_pictures_are_pictures(demo: tuple[Ended, Path]) -> None:
    folder = demo[1]
    for name in ("comparison", "confusion", *(f"annotated/{digit}" for digit in DIGITS)):
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.format == "PNG"
            pixels = np.asarray(picture.convert("RGB"))
        assert min(pixels.shape[:2]) >= 300, name
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20, name
    with (
        np.load(folder / "test.npz") as held_out,
        Image.open(folder / "pictures" / f"{DIGITS[0]}.png") as digit,
    ):
        assert np.array_equal(np.asarray(digit), held_out["x"][0])


def test_it_writes_into_its_folder_again_where_told(demo: tuple[Ended, Path]) -> None:
    folder = demo[1]
    again = done(process("demo", "-o", folder, "--epochs", 1, "--force", "--json"))
    document = json.loads(again.stdout.splitlines()[-1])
    assert document == {
        "schema": "edgeq.demo/1",
        "folder": str(folder),
        "bundle": str(folder / "digits.edgeq"),
    }
    done(process("verify", folder / "digits.edgeq", "-q"))
