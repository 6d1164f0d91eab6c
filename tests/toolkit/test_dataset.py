"""Labeled test data: how labels are found, and that batches come whole and in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.calibration import Dataset, load_dataset
from edgeq.calibration.matching import match_folders
from edgeq_device.errors import CalibrationError
from edgeq_device.sources import read_picture
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing

DIGIT = (TensorSpec("digit", (1, 28, 28, 1), "uint8", 1 / 255, 0),)
PHOTO = (TensorSpec("image", (1, 8, 8, 3), "uint8", 1 / 255, 0),)
UNIT = Preprocessing((0.0,), (255.0,))
RAW = np.random.default_rng(2).integers(0, 256, (25, 28, 28), np.uint8)
ANIMALS = ("tabby, tabby cat", "great white shark", "Golden_Retriever")


def saved(tmp_path: Path, y: object, x: np.ndarray = RAW) -> Path:
    np.savez(tmp_path / "test.npz", x=x, y=np.asarray(y))
    return tmp_path / "test.npz"


def folders(root: Path, **counts: int) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            color = (number * 20, len(name) * 9, 7)
            Image.new("RGB", (12, 9), color).save(root / name / f"{number}.png")
    return root


def refusal(source: Path, labels: tuple[str, ...] = ()) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        load_dataset(source, DIGIT, labels)
    return caught.value


def together(dataset: Dataset, size: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    batches = list(dataset.batches(size))
    arrays = np.concatenate([arrays[0] for arrays, _ in batches])
    return arrays, np.concatenate([labels for _, labels in batches]), [len(y) for _, y in batches]


def test_npz_in_batches(tmp_path: Path) -> None:
    answers = np.arange(25) % 10
    dataset = load_dataset(saved(tmp_path, answers), DIGIT)
    assert (len(dataset), dataset.matched_by, dataset.class_names) == (25, "class number", ())
    for size in (7, 64):  # and a second time from the start
        arrays, labels, sizes = together(dataset, size)
        np.testing.assert_array_equal(arrays[..., 0], RAW)
        np.testing.assert_array_equal(labels, answers)
        assert sizes == ([7, 7, 7, 4] if size == 7 else [25])
        assert (arrays.dtype.name, labels.dtype.name) == ("uint8", "int64")


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y.astype(np.uint8),
        lambda y: y.astype(np.float32),
        lambda y: y[:, np.newaxis],
        lambda y: np.eye(10, dtype=np.float32)[y],
        lambda y: np.eye(10, dtype=bool)[y],
    ],
)
def test_numbers_come_in_several_forms(tmp_path: Path, form) -> None:
    answers = np.arange(25) % 10
    dataset = load_dataset(saved(tmp_path, form(answers)), DIGIT)
    np.testing.assert_array_equal(dataset.labels, answers)


def test_texts_are_found_among_the_labels(tmp_path: Path) -> None:
    texts = ["Tabby", "golden retriever", "great white shark", "tabby cat", "Tabby"]
    source = saved(tmp_path, texts[:3], RAW[:3])
    dataset = load_dataset(source, DIGIT, ANIMALS)
    assert dataset.labels.tolist() == [0, 2, 1]
    assert dataset.matched_by == "name"
    assert refusal(source).problem == "y holds texts, but the model has no labels to find them in"
    error = refusal(saved(tmp_path, ["dog"] * 25), ANIMALS)
    assert error.problem == "y holds 'dog', which is no label of the model"
    error = refusal(saved(tmp_path, texts * 5), ANIMALS)
    assert error.problem == "'Tabby' and 'tabby cat' stand for the same label (number 0)"


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        (np.full(25, 0.5), "labels in y that are no class numbers"),
        (np.full(25, -1), "labels in y that are no class numbers"),
        (np.full(25, np.nan), "labels in y that are no class numbers"),
        (np.ones((25, 3)), "rows in y that are not one-hot"),
        (np.zeros((25, 2, 2)), "labels in y of shape [25, 2, 2]"),
        (np.zeros(25, "M8[s]"), "labels in y of type datetime64[s]"),
    ],
)
def test_labels_that_are_no_classes(tmp_path: Path, y: np.ndarray, problem: str) -> None:
    error = refusal(saved(tmp_path, y))
    assert error.problem == problem
    assert error.hint == "save whole class numbers from 0 under 'y'"


def test_npz_that_does_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=RAW)
    error = refusal(tmp_path / "a.npz")
    assert error.problem == "no labels"
    assert error.hint.startswith("give a .npz file with the labels under 'y', or a folder")
    error = refusal(saved(tmp_path, np.arange(24)))
    assert error.problem == "arrays with different numbers of samples (digit: 25, y: 24)"
    error = refusal(saved(tmp_path, np.full(25, 3)), ANIMALS)
    assert error.problem == "y holds class 3, but the labels end at 2"
    assert refusal(tmp_path / "b.npz").problem == "no such file"


def test_a_broken_sample_is_named_by_its_number(tmp_path: Path) -> None:
    values = RAW.astype(np.float32) / 255
    values[17] = np.nan
    dataset = load_dataset(saved(tmp_path, np.zeros(25, int), values), DIGIT, (), UNIT)
    batches = dataset.batches(5)
    assert [len(next(batches)[1]) for _ in range(3)] == [5, 5, 5]
    with pytest.raises(CalibrationError, match="sample 17 holds NaN"):
        next(batches)


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    source = saved(tmp_path, np.zeros(25, int), RAW.astype(np.float32))
    with pytest.raises(CalibrationError) as caught:
        list(load_dataset(source, DIGIT, (), UNIT).batches())
    assert "but the declared preprocessing [0,1] gives 0 to 1" in str(caught.value)
    assert caught.value.hint == "save them as uint8, or divide by 255"


def test_folders_are_matched_by_name(tmp_path: Path) -> None:
    source = folders(tmp_path, golden_retriever=3, Tabby=2)
    dataset = load_dataset(source, PHOTO, ANIMALS, UNIT, threads=2)
    assert dataset.matched_by == "name"
    assert dataset.class_names == ANIMALS
    arrays, labels, sizes = together(dataset, 2)
    assert labels.tolist() == [0, 0, 2, 2, 2]
    assert sizes == [2, 2, 1]
    paths = sorted(source.rglob("*.png"))
    np.testing.assert_array_equal(arrays, [read_picture(path, 8, 8, 3) for path in paths])


def test_folders_without_labels_are_numbered_in_sorted_order(tmp_path: Path) -> None:
    dataset = load_dataset(folders(tmp_path, b=1, a=2, c=0), PHOTO)
    assert (dataset.matched_by, dataset.class_names) == ("sorted order", ("a", "b", "c"))
    assert dataset.labels.tolist() == [0, 0, 1]
    assert dataset.warnings == ()


def test_numbers_sorted_as_text_are_doubted() -> None:
    names = tuple(sorted(map(str, range(11))))
    assert names[:3] == ("0", "1", "10")
    found = match_folders(names, (), "data")
    assert found.numbers == tuple(range(11))
    assert found.warnings == (
        "class folders are numbered by their sorted names, as Keras does: '10' is class 2",
    )
    by_name = match_folders(names, tuple(map(str, range(11))), "data")
    assert (by_name.numbers, by_name.by) == (tuple(map(int, names)), "name")
    assert by_name.warnings == ()


def test_as_many_folders_as_labels_are_taken_in_order() -> None:
    found = match_folders(("n01", "n02", "n03"), ANIMALS, "data")
    assert (found.numbers, found.by) == ((0, 1, 2), "sorted order")


@pytest.mark.parametrize(
    ("names", "labels", "problem", "hint"),
    [
        (
            ("dog", "tabby"),
            ANIMALS,
            "no label for 'dog', though other folders have one",
            "name each folder as its label",
        ),
        (
            ("a", "b"),
            ANIMALS,
            "2 class folders, but the model has 3 labels, and no name matches",
            "name each folder as its label ('tabby, tabby cat', 'great white shark', "
            "'Golden_Retriever')",
        ),
        (
            ("crane",),
            ("crane", "dog", "crane"),
            "'crane' stands for 2 labels (numbers [0, 2])",
            "use the whole, unique label",
        ),
        (
            ("Crane", "crane"),
            ("crane", "dog"),
            "'Crane' and 'crane' stand for the same label (number 0)",
            "keep one name per class",
        ),
    ],
)
def test_folders_that_do_not_match(
    names: tuple[str, ...], labels: tuple[str, ...], problem: str, hint: str
) -> None:
    with pytest.raises(CalibrationError) as caught:
        match_folders(names, labels, "data")
    assert str(caught.value) == f"data: {problem}"
    assert caught.value.hint == hint


def test_a_folder_without_classes(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    error = refusal(tmp_path)
    assert error.problem == "no subfolders with pictures"
    assert error.hint.startswith("make one subfolder per class")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    source = folders(tmp_path, a=3)
    (source / "a" / "1.png").write_bytes(b"no picture")
    dataset = load_dataset(source, PHOTO)
    with pytest.raises(CalibrationError) as caught:
        list(dataset.batches(1))
    assert str(caught.value) == f"{source / 'a' / '1.png'}: not a picture that pillow can read"
