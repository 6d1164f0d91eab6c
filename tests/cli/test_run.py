"""The board's commands on a bundle that ``edgeq build`` made, in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import done, edgeq, files_in, process

NOT_COMPILED = "the bundle holds no model compiled for the Edge TPU"


def test_run_writes_a_json_line_per_input(shop: Workshop, tmp_path: Path) -> None:
    pictures = models.write_pictures(tmp_path / "pictures", 3, start=models.TRAINED)
    ended = done(process("run", shop.bundle, pictures, "--json"))
    lines = ended.lines
    names = sorted(str(path) for path in pictures.iterdir())
    assert [line["input"] for line in lines] == names
    for line in lines:
        assert (line["schema"], line["kind"]) == ("edgeq.run/1", "result")
        assert (line["backend"], line["fallback_reason"]) == ("cpu", NOT_COMPILED)
        assert line["milliseconds"] > 0
        assert line["result"]["task"] == "classify"
        for rank in line["result"]["classes"]:
            assert list(rank) == ["index", "label", "score"]
    wanted = models.digits()[1][models.TRAINED : models.TRAINED + 3]
    assert [line["result"]["classes"][0]["index"] for line in lines] == wanted.tolist()
    assert ended.stderr.startswith("backend: CPU (")
    assert NOT_COMPILED in ended.stderr


def test_run_gives_raw_outputs(shop: Workshop, tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", models.digits()[0][:2])
    lines = done(process("run", shop.bundle, tmp_path / "two.npy", "--json", "--task", "raw")).lines
    assert len(lines) == 2
    (output,) = lines[0]["result"]["outputs"]
    assert lines[0]["result"]["task"] == "raw"
    assert (output["name"], output["dtype"], output["shape"]) == ("scores", "uint8", [1, 10])
    assert len(output["data"][0]) == 10
    assert all(0 <= number <= 255 for number in output["data"][0])


def test_a_float_model_and_its_bundle_agree(shop: Workshop, tmp_path: Path) -> None:
    pixels = models.digits()[0][models.TRAINED : models.TRAINED + 20]
    np.save(tmp_path / "pixels.npy", pixels)
    np.save(tmp_path / "values.npy", pixels.astype(np.float32) / 255)
    tops = []
    for source, name in [(shop.bundle, "pixels"), (shop.bundle, "values"), (shop.model, "values")]:
        lines = done(edgeq("run", source, tmp_path / f"{name}.npy", "--json")).lines
        tops.append([line["result"]["classes"][0]["index"] for line in lines])
    assert tops[0] == tops[1]
    assert np.mean(np.array(tops[0]) == tops[2]) >= 0.95


def test_run_reads_stdin(shop: Workshop, tmp_path: Path) -> None:
    picture = models.write_pictures(tmp_path, 1) / "digit_0000.png"
    (line,) = done(process("run", shop.bundle, "-", "--json", given=picture.read_bytes())).lines
    assert line["input"] == "stdin"
    assert line["result"]["classes"][0]["index"] == models.digits()[1][0]


def test_run_leaves_annotated_pictures(shop: Workshop, tmp_path: Path) -> None:
    from PIL import Image

    pictures = models.write_pictures(tmp_path / "pictures", 2)
    options = ["--save-dir", tmp_path / "seen", "--json"]
    done(edgeq("run", shop.bundle, pictures, *options))
    assert files_in(tmp_path / "seen") == ["digit_0000.png", "digit_0001.png"]
    with Image.open(tmp_path / "seen/digit_0000.png") as picture:
        assert picture.width >= 360
        assert picture.height > picture.width


def test_verify_info_and_benchmark(shop: Workshop) -> None:
    checked = done(process("verify", shop.bundle, "--json")).document
    assert checked["schema"] == "edgeq.verify/1"
    assert (checked["samples"], checked["bit_for_bit"]) == (3, True)
    assert checked["outputs"][0]["difference"] == 0
    known = done(edgeq("info", shop.bundle, "--json")).document
    assert known["schema"] == "edgeq.info/1"
    assert known["manifest"]["inputs"][0]["applied"] == "model"
    assert known["bytes"] == shop.bundle.stat().st_size
    timed = done(edgeq("benchmark", shop.bundle, "--json", "--runs", "30")).document
    assert timed["schema"] == "edgeq.benchmark/1"
    assert (timed["runs"], timed["backend"]) == (30, "cpu")
    assert set(timed["milliseconds"]) == {"set", "invoke", "get", "total"}
    assert timed["milliseconds"]["total"]["min"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "digits.tflite", "--calibration", "calibration.npz", "-o", "{out}/x.edgeq"],
        ["compare", "digits.tflite", "--calibration", "calibration.npz", "--data", "test.npz"],
        ["evaluate", "digits.edgeq", "--data", "test.npz"],
        ["info", "digits.edgeq"],
        ["verify", "digits.edgeq"],
        ["benchmark", "digits.edgeq", "--runs", "5"],
    ],
)
def test_json_is_one_document_and_nothing_else_on_stdout(
    shop: Workshop, tmp_path: Path, arguments: list[str]
) -> None:
    words = [word.format(out=tmp_path) for word in arguments]
    ended = done(process(*words, "--json", cwd=shop.folder))
    assert ended.document["schema"].startswith("edgeq.")
    assert ended.document["schema"].endswith("/1")
    assert "NaN" not in ended.stdout
    assert json.loads(ended.stdout) == ended.document
