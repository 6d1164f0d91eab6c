"""Models that are missing, damaged or of the wrong kind: never a crash, never a bug."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.tflite import parse_model
from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.flips import flipped
from tests.cli.running import done, edgeq, environment, files_in, process, refused
from tests.toolkit import float_models

TAKES = "edgeq takes .keras, .h5, .tflite, a SavedModel folder or package.module:function"
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("name", "data", "problem", "hint"),
    [
        ("missing.tflite", None, "does not exist", f"check the path; {TAKES}"),
        ("empty.tflite", b"", "is empty", "copy or export the file again"),
        ("empty.keras", b"", "is empty", "copy or export the file again"),
        (
            "junk.tflite",
            bytes(range(200)),
            'is not a .tflite model: "TFL3" does not stand at byte 4',
            "give a .tflite model",
        ),
        ("notes.txt", b"hello, world\n", "is no model that edgeq knows", TAKES),
        (
            "net.onnx",
            b"\x08\x07",
            "is an ONNX model",
            "convert it first: onnx2tf -i net.onnx writes a float .tflite",
        ),
    ],
)
def test_what_is_no_model(
    tmp_path: Path, name: str, data: bytes | None, problem: str, hint: str
) -> None:
    model = tmp_path / name
    if data is not None:
        model.write_bytes(data)
    left = files_in(tmp_path)
    refused(edgeq("build", model, "-o", tmp_path / "out.edgeq"), f"{model}: {problem}", hint)
    assert files_in(tmp_path) == left


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    refused(
        edgeq("build", tmp_path, "-o", tmp_path / "out.edgeq"),
        f"{tmp_path}: is a folder without saved_model.pb",
        TAKES,
    )


def test_a_bundle_is_built_already(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.folder)
    refused(
        edgeq("build", "digits.edgeq"),
        "digits.edgeq: is a bundle, built already",
        "edgeq run digits.edgeq INPUT",
    )


@pytest.mark.parametrize("command", ["build", "compare", "evaluate", "run", "info", "benchmark"])
def test_every_command_refuses_a_truncated_model(
    shop: Workshop, tmp_path: Path, command: str
) -> None:
    model = tmp_path / "short.tflite"
    model.write_bytes(shop.model.read_bytes()[:-3000])
    np.save(tmp_path / "one.npy", models.digits()[0][0])
    options = {
        "build": [*shop.options, "-o", tmp_path / "out.edgeq"],
        "compare": [*shop.options, "--data", shop.test],
        "evaluate": ["--data", shop.test],
        "run": [tmp_path / "one.npy"],
    }
    ended = edgeq(command, model, *options.get(command, []))
    assert ended.code == 1
    error, hint = ended.stderr.splitlines()
    assert error.startswith(f"error: {model}: is damaged: ")
    assert hint == "hint: copy or export the file again"
    assert files_in(tmp_path) == ["one.npy", "short.tflite"]


@pytest.mark.parametrize("length", [4, 8, 9, 40, 200, 700, -1])
def test_a_file_cut_anywhere(shop: Workshop, tmp_path: Path, length: int) -> None:
    model = tmp_path / "short.tflite"
    model.write_bytes(shop.two.read_bytes()[:length])
    ended = edgeq("build", model, "-o", tmp_path / "out.edgeq")
    assert ended.code == 1
    error, hint = ended.stderr.splitlines()
    assert error.startswith(f"error: {model}: is ")
    assert hint in ("hint: copy or export the file again", "hint: give a .tflite model")
    assert files_in(tmp_path) == ["short.tflite"]


def test_several_hundred_damaged_models_never_end_the_process(
    shop: Workshop, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    pairs = {"left": (5, 6, 6, 2), "right": (5, 6, 6, 2)}
    made = {
        "two": (shop.two.read_bytes(), pairs),
        "color": (models.color_classifier(8), {"x": (5, 8, 8, 3)}),
        "int8": (models.int8_classifier(), {"x": (5, 28, 28)}),
    }
    jobs = []
    for name, (data, shapes) in made.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.tflite").write_bytes(data)
        samples = {key: random.integers(0, 256, shape, np.uint8) for key, shape in shapes.items()}
        np.savez(folder / "c.npz", **samples)
        jobs += [(folder, 0, 45), (folder, 1000, 45)]
    with ThreadPoolExecutor(2) as pool:
        found = [said for lines in pool.map(build_damaged, jobs) for said in lines]
    assert len(found) == 270
    for said in found:
        if said["error"] is not None:
            assert said["hint"], said
            assert not said["left"], said
            assert not said["sentence"].startswith("model: "), said
    kinds = Counter(said["error"] for said in found)
    assert kinds["ModelError"] > 120
    assert kinds[None] > 50


def build_damaged(job: tuple[Path, int, int]) -> list[dict[str, object]]:
    """Start ``flips.py`` in a folder of its own and collect what it says of each copy."""
    source, first, count = job
    folder = source / f"from-{first}"
    folder.mkdir()
    arguments = [source / "model.tflite", source / "c.npz", folder, first, count]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.cli.flips", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert ended.returncode == 0, (lines[-1], ended.stderr[-3000:])
    assert files_in(folder) == ["damaged.tflite"]
    return [line for line in lines if "error" in line]


def test_damaged_models_through_the_command_line(shop: Workshop, tmp_path: Path) -> None:
    data = shop.model.read_bytes()
    random = np.random.default_rng(9)
    tables = np.r_[0:200, len(data) - 1200 : len(data)]

    def ended(number: int) -> tuple[int, str, list[str]]:
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "damaged.tflite").write_bytes(damaged[number])
        options = [*shop.options, "-o", "out.edgeq"]
        found = process("build", "damaged.tflite", *options, cwd=folder)
        return found.code, found.stderr, files_in(folder)

    damaged = [flipped(data, seed) for seed in range(8)]
    for place in random.choice(tables, 12, replace=False):
        changed = bytearray(data)
        changed[place] ^= 1 << int(random.integers(8))
        damaged.append(bytes(changed))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(ended, range(len(damaged))))
    for code, said, left in results:
        if code == 0:
            assert left == ["damaged.tflite", "out.edgeq"]
            continue
        assert code in (1, 3), said
        assert left == ["damaged.tflite"]
        assert "Traceback" not in said
        error, hint = said.splitlines()[-2:]
        assert error.startswith("error: ")
        assert len(hint) > len("hint: ")
    assert sum(code == 1 for code, _, _ in results) >= 5


def test_every_command_tries_a_model_in_a_child_first(shop: Workshop, tmp_path: Path) -> None:
    dies = tmp_path / "dies"
    dies.write_text("#!/bin/sh\nkill -SEGV $$\n")
    dies.chmod(0o755)
    np.save(tmp_path / "one.npy", models.digits()[0][0])
    for words in (
        ["build", shop.model, *shop.options, "-o", tmp_path / "out.edgeq"],
        ["compare", shop.model, *shop.options, "--data", shop.test],
        ["evaluate", shop.model, "--data", shop.test],
        ["run", shop.model, tmp_path / "one.npy"],
        ["benchmark", shop.model],
    ):
        ended = edgeq(*words, env={"EDGEQ_PYTHON": str(dies)})
        error, hint = ended.stderr.splitlines()[-2:]
        assert error.startswith(f"error: {shop.model}: the interpreter (ai-edge-litert ")
        assert error.endswith(") crashed (signal 11) on this model")
        assert hint == "hint: the file is damaged, or made to do harm: get it again from its source"
        assert ended.code == 1
    assert files_in(tmp_path) == ["dies", "one.npy"]


def test_a_dynamic_range_model_cannot_be_quantized(shop: Workshop, tmp_path: Path) -> None:
    model = tmp_path / "dynamic.tflite"
    model.write_bytes(models.dynamic_range_classifier())
    for mode in ("integer", "float-fallback", "float"):
        refused(
            edgeq("build", model, *shop.options, "--mode", mode, "-o", tmp_path / "out.edgeq"),
            f"{model}: FULLY_CONNECTED (operator 3) has integer weights but float activations: it "
            "was quantized to dynamic range, which cannot be undone",
            "give the float model that it was made from",
        )
    found = done(edgeq("evaluate", model, "--data", shop.test, "--preprocess", "[0,1]", "--json"))
    assert found.document["accuracy"] >= 0.84


def test_a_sum_is_refused_by_name(tmp_path: Path) -> None:
    model = tmp_path / "sum.tflite"
    model.write_bytes(models.with_sum())
    np.savez(tmp_path / "c.npz", x=np.random.default_rng(0).random((60, 6, 6, 2), np.float32))
    options = ["--calibration", tmp_path / "c.npz", "-o", tmp_path / "out.edgeq"]
    ended = edgeq("build", model, *options)
    assert ended.code == 3
    assert f"error: {model}: operator 1 (SUM) is quantized wrongly" in ended.stderr
    assert "hint: write the sum as a mean times the number of its terms" in ended.stderr
    assert files_in(tmp_path) == ["c.npz", "sum.tflite"]


def test_prelu_needs_the_keras_model(tmp_path: Path) -> None:
    model = tmp_path / "prelu.tflite"
    model.write_bytes(float_models.prelu())
    (spec,) = parse_model(model.read_bytes(), "prelu").input_specs()
    values = np.random.default_rng(0).random((60, *spec.shape[1:]), np.float32)
    np.savez(tmp_path / "c.npz", x=values)
    options = ["--calibration", tmp_path / "c.npz", "-o", tmp_path / "out.edgeq"]
    ended = edgeq("build", model, *options)
    error, hint = ended.stderr.splitlines()[-2:]
    assert error.startswith(f"error: {model}: the litert engine cannot quantize operator 1 (PRELU)")
    assert hint.startswith("hint: give the Keras model")
    assert (ended.code, ended.stdout) == (1, "")
    assert files_in(tmp_path) == ["c.npz", "prelu.tflite"]
