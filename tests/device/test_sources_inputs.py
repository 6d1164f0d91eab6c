"""What `edgeq run` is given comes out as the model's inputs, in order, or is refused by name."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq_device.errors import InputError
from edgeq_device.sources import Wanted, open_picture, read_inputs, read_picture
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing

RGB = TensorSpec("image", (1, 24, 32, 3), "uint8", 1 / 255, 0)
DIGIT = TensorSpec("digit", (1, 28, 28, 1), "uint8", 1 / 255, 0)
ROWS = TensorSpec("serving_default_rows:0", (1, 4), "int8", 0.5, 3)
TOKENS = TensorSpec("tokens", (1, 6), "int32")
UNIT = Preprocessing((0.0,), (255.0,))


def save_photo(path: Path, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    Image.fromarray(pixels).resize((90, 60)).save(path)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_pictures_folders_and_arrays_in_one_row(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    single = save_photo(tmp_path / "single.png")
    inside = [save_photo(tmp_path / "folder" / f"{n}.jpg", n) for n in (1, 2)]
    batch = np.random.default_rng(5).integers(0, 256, (2, 24, 32, 3), np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    sources = [single, tmp_path / "folder", str(tmp_path / "batch.npy")]
    found = list(read_inputs(sources, Wanted((RGB,)), threads=3))
    names = [single, *inside, f"{tmp_path}/batch.npy[0]", f"{tmp_path}/batch.npy[1]"]
    assert [each.name for each in found] == [str(name) for name in names]
    for each, path in zip(found, [single, *inside]):
        assert each.picture == path
        assert each.picture_size == (90, 60)
        np.testing.assert_array_equal(each.arrays[0][0], read_picture(path, 24, 32, 3))
    assert [each.picture for each in found[3:]] == [None, None]
    np.testing.assert_array_equal(np.concatenate([each.arrays[0] for each in found[3:]]), batch)
    assert {each.arrays[0].dtype.name for each in found} == {"uint8"}
    assert {each.arrays[0].shape for each in found} == {(1, 24, 32, 3)}


def test_standard_input_holds_a_picture_or_an_array(tmp_path: Path) -> None:
    data = save_photo(tmp_path / "a.png").read_bytes()
    (picture,) = read_inputs(["-"], Wanted((RGB,)), stdin=io.BytesIO(data))
    assert picture.name == "stdin"
    assert picture.picture == data
    assert open_picture(picture.picture).size == picture.picture_size == (90, 60)
    values = np.linspace(0, 1, 28 * 28, dtype=np.float64).reshape(28, 28)
    (digit,) = read_inputs(["-"], Wanted((DIGIT,)), stdin=io.BytesIO(npy(values)))
    assert digit.arrays[0].dtype == np.float32
    np.testing.assert_array_equal(digit.arrays[0][0, ..., 0], values.astype(np.float32))


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 28, 28, 1)])
def test_digit_models_take_gray_pictures(tmp_path: Path, shape: tuple[int, ...]) -> None:
    spec = TensorSpec("digit", shape, "uint8", 1 / 255, 0)
    (digit,) = read_inputs([save_photo(tmp_path / "a.png")], Wanted((spec,)))
    assert digit.arrays[0].shape == shape
    expected = read_picture(tmp_path / "a.png", 28, 28, 1)
    np.testing.assert_array_equal(digit.arrays[0].reshape(28, 28, 1), expected)


def test_the_declared_reading_of_pictures_is_used(tmp_path: Path) -> None:
    path = save_photo(tmp_path / "a.png")
    declared = Preprocessing(resize="crop", resample="nearest", color="bgr")
    (found,) = read_inputs([path], Wanted((RGB,), (declared,)))
    np.testing.assert_array_equal(found.arrays[0][0], read_picture(path, 24, 32, 3, declared))


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((28, 28), 1),
        ((28, 28, 1), 1),
        ((1, 28, 28, 1), 1),
        ((3, 28, 28), 3),
        ((3, 28, 28, 1), 3),
        ((3, 1, 28, 28, 1), 3),
        ((3, 1, 28, 28), 3),
    ],
)
@pytest.mark.parametrize("model", [(1, 28, 28, 1), (1, 28, 28)])
def test_batches_and_single_samples(
    tmp_path: Path, shape: tuple[int, ...], count: int, model: tuple[int, ...]
) -> None:
    digits = np.arange(np.prod(shape), dtype=np.uint32).reshape(shape).astype(np.uint8)
    np.save(tmp_path / "digits.npy", digits)
    spec = TensorSpec("digit", model, "uint8", 1 / 255, 0)
    found = list(read_inputs([tmp_path / "digits.npy"], Wanted((spec,))))
    assert len(found) == count
    assert {each.arrays[0].shape for each in found} == {model}
    together = np.concatenate([each.arrays[0].ravel() for each in found])
    np.testing.assert_array_equal(together, digits.ravel())


def test_several_inputs_come_from_one_npz(tmp_path: Path) -> None:
    rows = np.array([[-3, 0, 5, 127], [1, 2, 3, 4]], np.int8)
    tokens = np.arange(12).reshape(2, 6)
    np.savez(tmp_path / "both.npz", rows=rows, **{"tokens:0": tokens}, y=[1, 0])
    found = list(read_inputs([tmp_path / "both.npz"], Wanted((ROWS, TOKENS))))
    assert [[array.dtype.name for array in each.arrays] for each in found] == [
        ["int8", "int32"],
        ["int8", "int32"],
    ]
    np.testing.assert_array_equal(np.concatenate([each.arrays[0] for each in found]), rows)
    np.testing.assert_array_equal(np.concatenate([each.arrays[1] for each in found]), tokens)


def refusal(source: object, wanted: Wanted, stdin: bytes = b"") -> InputError:
    with pytest.raises(InputError) as caught:
        list(read_inputs([str(source)], wanted, stdin=io.BytesIO(stdin)))
    return caught.value


def test_a_missing_source_is_said_before_anything_is_read(tmp_path: Path) -> None:
    first = save_photo(tmp_path / "a.png")
    with pytest.raises(InputError) as caught:
        read_inputs([first, tmp_path / "b.png"], Wanted((RGB,)))
    assert str(caught.value) == f"{tmp_path / 'b.png'}: no such file or folder"
    assert caught.value.hint == "check the path"


def test_results_before_a_broken_picture_are_kept(tmp_path: Path) -> None:
    paths = [save_photo(tmp_path / f"{n}.png") for n in range(3)]
    paths[2].write_bytes(paths[2].read_bytes()[:100])
    found = read_inputs(paths, Wanted((RGB,)), threads=2)
    assert [next(found).name, next(found).name] == [str(path) for path in paths[:2]]
    with pytest.raises(InputError, match=r"2\.png: a broken picture"):
        next(found)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    picture = save_photo(tmp_path / "a.png")
    error = refusal(picture, Wanted((ROWS,)))
    assert error.problem == (
        "a picture, but the model's input 'serving_default_rows:0' takes int8 [1, 4]"
    )
    assert error.hint == "give its numbers in a .npy file"
    error = refusal(picture, Wanted((RGB, ROWS)))
    assert error.problem == "a picture, but the model has 2 inputs"
    assert error.hint == "give a .npz file with one array per input, under the input's name"
    error = refusal("-", Wanted((RGB,)))
    assert str(error) == "stdin: nothing came in"
    assert error.hint == "pipe a picture or a .npy file into it"
    error = refusal("-", Wanted((RGB,)), b"text")
    assert str(error) == "stdin: not a picture that pillow can read"


@pytest.mark.parametrize(
    ("array", "spec", "problem", "hint"),
    [
        (
            np.zeros((2, 27, 28), np.uint8),
            DIGIT,
            "an array of shape [2, 27, 28], but the model's input 'digit' takes [N, 28, 28, 1]",
            "give one array with the samples along its first axis",
        ),
        (np.zeros((0, 28, 28), np.uint8), DIGIT, "holds no samples", "save at least one sample"),
        (
            np.zeros((28, 28), np.int64),
            DIGIT,
            "int64 numbers, which the model's input 'digit' does not take",
            "save raw pixels as uint8, model values as float32",
        ),
        (
            np.zeros(6, np.float32),
            TOKENS,
            "float32 numbers, which the model's input 'tokens' does not take",
            "save it as int32",
        ),
        (
            np.full(6, 1 << 40),
            TOKENS,
            "sample 0 holds numbers too large for int32",
            "save it as int32",
        ),
        (
            np.full((28, 28), np.nan),
            DIGIT,
            "sample 0 holds NaN",
            "repair that sample, or leave it out",
        ),
        (
            np.full((28, 28), 1e300),
            DIGIT,
            "sample 0 holds an infinite number",
            "repair that sample, or leave it out",
        ),
        (
            np.linspace(0, 255, 784).reshape(28, 28),
            DIGIT,
            "values go from 0 to 255, but the declared preprocessing [0,1] gives 0 to 1",
            "save them as uint8, or divide by 255",
        ),
    ],
)
def test_arrays_that_do_not_fit(
    tmp_path: Path, array: np.ndarray, spec: TensorSpec, problem: str, hint: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    error = refusal(tmp_path / "a.npy", Wanted((spec,), (UNIT,)))
    assert str(error) == f"{tmp_path / 'a.npy'}: {problem}"
    assert error.hint == hint
