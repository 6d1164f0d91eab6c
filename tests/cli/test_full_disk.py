"""A full disk, played by a limit on the size of files: exit 1, a sentence, no half-written file."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import Ended, command, environment, files_in, process

HINT = "free some space, or write elsewhere"


def limit(size: int) -> Callable[[], None]:
    """To be called in the child before it starts: no file may grow beyond ``size`` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def full(ended: Ended, path: Path, hint: str = HINT) -> None:
    """Check that the file could not be written, and how that was said."""
    error, said = ended.stderr.splitlines()[-2:]
    assert error == f"error: {path}: cannot be written: File too large", ended.stderr
    assert said == f"hint: {hint}"
    assert ended.code == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("force", [False, True])
def test_build(shop: Workshop, tmp_path: Path, force: bool) -> None:
    out = tmp_path / "out.edgeq"
    if force:
        out.write_bytes(b"mine")
    options = [*shop.options, "-o", out, *["--force"] * force]
    ended = process("build", shop.model, *options, before=limit(6000))
    full(ended, out)
    assert ended.stdout == ""
    assert files_in(tmp_path) == ["out.edgeq"] * force
    assert not force or out.read_bytes() == b"mine"


def test_build_with_save_model(shop: Workshop, tmp_path: Path) -> None:
    saved = tmp_path / "model.tflite"
    options = [*shop.options, "-o", tmp_path / "out.edgeq", "--save-model", saved]
    full(process("build", shop.model, *options, before=limit(3000)), tmp_path / "out.edgeq")
    assert files_in(tmp_path) == []


def test_compare_with_save_models(shop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    options = [*shop.options, "--data", shop.test, "--save-models", folder]
    ended = process("compare", shop.model, *options, before=limit(2000))
    full(ended, folder / "float.tflite")
    assert ended.stdout == ""
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("verb", ["compare", "evaluate"])
def test_pictures(shop: Workshop, tmp_path: Path, verb: str) -> None:
    picture = tmp_path / "picture.png"
    words: dict[str, list[object]] = {
        "compare": [shop.model, *shop.options],
        "evaluate": [shop.bundle],
    }
    options = [*words[verb], "--data", shop.test, "--picture", picture]
    full(process(verb, *options, before=limit(4000)), picture)
    assert files_in(tmp_path) == []


def test_run_with_save_dir(shop: Workshop, tmp_path: Path) -> None:
    pictures = models.write_pictures(tmp_path / "pictures", 2)
    seen = tmp_path / "seen"
    ended = process("run", shop.bundle, pictures, "--save-dir", seen, before=limit(500))
    full(ended, seen / "digit_0000.png")
    assert files_in(seen) == []


def test_a_temporary_folder_that_is_full(shop: Workshop, tmp_path: Path) -> None:
    """The compiler's folder is on another disk, which may be full alone."""
    stand_in = Path(__file__).resolve().parent.parent / "fakes" / "edgetpu_compiler"
    options = [*shop.options, "--compiler", stand_in, "-o", tmp_path / "out.edgeq"]
    ended = process("build", shop.model, *options, before=limit(2000))
    error, hint = ended.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert error.endswith("model.tflite: cannot be written: File too large")
    assert hint == f"hint: {HINT}"
    assert ended.code == 1
    assert files_in(tmp_path) == []


def test_demo(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ended = process("demo", "-o", folder, before=limit(50_000))
    full(ended, folder / "calibration.npz")
    assert files_in(folder) == ["labels.txt"]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["build", "--help"],
        ["build", "digits.tflite", "--calibration", "calibration.npz", "-o", "{out}", "--json"],
        ["compare", "digits.tflite", "--calibration", "calibration.npz", "--data", "test.npz"],
        ["evaluate", "digits.edgeq", "--data", "test.npz"],
    ],
)
def test_results_that_go_to_a_full_disk(shop: Workshop, tmp_path: Path, words: list[str]) -> None:
    given = [word.format(out=tmp_path / "out.edgeq") for word in words]
    with open("/dev/full", "wb") as disk:  # noqa: PTH123 - a device
        ended = subprocess.run(
            command(*given),
            cwd=shop.folder,
            env=environment(),
            stdout=disk,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-2:] == [
        "error: could not write: No space left on device",
        f"hint: {HINT}",
    ]
    assert "Traceback" not in ended.stderr
