"""Calibration and test data that cannot be used, or are doubtful."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import Ended, done, edgeq, files_in, process, refused

KINDS = "give a folder of pictures, a .npy or .npz file, or package.module:function"


def build(shop: Workshop, data: object, out: Path, *options: str) -> Ended:
    declared = options or ("--preprocess", "[0,1]")
    return edgeq("build", shop.model, "--calibration", data, "-o", out, *declared)


def pixels(count: int = 60) -> np.ndarray:
    return models.digits()[0][:count]


def with_nan() -> np.ndarray:
    values = pixels().astype(np.float32) / 255
    values[3, 4, 5] = np.nan
    return values


@pytest.mark.parametrize(
    ("arrays", "problem", "hint"),
    [
        (
            {"x": pixels()[:, :20]},
            "an array of shape [60, 20, 28], but the model's input 'image' takes [N, 28, 28]",
            "give one array with the samples along its first axis",
        ),
        ({"x": with_nan()}, "sample 3 holds NaN", "repair that sample, or leave it out"),
        (
            {"x": pixels().astype(np.float32)},
            "values go from 0 to 255, but the declared preprocessing [0,1] gives 0 to 1",
            "save them as uint8, or divide by 255",
        ),
        ({"x": pixels()[:0]}, "holds no samples", "save at least one sample"),
        (
            {"a": pixels(), "b": pixels()},
            "no array for the model's input 'image' (arrays there: 'a', 'b')",
            "save the arrays under the names 'image' or 'x'",
        ),
        (
            {"x": pixels(), "y": np.arange(5)},
            "arrays with different numbers of samples (image: 60, y: 5)",
            "save the same number of samples in each array",
        ),
    ],
)
def test_arrays_that_do_not_fit(
    shop: Workshop, tmp_path: Path, arrays: dict[str, Any], problem: str, hint: str
) -> None:
    data = tmp_path / "c.npz"
    np.savez(data, **arrays)
    refused(build(shop, data, tmp_path / "out.edgeq"), f"{data}: {problem}", hint)
    assert files_in(tmp_path) == ["c.npz"]


def test_a_folder_without_pictures(shop: Workshop, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "below").mkdir(parents=True)
    (empty / "notes.txt").write_text("none here")
    refused(
        build(shop, empty, tmp_path / "out.edgeq"),
        f"{empty}: no pictures in this folder",
        "give a folder that holds pictures (.jpg, .png, ...), itself or in subfolders",
    )
    assert files_in(tmp_path) == ["empty/notes.txt"]


@pytest.mark.parametrize(
    ("name", "data", "problem", "hint"),
    [
        ("none.npz", None, "no such file or folder", KINDS),
        ("c.txt", b"numbers", "not calibration data", KINDS),
        ("c.npz", b"", "the file is empty", "save the arrays again"),
        ("nomodule:function", None, None, "start edgeq in the folder that holds the module, or"),
    ],
)
def test_what_is_no_data(
    shop: Workshop, tmp_path: Path, name: str, data: bytes | None, problem: str | None, hint: str
) -> None:
    source: object = name if ":" in name else tmp_path / name
    if data is not None:
        (tmp_path / name).write_bytes(data)
    left = files_in(tmp_path)
    ended = build(shop, source, tmp_path / "out.edgeq")
    problem = problem or "ModuleNotFoundError: No module named 'nomodule'"
    error, said = ended.stderr.splitlines()
    assert error == f"error: {source}: {problem}"
    assert said.startswith(f"hint: {hint}")
    assert (ended.code, ended.stdout) == (1, "")
    assert files_in(tmp_path) == left


def test_a_damaged_archive(shop: Workshop, tmp_path: Path) -> None:
    data = bytearray(shop.calibration.read_bytes())
    data[len(data) // 2] ^= 0x40
    flipped, short = tmp_path / "flipped.npz", tmp_path / "short.npz"
    flipped.write_bytes(data)
    short.write_bytes(shop.calibration.read_bytes()[:5000])
    for path in (flipped, short):
        ended = build(shop, path, tmp_path / "out.edgeq")
        assert ended.code == 1
        assert ended.stderr.startswith(f"error: {path}: a broken NumPy file (")
        assert ended.stderr.endswith("\nhint: save or copy the file again\n")


def test_pickles_are_never_loaded(shop: Workshop, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harm",))

    np.save(tmp_path / "c.npy", np.array([Harm()], dtype=object), allow_pickle=True)
    refused(
        build(shop, tmp_path / "c.npy", tmp_path / "out.edgeq"),
        f"{tmp_path / 'c.npy'}: holds Python objects (a pickle), which edgeq never loads",
        "save plain numbers: numpy.save(path, numpy.asarray(data, numpy.float32))",
    )
    assert files_in(tmp_path) == ["c.npy"]


def test_a_broken_picture_is_named(shop: Workshop, tmp_path: Path) -> None:
    pictures = models.write_pictures(tmp_path / "pictures", 60)
    broken = pictures / "digit_0007.png"
    broken.write_bytes(broken.read_bytes()[:80])
    ended = build(shop, pictures, tmp_path / "out.edgeq")
    assert ended.code == 1
    assert ended.stderr.startswith(f"error: {broken}: a broken picture (")
    assert ended.stderr.endswith("\nhint: copy the file again, or leave it out\n")
    assert not (tmp_path / "out.edgeq").exists()


def test_too_few_samples_are_a_warning(shop: Workshop, tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", x=pixels(5))
    options = ["--calibration", tmp_path / "c.npz", "--preprocess", "[0,1]"]
    declared = options[2:]
    ended = done(process("build", shop.model, *options, "-o", "out.edgeq", cwd=tmp_path))
    assert ended.stderr.splitlines()[0] == ("warning: 5 samples; 100 to 200 give steadier ranges")
    assert ended.stdout == "out.edgeq\n"
    quiet = done(build(shop, tmp_path / "c.npz", tmp_path / "2.edgeq", *declared, "--json", "-q"))
    assert quiet.document["warnings"] == ["5 samples; 100 to 200 give steadier ranges"]
    assert quiet.stderr == "warning: 5 samples; 100 to 200 give steadier ranges\n"


def test_doubtful_samples_are_warnings(shop: Workshop, tmp_path: Path) -> None:
    samples = np.concatenate([pixels(60), pixels(10), np.full((1, 28, 28), 7, np.uint8)])
    np.savez(tmp_path / "c.npz", x=samples)
    ended = done(build(shop, tmp_path / "c.npz", tmp_path / "out.edgeq"))
    assert "warning: 10 of 71 samples repeat another one\n" in ended.stderr
    assert "warning: 1 of 71 samples are constant" in ended.stderr
    np.savez(tmp_path / "c.npz", x=pixels(60).astype(np.float32) / 255 / 255)
    ended = done(build(shop, tmp_path / "c.npz", tmp_path / "two.edgeq"))
    assert "were they scaled before?" in ended.stderr


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "samples_of:shapes",
            "sample 0 is an array of shape [28, 27], but the model's input 'image' takes [28, 28]",
        ),
        ("samples_of:fails", "ValueError: no news today"),
        ("samples_of:nothing", "yielded no samples"),
        ("samples_of:leaves", "SystemExit: 3"),
        ("samples_of:dies", "the function's process ended without samples (exit code -6)"),
    ],
)
def test_a_users_function_that_goes_wrong(
    shop: Workshop, tmp_path: Path, source: str, problem: str
) -> None:
    (tmp_path / "samples_of.py").write_text(
        "import os, sys\nimport numpy as np\n"
        "def shapes():\n    yield np.zeros((28, 27), np.float32)\n"
        "def fails():\n    raise ValueError('no news today')\n"
        "def nothing():\n    return iter(())\n"
        "def leaves():\n    sys.exit(3)\n"
        "def dies():\n    os.abort()\n"
    )
    options = ["--calibration", source, "-o", "out.edgeq"]
    ended = process("build", shop.model, *options, cwd=tmp_path)
    assert ended.code == 1
    error, hint = [line for line in ended.stderr.splitlines() if line.startswith(("error", "hint"))]
    assert error.startswith(f"error: {source}: {problem}")
    assert len(hint) > len("hint: ")
    assert not (tmp_path / "out.edgeq").exists()


@pytest.mark.parametrize(
    ("arrays", "problem", "hint"),
    [
        (
            {"x": pixels(3)},
            "no labels",
            "give a .npz file with the labels under 'y', or a folder with one subfolder per class",
        ),
        (
            {"x": pixels(3), "y": [0, 1, 99]},
            "label 99 has no class: the model gives 10 scores",
            "labels must be whole numbers from 0 to 9",
        ),
        (
            {"x": pixels(3), "y": ["a", "b", "c"]},
            "y holds texts, but the model has no labels to find them in",
            "save class numbers in y, or give --labels",
        ),
        (
            {"x": pixels(3), "y": [0, 1]},
            "arrays with different numbers of samples (image: 3, y: 2)",
            "save the same number of samples in each array",
        ),
        (
            {"x": pixels(3)[:, 1:], "y": [0, 1, 2]},
            "an array of shape [3, 27, 28], but the model's input 'image' takes [N, 28, 28]",
            "give one array with the samples along its first axis",
        ),
    ],
)
def test_test_data_that_do_not_fit(
    shop: Workshop, tmp_path: Path, arrays: dict[str, Any], problem: str, hint: str
) -> None:
    data = tmp_path / "t.npz"
    np.savez(data, **arrays)
    picture = tmp_path / "confusion.png"
    ended = edgeq("evaluate", shop.bundle, "--data", data, "--picture", picture)
    refused(ended, f"{data}: {problem}", hint)
    ended = edgeq("compare", shop.model, *shop.options, "--data", data, "--picture", picture)
    refused(ended, f"{data}: {problem}", hint)
    assert files_in(tmp_path) == ["t.npz"]


def test_test_folders_that_do_not_fit(shop: Workshop, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(
        edgeq("evaluate", shop.bundle, "--data", empty),
        f"{empty}: no subfolders with pictures",
        "make one subfolder per class, named as its label, with that class's pictures",
    )
    missing = tmp_path / "none"
    refused(
        edgeq("evaluate", shop.bundle, "--data", missing),
        f"{missing}: no such file",
        "check the path",
    )
    refused(
        edgeq("evaluate", shop.two, "--data", shop.test),
        f"{shop.two}: has outputs [[1, 6, 6, 3]], but accuracy needs one of class scores, "
        "[1, classes]",
        "evaluate a classifier",
    )


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        ("none.png", "no such file or folder", "check the path"),
        ("notes.png", "not a picture that pillow can read", "convert it to PNG or JPEG"),
        (
            "shape.npy",
            "an array of shape [3, 20, 28], but the model's input 'image' takes [N, 28, 28]",
            "give one array with the samples along its first axis",
        ),
        (
            "empty",
            "no pictures in this folder",
            "give a folder that holds pictures (.jpg, .png, ...), itself or in subfolders",
        ),
    ],
)
def test_inputs_of_run_that_do_not_fit(
    shop: Workshop, tmp_path: Path, name: str, problem: str, hint: str
) -> None:
    (tmp_path / "notes.png").write_text("hello")
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "shape.npy", pixels(3)[:, :20])
    source = tmp_path / name
    refused(edgeq("run", shop.bundle, source, "--json"), f"{source}: {problem}", hint)
