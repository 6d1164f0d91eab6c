"""Which kind of model a path or a name is, and what is none."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgeq.frontends import detect
from edgeq_device.errors import InputError, ModelError

TAKES = "edgeq takes .keras, .h5, .tflite, a SavedModel folder or package.module:function"


@pytest.mark.parametrize(
    ("name", "contents", "kind"),
    [
        ("model.keras", b"x", "keras"),
        ("MODEL.H5", b"x", "keras"),
        ("model.hdf5", b"x", "keras"),
        ("model.tflite", b"x", "tflite"),
        ("model.lite", b"x", "tflite"),
        ("no_suffix", b"\x1c\0\0\0TFL3", "tflite"),
        ("no_suffix", b"\x89HDF\r\n\x1a\n and more", "keras"),
    ],
)
def test_a_file_tells_by_its_suffix_or_its_first_bytes(
    name: str, contents: bytes, kind: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(contents)
    assert detect(str(tmp_path / name)) == kind


def test_a_keras_archive_tells_by_its_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "renamed.bin", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", "{}")
    assert detect(str(tmp_path / "renamed.bin")) == "keras"


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_saved_model_is_a_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert detect(str(tmp_path)) == "saved-model"


@pytest.mark.parametrize("source", ["module:function", "package.module:maker.make", "a._b:c1"])
def test_a_function_has_a_module_before_the_colon(source: str) -> None:
    assert detect(source) == "function"


@pytest.mark.parametrize(
    ("name", "error", "problem", "hint"),
    [
        (
            "model.onnx",
            ModelError,
            "is an ONNX model",
            "convert it first: onnx2tf -i model.onnx writes a float .tflite",
        ),
        (
            "model.pt",
            ModelError,
            "is a PyTorch model",
            "export it first: litert-torch writes a float .tflite",
        ),
        (
            "frozen.pb",
            ModelError,
            "is a TensorFlow graph without its variables",
            "give the SavedModel folder that holds saved_model.pb, or package.module:function",
        ),
        ("digits.edgeq", ModelError, "is a bundle, built already", "edgeq run digits.edgeq INPUT"),
        (
            "config.json",
            ModelError,
            "holds no weights",
            "save the whole model: model.save('model.keras')",
        ),
        ("picture.png", ModelError, "is no model that edgeq knows", TAKES),
    ],
)
def test_what_is_no_model_says_what_to_do(
    name: str, error: type[ModelError], problem: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(b"something else")
    with pytest.raises(error) as caught:
        detect(str(path))
    assert str(caught.value) == f"{path}: {problem}"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("source", "hint"),
    [("gone.keras", f"check the path; {TAKES}"), ("a/b:c", f"check the path; {TAKES}")],
)
def test_what_is_not_there(source: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        detect(source)
    assert str(caught.value) == f"{source}: does not exist"
    assert caught.value.hint == hint


def test_empty_files_and_folders(tmp_path: Path) -> None:
    empty = tmp_path / "model.keras"
    empty.touch()
    with pytest.raises(InputError) as caught:
        detect(str(empty))
    assert str(caught.value) == f"{empty}: is empty"
    assert caught.value.hint == "copy or export the file again"
    with pytest.raises(InputError) as caught:
        detect(str(tmp_path))
    assert str(caught.value) == f"{tmp_path}: is a folder without saved_model.pb"
    assert caught.value.hint == TAKES
