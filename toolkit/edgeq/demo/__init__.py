"""All of edgeq on real handwritten digits: train, compare, build, verify, evaluate, run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgeq.demo.digits import Digits, downloaded_digits, shipped_digits, train, write_arrays
from edgeq_device.errors import ConfigError, EdgeqError, OutputError
from edgeq_device.files import replacing, write_file

__all__ = ["DemoSpec", "run_demo"]

SHOWN = 5
"""Test digits that are saved as pictures and run one by one."""


@dataclass(frozen=True)
class DemoSpec:
    """Where the demo leaves its files, and on which digits it runs."""

    output: Path
    full_mnist: bool = False
    epochs: int = 15
    force: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError("--epochs", self.epochs, "at least 1", hint="left out, it is 15")


def run_demo(spec: DemoSpec, say: Callable[[str], None], output: IO[str] | None = None) -> Path:
    """Run the demo; ``say`` is told each step and each command. Returns the bundle.

    The commands are the ordinary ones, each in a process of its own; what they print goes to
    ``output`` (standard output where none is given). EdgeqError where one fails.
    """
    folder = prepare_folder(spec)
    say("Real handwritten digits, and the guide's small network trained on them (TensorFlow) ...")
    digits = downloaded_digits(folder) if spec.full_mnist else shipped_digits()
    save_digits(digits, folder)
    train(digits, folder / "digits.keras", spec.epochs)
    say(f"Trained on {len(digits.train_x)} digits; {len(digits.test_x)} are held out for testing.")
    for command in commands(spec):
        say("")
        say("$ " + shlex.join(["edgeq", *command]))
        run(command, folder, output)
    say("")
    say(f"Everything is in {folder}: the bundle digits.edgeq, the table and the pictures.")
    return folder / "digits.edgeq"


def prepare_folder(spec: DemoSpec) -> Path:
    """Make the output folder; ConfigError where it holds something and force is not given."""
    folder = spec.output
    if folder.exists() and not folder.is_dir():
        hint = "name a folder that is empty or new"
        raise ConfigError("--output", str(folder), "a folder", hint=hint)
    if folder.is_dir() and any(folder.iterdir()) and not spec.force:
        raise ConfigError(
            "--output", str(folder), "a folder that is empty or new", hint="--force writes into it"
        )
    make_folder(folder)
    return folder


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; OutputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made: {error.strerror}"
        raise OutputError(folder, problem, hint="name another folder") from error


def save_digits(digits: Digits, folder: Path) -> None:
    """Write calibration and test data, labels, and some test digits as pictures."""
    from PIL import Image

    write_file(folder / "labels.txt", "".join(f"{digit}\n" for digit in range(10)).encode())
    write_arrays(folder / "calibration.npz", x=digits.train_x[:500])
    write_arrays(folder / "test.npz", x=digits.test_x, y=digits.test_y)
    pictures = folder / "pictures"
    make_folder(pictures)
    for number in range(SHOWN):
        name = f"digit_{number}_is_{int(digits.test_y[number])}.png"
        with replacing(pictures / name) as (file, _):
            Image.fromarray(digits.test_x[number]).save(file, "PNG")


def commands(spec: DemoSpec) -> Iterator[list[str]]:
    """The commands that a user would type in the demo's folder."""
    model = ["digits.keras", "--calibration", "calibration.npz", "--preprocess", "[0,1]"]
    yield ["build", *model, "--labels", "labels.txt", "-o", "digits.edgeq", "--force"]
    yield [
        *("compare", *model, "--data", "test.npz", "--labels", "labels.txt"),
        *("--picture", "comparison.png", "--save-models", "models", "--force"),
    ]
    yield ["verify", "digits.edgeq"]
    yield [
        *("evaluate", "digits.edgeq", "--data", "test.npz"),
        *("--picture", "confusion.png", "--force"),
    ]
    yield [
        *("run", "digits.edgeq", "pictures", "--top-k", "3"),
        *("--save-dir", "annotated", "--force"),
    ]


def run(command: list[str], folder: Path, output: IO[str] | None) -> None:
    """Run one command of edgeq in ``folder``, its results going to ``output``."""
    sys.stdout.flush()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "edgeq", *command],
        cwd=folder,
        env=environment,
        stdout=output,
        check=False,
    )
    if ended.returncode != 0:
        raise EdgeqError(
            f"edgeq {command[0]} ended with exit code {ended.returncode}",
            hint="the reason stands above",
        )
