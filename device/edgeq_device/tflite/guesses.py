"""Says what a file that is no .tflite looks like, and what to do with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guess:
    """The problem and the hint of the error."""

    problem: str
    hint: str


_BUILD = "give it to `edgeq build`, which makes a .tflite of it"

_STARTS: tuple[tuple[bytes, Guess], ...] = (
    (
        b"version https://git-lfs",
        Guess("is a Git LFS pointer, not the model itself", "fetch the model: git lfs pull"),
    ),
    (b"\x89HDF\r\n\x1a\n", Guess("is an HDF5 file (a Keras .h5 model?), not a .tflite", _BUILD)),
    (
        b"\x08\x01\x12",
        Guess(
            "is a TensorFlow SavedModel's saved_model.pb, not a .tflite",
            "give the folder that it lies in to `edgeq build`",
        ),
    ),
    (b"\x1f\x8b", Guess("is compressed with gzip", "unpack it first: gunzip")),
)

_ZIPS: tuple[tuple[bytes, Guess], ...] = (
    (b"manifest.json", Guess("is a bundle, not a .tflite", "run it with `edgeq run`")),
    (b"metadata.json", Guess("is a Keras model (.keras), not a .tflite", _BUILD)),
    (b"config.json", Guess("is a Keras model (.keras), not a .tflite", _BUILD)),
)
"""By the name of the first file in the archive."""

_ZIP = Guess("is a zip archive, not a .tflite", "unpack it, and give the .tflite inside")
_ONNX = Guess("looks like an ONNX model, not a .tflite", "convert it to TensorFlow or .tflite")
_WEB_PAGE = Guess("is a web page: the download went wrong", "download the model again")
_TEXT = Guess("is a text file, not a .tflite", "give a .tflite model")
_SHORT = Guess("is cut short: it ends within its first bytes", "copy or export the file again")
_UNKNOWN = Guess('is not a .tflite model: "TFL3" does not stand at byte 4', "give a .tflite model")


def guess_format(head: bytes) -> Guess:
    """What a file is that starts with ``head`` (some 100 bytes) and has no "TFL3" at byte 4."""
    for start, guess in _STARTS:
        if head.startswith(start):
            return guess
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    if head[:1] == b"\x08" and head[2:3] == b"\x12" and 3 <= head[1] <= 20:
        return _ONNX
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return _WEB_PAGE
    if head and all(byte >= 32 or byte in b"\t\r\n" for byte in head) and _is_utf8(head):
        return _TEXT
    return _SHORT if len(head) < 8 else _UNKNOWN


def _zip(head: bytes) -> Guess:
    length = int.from_bytes(head[26:28], "little")
    first = head[30 : 30 + length]
    for name, guess in _ZIPS:
        if first == name:
            return guess
    return _ZIP


def _is_utf8(head: bytes) -> bool:
    # A character may be cut by the end of the head: up to three bytes of it.
    return any(_decodes(head[: len(head) - cut]) for cut in range(4))


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
