"""A user's function yields calibration samples from a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.calibration import CalibrationOptions, CalibrationSet, load_calibration
from edgeq_device.errors import CalibrationError
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing

DIGIT = (TensorSpec("serving_default_digit:0", (1, 4, 3, 1), "float32"),)
TWO = (TensorSpec("rows", (1, 2), "float32"), TensorSpec("tokens", (1, 3), "int32"))

MODULE = """
import functools
import os
import sys
import numpy as np

rng = np.random.default_rng(0)
raw = rng.integers(0, 256, (100, 4, 3), np.uint8)
listed = [row for row in raw]

def arrays(): yield from raw
def lists(): yield from ([row[None, :, :, None]] for row in raw)
def dicts(): yield from ({"digit": row} for row in raw)
def batches(): yield from raw.reshape(10, 10, 4, 3)
def values(): yield from raw / 255
def talking():
    print("hello")
    os.system("echo from a child")
    yield from raw
def pairs():
    for number in range(10):
        yield np.full(2, number, np.float32), np.arange(3) + number
def named():
    for number in range(10):
        yield {"tokens:0": np.arange(3) + number, "rows": np.full(2, number, np.float32)}
def endless():
    while True:
        yield raw[0]

def failing():
    yield raw[0]
    raise ValueError("no such digit\\nmore about it")
def leaving(): sys.exit("enough")
def crashing(): os._exit(9)
def nothing(): return iter(())
def number(): return 5
def wrong_shape():
    yield raw[0]
    yield raw[0].T
def mixed():
    yield raw[0]
    yield raw[0] / 255
count = 5
wanting = functools.partial(iter, 5)
def needy(size, *, channels): yield raw[0]
def labeled(): yield raw[0], 3
def objects(): yield np.array([None, {}])
def integers(): yield raw[0].astype(np.int64)
def broken(): yield np.full((4, 3), np.nan)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module ``samples``, in the current folder."""
    path = tmp_path / "samples.py"
    path.write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return path


RAW = np.random.default_rng(0).integers(0, 256, (100, 4, 3), np.uint8)


def load(name: str, inputs: tuple[TensorSpec, ...] = DIGIT, samples: int = 200) -> CalibrationSet:
    declared = Preprocessing((0.0,), (255.0,)) if inputs == DIGIT else None
    options = CalibrationOptions(samples, preprocessing=declared)
    return load_calibration(f"samples:{name}", inputs, options)


@pytest.mark.parametrize("name", ["arrays", "lists", "dicts", "batches", "listed"])
def test_samples_come_in_several_forms(module: Path, name: str) -> None:
    found = load(name, samples=35)
    assert found.is_pixels == (True,)
    np.testing.assert_array_equal(found.arrays[0], RAW[:35, ..., np.newaxis])
    assert found.warnings == ("35 samples; 100 to 200 give steadier ranges",)


def test_floats_are_model_values(module: Path) -> None:
    found = load("values")
    assert found.is_pixels == (False,)
    np.testing.assert_array_equal(found.arrays[0][..., 0], (RAW / 255).astype(np.float32))


def test_an_endless_function_is_stopped(module: Path) -> None:
    assert len(load("endless", samples=7)) == 7


@pytest.mark.parametrize("name", ["pairs", "named"])
def test_several_inputs(module: Path, name: str) -> None:
    rows, tokens = load(name, TWO).arrays
    np.testing.assert_array_equal(rows, np.repeat(np.arange(10.0)[:, None], 2, axis=1))
    np.testing.assert_array_equal(tokens, np.arange(3) + np.arange(10)[:, None])
    assert (rows.dtype.name, tokens.dtype.name) == ("float32", "int32")


def test_the_digest_is_that_of_the_samples(module: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", RAW)
    from_file = load_calibration("raw.npy", DIGIT, CalibrationOptions())
    assert load("arrays").digest == from_file.digest


def test_what_it_prints_goes_to_stderr(module: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load("talking")
    shown = capfd.readouterr()
    assert shown.out == ""
    assert sorted(shown.err.splitlines()) == ["from a child", "hello"]


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("failing", "ValueError: no such digit", "raised in {module}, line {failing}"),
        ("leaving", "SystemExit: enough", "raised in {module}, line {leaving}"),
        (
            "crashing",
            "the function's process ended without samples (exit code 9)",
            "call the function by itself to see why; it must not end the process",
        ),
        ("count", "count is no function but a int", "give package.module:function"),
        (
            "needy",
            "the function needs arguments (missing a required argument: 'size')",
            "give a function that can be called as it is, such as one with defaults",
        ),
        (
            "wanting",
            "TypeError: 'int' object is not iterable",
            "call the function by itself to see why",
        ),
        ("nothing", "yielded no samples", "yield at least one sample"),
        (
            "number",
            "gives a int, which is no sequence of samples",
            "yield one sample after the other, or return a list of samples",
        ),
        (
            "wrong_shape",
            "sample 1 is an array of shape [3, 4], but the model's input "
            "'serving_default_digit:0' takes [4, 3, 1]",
            "yield samples of this shape",
        ),
        (
            "mixed",
            "sample 1 is float64, but sample 0 is uint8",
            "yield all samples in one type: raw pixels uint8, model values float32",
        ),
        (
            "labeled",
            "sample 0 has 2 arrays, but the model has 1 input",
            "yield one array per input, without labels",
        ),
        (
            "objects",
            "sample 0 is an array of Python objects, but the model's input "
            "'serving_default_digit:0' takes [4, 3, 1]",
            "yield samples of this shape",
        ),
        (
            "integers",
            "int64 numbers, which the model's input 'serving_default_digit:0' does not take",
            "save raw pixels as uint8, model values as float32",
        ),
        ("broken", "sample 0 holds NaN", "repair that sample, or leave it out"),
        ("misspelled", "no function 'misspelled' in samples", "give package.module:function"),
    ],
)
def test_what_goes_wrong_is_said(module: Path, name: str, problem: str, hint: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        load(name)
    assert str(caught.value) == f"samples:{name}: {problem}"
    lines = MODULE.splitlines()
    places = {
        "failing": next(n for n, line in enumerate(lines, 1) if "raise ValueError" in line),
        "leaving": next(n for n, line in enumerate(lines, 1) if "sys.exit" in line),
    }
    assert caught.value.hint == hint.format(module=module, **places)


def test_one_array_for_two_inputs(module: Path) -> None:
    with pytest.raises(CalibrationError) as caught:
        load("arrays", TWO)
    assert caught.value.problem == "sample 0 is one array, but the model has 2 inputs"
    assert caught.value.hint.startswith("yield a tuple with one array per input")


def test_a_module_that_is_not_there(module: Path) -> None:
    with pytest.raises(CalibrationError) as caught:
        load_calibration("sampels:arrays", DIGIT)
    assert str(caught.value) == "sampels:arrays: ModuleNotFoundError: No module named 'sampels'"
    assert caught.value.hint == "start edgeq in the folder that holds the module, or install it"
