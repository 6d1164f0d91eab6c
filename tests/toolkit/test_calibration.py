"""Calibration samples: which are chosen, how they are read, and what is refused or doubted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.calibration import CalibrationOptions, CalibrationSet, load_calibration
from edgeq.calibration.choice import choose
from edgeq_device.errors import CalibrationError, ConfigError
from edgeq_device.sources import read_picture
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing

PHOTO = (TensorSpec("image", (1, 24, 32, 3), "float32"),)
DIGIT = (TensorSpec("serving_default_digit:0", (1, 28, 28, 1), "float32"),)
UNIT = Preprocessing((0.0,), (255.0,))
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures in six subfolders."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(60):
        inside = folder / f"class{number // 10}"
        inside.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (5, 7, 3), np.uint8)
        Image.fromarray(pixels).resize((64, 48)).save(inside / f"{number:02}.png")
    return folder


def digits(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def load(source: object, inputs: tuple[TensorSpec, ...] = DIGIT, **options: object):
    return load_calibration(str(source), inputs, CalibrationOptions(**options))


def refusal(source: object, inputs: tuple[TensorSpec, ...] = DIGIT, **options: object):
    with pytest.raises(CalibrationError) as caught:
        load(source, inputs, **options)
    return caught.value


def test_pictures_are_those_that_the_seed_chooses(photos: Path) -> None:
    paths = sorted(photos.rglob("*.png"))
    chosen = [paths[number] for number in choose(60, 12, 3)]
    found = load(photos, PHOTO, samples=12, seed=3, preprocessing=UNIT)
    assert found.arrays[0].dtype == np.uint8
    assert found.is_pixels == (True,)
    for row, path in zip(found.arrays[0], chosen, strict=True):
        np.testing.assert_array_equal(row, read_picture(path, 24, 32, 3))
    digest = hashlib.sha256()
    for path in chosen:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    assert found.digest == digest.hexdigest()
    assert {path.parent.name for path in chosen} == {f"class{number}" for number in range(6)}


def test_the_same_seed_gives_the_same_bytes(photos: Path) -> None:
    first, again = (load(photos, PHOTO, samples=20, seed=5, threads=n) for n in (1, 3))
    other = load(photos, PHOTO, samples=20, seed=6)
    assert first.digest == again.digest
    np.testing.assert_array_equal(first.arrays[0], again.arrays[0])
    assert other.digest != first.digest


def test_one_picture_is_a_source_too(photos: Path) -> None:
    found = load(photos / "class0" / "00.png", PHOTO)
    assert len(found) == 1
    assert found.warnings == ("1 sample; 100 to 200 give steadier ranges",)
    asked = load(photos / "class0", PHOTO, samples=30)
    assert asked.warnings == ("10 samples; 100 to 200 give steadier ranges",)


def test_raw_pixels_are_preprocessed_and_values_are_not(tmp_path: Path) -> None:
    raw = digits(60)
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "values.npy", raw / 255)
    pixels = load(tmp_path / "raw.npy", preprocessing=UNIT)
    values = load(tmp_path / "values.npy", preprocessing=UNIT)
    assert (pixels.is_pixels, values.is_pixels) == ((True,), (False,))
    assert values.arrays[0].dtype == np.float32
    np.testing.assert_array_equal(pixels.arrays[0][..., 0], raw)
    np.testing.assert_allclose(pixels.model_values()[0], values.model_values()[0], atol=1e-7)
    one = next(pixels.samples())
    assert [array.shape for array in one] == [(1, 28, 28, 1)]
    np.testing.assert_array_equal(one[0][0], pixels.model_values()[0][0])
    doubled = pixels.model_values((Preprocessing((0.0,), (127.5,)),))[0]
    np.testing.assert_allclose(doubled, 2 * pixels.model_values()[0], atol=1e-6)


def test_npz_by_name_with_labels(tmp_path: Path) -> None:
    raw, labels = digits(300), np.arange(300) % 10
    for name in ("x", "digit", "digit:0", "serving_default_digit:0"):
        np.savez_compressed(tmp_path / "a.npz", **{name: raw}, y=labels)
        found = load(tmp_path / "a.npz", samples=50, seed=4)
        rows = list(choose(300, 50, 4))
        np.testing.assert_array_equal(found.arrays[0][..., 0], raw[rows])
        np.testing.assert_array_equal(found.labels, labels[rows])


def test_several_inputs_of_several_kinds(tmp_path: Path) -> None:
    inputs = (*PHOTO, TensorSpec("tokens", (1, 5), "int32"), TensorSpec("mask", (1, 5), "bool"))
    arrays = {
        "image": RNG.integers(0, 256, (60, 24, 32, 3), np.uint8),
        "tokens": RNG.integers(0, 1000, (60, 5)),
        "mask": RNG.integers(0, 2, (60, 5)).astype(bool),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    found = load(tmp_path / "a.npz", inputs, preprocessing=(UNIT, None, None))
    assert found.is_pixels == (True, False, False)
    assert [array.dtype.name for array in found.arrays] == ["uint8", "int32", "bool"]
    assert [array.dtype.name for array in found.model_values()] == ["float32", "int32", "bool"]
    for array, name in zip(found.arrays, arrays, strict=True):
        np.testing.assert_array_equal(array, arrays[name])


def test_the_digest_tells_types_and_shapes_apart(tmp_path: Path) -> None:
    zeros = np.zeros((2, 28, 28, 1))
    np.save(tmp_path / "a.npy", zeros.astype(np.uint8))
    np.save(tmp_path / "b.npy", zeros.astype(np.float32))
    np.save(tmp_path / "c.npy", zeros.astype(np.float64))
    found = {name: load(tmp_path / f"{name}.npy").digest for name in "abc"}
    assert found["a"] != found["b"]
    assert found["b"] == found["c"]  # the same model values


def test_what_is_missing_or_empty(tmp_path: Path) -> None:
    kinds = "give a folder of pictures, a .npy or .npz file, or package.module:function"
    error = refusal(tmp_path / "nowhere")
    assert str(error) == f"{tmp_path / 'nowhere'}: no such file or folder"
    assert error.hint == kinds
    error = refusal(tmp_path, PHOTO)
    assert str(error) == f"{tmp_path}: no pictures in this folder"
    assert "holds pictures (.jpg, .png, ...)" in error.hint
    (tmp_path / "a.npz").write_bytes(b"")
    assert str(refusal(tmp_path / "a.npz")) == f"{tmp_path / 'a.npz'}: the file is empty"
    (tmp_path / "a.txt").write_text("1 2 3")
    error = refusal(tmp_path / "a.txt")
    assert str(error) == f"{tmp_path / 'a.txt'}: not calibration data"
    assert error.hint == kinds


def test_what_is_damaged(tmp_path: Path, photos: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=digits(20))
    path.write_bytes(path.read_bytes()[:-100])
    error = refusal(path)
    assert str(error) == f"{path}: a broken NumPy file (File is not a zip file)"
    assert error.hint == "save or copy the file again"
    np.save(tmp_path / "a.npy", np.array([{}, None]), allow_pickle=True)
    error = refusal(tmp_path / "a.npy")
    assert error.problem == "holds Python objects (a pickle), which edgeq never loads"
    picture = tmp_path / "cut.png"
    picture.write_bytes((photos / "class0" / "00.png").read_bytes()[:60])
    error = refusal(tmp_path, PHOTO)
    assert str(error).startswith(f"{picture}: a broken picture")
    assert error.hint == "copy the file again, or leave it out"


@pytest.mark.parametrize(
    ("array", "problem", "hint"),
    [
        (
            np.zeros((5, 32, 32, 3)),
            "an array of shape [5, 32, 32, 3], but the model's input 'serving_default_digit:0' "
            "takes [N, 28, 28, 1]",
            "give one array with the samples along its first axis",
        ),
        (
            np.zeros((5, 28, 28), np.int64),
            "int64 numbers, which the model's input 'serving_default_digit:0' does not take",
            "save raw pixels as uint8, model values as float32",
        ),
        (
            digits(60).astype(np.float32),
            "values go from 0 to 255, but the declared preprocessing [0,1] gives 0 to 1",
            "save them as uint8, or divide by 255",
        ),
        (
            digits(60) / 127.5 - 1,
            "values go from -1 to 1, but the declared preprocessing [0,1] gives 0 to 1",
            "save raw pixels as uint8, or declare the preprocessing that made these values",
        ),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, array: np.ndarray, problem: str, hint: str) -> None:
    np.save(tmp_path / "a.npy", array)
    error = refusal(tmp_path / "a.npy", preprocessing=UNIT)
    assert str(error) == f"{tmp_path / 'a.npy'}: {problem}"
    assert error.hint == hint


def test_the_sample_that_is_not_finite_is_named(tmp_path: Path) -> None:
    values = digits(300) / 255
    bad = choose(300, 100, 0)[41]
    for number, word in ((np.nan, "NaN"), (-np.inf, "an infinite number")):
        values[bad, 3, 4] = number
        np.save(tmp_path / "a.npy", values)
        error = refusal(tmp_path / "a.npy", samples=100)
        assert error.problem == f"sample {bad} holds {word}"
        assert error.hint == "repair that sample, or leave it out"


def test_undeclared_values_may_go_anywhere(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", 1000 * (digits(60) / 255 - 0.5))
    for declared in (None, Preprocessing()):
        assert load(tmp_path / "a.npy", preprocessing=declared).warnings == ()


def test_names_that_are_not_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=digits(3), y=np.arange(3))
    error = refusal(tmp_path / "a.npz")
    assert error.problem == ("no array for the model's input 'digit' (arrays there: 'images', 'y')")
    assert error.hint == "save the arrays under the names 'digit' or 'x'"


def test_different_numbers_of_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=digits(3), y=np.arange(4))
    error = refusal(tmp_path / "a.npz")
    assert error.problem == (
        "arrays with different numbers of samples (serving_default_digit:0: 3, y: 4)"
    )
    assert error.hint == "save the same number of samples in each array"


def test_pictures_for_a_model_that_takes_none(photos: Path) -> None:
    error = refusal(photos, (TensorSpec("rows", (1, 16), "float32"),))
    assert error.problem == "a picture, but the model's input 'rows' takes float32 [1, 16]"
    assert error.hint == "give its numbers in a .npy file"
    error = refusal(photos, PHOTO + DIGIT)
    assert error.problem == "pictures, but the model has 2 inputs"
    assert "one array per input" in error.hint


def test_options_that_are_not_allowed() -> None:
    with pytest.raises(ConfigError, match="--samples is 0, but must be a whole number of at"):
        CalibrationOptions(samples=0)
    with pytest.raises(ConfigError, match="preprocessing is 2, but must be one, or one per input"):
        load("a.npy", preprocessing=(UNIT, UNIT))


def warnings_of(array: np.ndarray, tmp_path: Path) -> tuple[str, ...]:
    np.save(tmp_path / "a.npy", array)
    found: CalibrationSet = load(tmp_path / "a.npy", preprocessing=UNIT)
    return found.warnings


def test_doubts_about_arrays(tmp_path: Path) -> None:
    assert warnings_of(digits(50), tmp_path) == ()
    assert warnings_of(digits(49), tmp_path) == ("49 samples; 100 to 200 give steadier ranges",)
    repeated = np.concatenate([digits(50), digits(3)])
    assert warnings_of(repeated, tmp_path) == ("3 of 53 samples repeat another one",)
    constant = digits(50)
    constant[7], constant[9] = 0, 255
    assert warnings_of(constant, tmp_path) == (
        "2 of 50 samples are constant, all their numbers equal (the first is sample 7)",
    )
    assert warnings_of(digits(50) // 128, tmp_path) == (
        "values go from 0 to 1 only, but raw pixels can give 0 to 255: were they scaled before?",
    )
    assert warnings_of(digits(50) / 255 / 255, tmp_path) == (
        "values go from 0 to 0.00392157 only, but the declared preprocessing can give 0 to 1: "
        "were they scaled before?",
    )


def test_doubts_about_pictures(photos: Path) -> None:
    large = (TensorSpec("image", (1, 100, 100, 3), "float32"),)
    found = load(photos, large, samples=70)
    assert found.warnings == (
        "60 pictures, fewer than the 70 asked for",
        "60 of 60 pictures are less than half as large as the model's input of 100x100 "
        f"(the first is {photos / 'class0' / '00.png'}, 64x48)",
    )
    assert load(photos, PHOTO, samples=60).warnings == ()
    assert load(photos, PHOTO).warnings == ()


def test_progress_counts_the_pictures(photos: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load_calibration(
        photos, PHOTO, CalibrationOptions(samples=4), progress=lambda *step: told.append(step)
    )
    assert told == [("read calibration data", number, 4) for number in (1, 2, 3, 4)]
