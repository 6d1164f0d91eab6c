"""``edgeq legalize``: what it writes, what it says, what machines read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.legalize import PASSES
from edgeq_device.tflite import read_model
from tests.cli.running import done, edgeq
from tests.toolkit.legalize.running import assert_same_answers, quantized
from tests.toolkit.networks import Network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An integer model with a grouped convolution."""
    net = Network()
    source = net.input("x", (1, 8, 8, 4))
    weights = net.constant("w", net.random.normal(0, 1, (4, 3, 3, 2)).astype(np.float32))
    path = tmp_path / "model.tflite"
    path.write_bytes(quantized(net.build(net.conv(source, 4, "layer", weights=weights))))
    return path


def test_json_has_the_keys_that_machines_read(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "legal.tflite"
    document = done(edgeq("legalize", model, "-o", output, "--json")).document
    assert document["schema"] == "edgeq.legalization/1"
    (rewrite,) = document["rewrites"]
    assert rewrite == {
        "name": "grouped-convolution",
        "operators": [{"op": "CONV_2D", "output": "layer_int8"}],
        "exact": True,
        "max_steps": 0.0,
    }
    assert document["changed"] is True
    assert document["undone"] == []
    assert document["output"] == str(output)
    assert_same_answers(model.read_bytes(), output.read_bytes())


def test_people_read_a_line_for_each_rewrite(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "legal.tflite"
    ended = done(edgeq("legalize", model, "-o", output))
    assert ended.stdout == f"{output}\n"
    assert ended.stderr == "grouped-convolution: 1 CONV_2D, bit for bit\n"
    again = done(edgeq("legalize", output, "-o", tmp_path / "same.tflite"))
    assert again.stderr == "nothing to rewrite: the same bytes\n"
    assert (tmp_path / "same.tflite").read_bytes() == output.read_bytes()


def test_samples_can_be_given(model: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 4), np.uint8)
    np.save(tmp_path / "good.npy", pixels)
    np.save(tmp_path / "bad.npy", pixels.astype(np.float32))
    options = ["-o", tmp_path / "legal.tflite", "--calibration"]
    assert read_model(model).input_specs()[0].dtype == "uint8"
    done(edgeq("legalize", model, *options, tmp_path / "good.npy"))
    ended = edgeq("legalize", model, *options, tmp_path / "bad.npy", "--force")
    assert ended.code == 1
    assert "holds float32 ['N', 8, 8, 4] for input 'x', which takes uint8" in ended.stderr


@pytest.mark.conformance
def test_a_compiled_model_is_refused(coral: Path, tmp_path: Path) -> None:
    compiled = next((coral / "models").rglob("*_edgetpu.tflite"))
    ended = edgeq("legalize", compiled, "-o", tmp_path / "out.tflite")
    assert ended.code == 1
    assert "is already compiled for the Edge TPU" in ended.stderr
    assert "give the .tflite that it was compiled from" in ended.stderr


@pytest.mark.conformance
def test_google_s_invalid_model_needs_nothing(coral: Path, tmp_path: Path) -> None:
    """It has no buffers at all, and fails only when it runs."""
    invalid = next((coral / "models").rglob("model_invoking_error.tflite"))
    output = tmp_path / "legal.tflite"
    done(edgeq("legalize", invalid, "-o", output))
    assert output.read_bytes() == invalid.read_bytes()


def test_a_damaged_file_is_refused(model: Path, tmp_path: Path) -> None:
    model.write_bytes(model.read_bytes()[:900])
    ended = edgeq("legalize", model, "-o", tmp_path / "out.tflite")
    assert ended.code == 1
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out.tflite").exists()


def test_nothing_is_overwritten_without_force(model: Path) -> None:
    ended = edgeq("legalize", model, "-o", model)
    assert ended.code == 1
    assert "--force" in ended.stderr


def test_a_rewrite_that_does_not_exist_is_named(model: Path, tmp_path: Path) -> None:
    ended = edgeq("legalize", model, "-o", tmp_path / "out.tflite", "--only", "groups")
    assert ended.code == 1
    assert "--only" in ended.stderr
    assert "grouped-convolution" in ended.stderr
    assert not (tmp_path / "out.tflite").exists()


def test_model_and_output_are_needed(model: Path) -> None:
    assert "MODEL" in edgeq("legalize").stderr
    assert "--output" in edgeq("legalize", model).stderr


def test_the_list_names_all_in_order() -> None:
    listed = [line.split()[0] for line in done(edgeq("legalize", "--list")).stdout.splitlines()]
    assert listed == [rewrite.name for rewrite in PASSES]
    document = done(edgeq("legalize", "--list", "--json")).document
    assert [one["name"] for one in document["rewrites"]] == listed
    approximate = [one["name"] for one in document["rewrites"] if not one["exact"]]
    assert approximate == ["large-means", "gelu", "leaky-relu", "hard-swish"]
