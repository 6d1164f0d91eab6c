"""What the error says of files that are no .tflite."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from edgeq_device.errors import ModelError
from edgeq_device.tflite import parse_model
from tests.device.factories import quantize_model

BUILD = "give it to `edgeq build`, which makes a .tflite of it"
UNKNOWN = 'is not a .tflite model: "TFL3" does not stand at byte 4'


def archive(first: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as pack:
        pack.writestr(first, "{}")
        pack.writestr("second.bin", bytes(500))
    return stream.getvalue()


CASES = {
    "keras": (archive("metadata.json"), "is a Keras model (.keras), not a .tflite", BUILD),
    "bundle": (archive("manifest.json"), "is a bundle, not a .tflite", "run it with `edgeq run`"),
    "zip": (
        archive("readme.txt"),
        "is a zip archive, not a .tflite",
        "unpack it, and give the .tflite inside",
    ),
    "h5": (
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        "is an HDF5 file (a Keras .h5 model?), not a .tflite",
        BUILD,
    ),
    "saved model": (
        b"\x08\x01\x12\xf3\x8c\x02\x0a\x10" + bytes(100),
        "is a TensorFlow SavedModel's saved_model.pb, not a .tflite",
        "give the folder that it lies in to `edgeq build`",
    ),
    "onnx": (
        b"\x08\x07\x12\x07pytorch\x1a" + bytes(100),
        "looks like an ONNX model, not a .tflite",
        "convert it to TensorFlow or .tflite",
    ),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n",
        "is a Git LFS pointer, not the model itself",
        "fetch the model: git lfs pull",
    ),
    "html": (
        b"\n<!DOCTYPE html><html><body>Not found</body></html>",
        "is a web page: the download went wrong",
        "download the model again",
    ),
    "gzip": (gzip.compress(quantize_model()), "is compressed with gzip", "unpack it first: gunzip"),
    "text": ("a läbel\n".encode() * 90, "is a text file, not a .tflite", "give a .tflite model"),
    "short": (
        quantize_model()[:5],
        "is cut short: it ends within its first bytes",
        "copy or export the file again",
    ),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), UNKNOWN, "give a .tflite model"),
    "zeros": (bytes(1000), UNKNOWN, "give a .tflite model"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_says_what_it_looks_like(case: str) -> None:
    data, problem, hint = CASES[case]
    with pytest.raises(ModelError) as caught:
        parse_model(data, "model")

    assert caught.value.sentence == f"model: {problem}"
    assert caught.value.hint == hint


def test_a_cut_text_is_still_text() -> None:
    # The guess looks at the first 512 bytes, which may end within a character.
    with pytest.raises(ModelError, match="is a text file"):
        parse_model(b"x" + "ö".encode() * 400, "model")
