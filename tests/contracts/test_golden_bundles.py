"""Bundles of every format that was ever released still open, and still mean the same."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.bundle import FORMAT, Manifest, Member, RuntimeInfo, open_bundle
from edgeq_device.runner import DecodeOptions, Runner, RunnerOptions, open_deployment, verify
from edgeq_device.tasks import Classification
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing
from tests.contracts.make_bundle import RECIPE, from_text
from tests.device.bundles import bundle_bytes
from tests.device.factories import custom_op_model, quantize_model

BUNDLES = Path(__file__).parent / "bundles"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "bundle-format.md"


@pytest.fixture
def format_1(tmp_path: Path) -> Path:
    path = tmp_path / "format_1.edgeq"
    path.write_bytes(from_text((BUNDLES / "format_1.txt").read_text()))
    return path


def test_there_is_one_for_every_format() -> None:
    names = {f"format_{number}.txt" for number in range(1, FORMAT + 1)}
    assert {path.name for path in BUNDLES.iterdir()} == names


def test_format_1_reads_as_it_was_written(format_1: Path) -> None:
    with open_bundle(format_1) as bundle:
        manifest = bundle.manifest
        assert (manifest.format, manifest.name, manifest.edgeq_version) == (1, "tiny", "0.1.0")
        assert (manifest.task, manifest.activation) == ("classify", "softmax")
        (entry,) = manifest.inputs
        assert entry.spec == TensorSpec("pixels", (1, 4), "uint8", float(np.float32(1 / 255)), 0)
        assert entry.preprocessing == Preprocessing((0.0,), (255.0,))
        assert entry.applied == "model"
        assert manifest.outputs == (TensorSpec("scores", (1, 4), "uint8", 1 / 128, 0),)
        assert manifest.models.edgetpu is not None
        assert manifest.models.edgetpu.compiler_version == "16.0"
        assert bytes(bundle.model("cpu")) == quantize_model(input_scale=1 / 255)
        assert bytes(bundle.model("edgetpu")) == custom_op_model()
        assert bundle.labels == ("ant", "bee", "Käfer", "dog")
        golden = bundle.golden()
        assert golden is not None
        assert golden.inputs[0].tolist() == [[[106, 152, 249, 131]]]
        assert golden.outputs[0].tolist() == [[[53, 77, 125, 66]]]
        assert manifest.golden is not None
        assert manifest.golden.runtime == RuntimeInfo("ai-edge-litert", "2.3.0", "x86_64")
        assert len(bundle.verify_digests()) == 5


def test_format_1_still_runs(format_1: Path) -> None:
    with open_deployment(format_1) as deployment:
        assert deployment.bundle is not None
        with Runner(deployment, RunnerOptions("cpu")) as runner:
            assert verify(deployment.bundle, runner).outputs[0].equal
            outputs = runner.run(*runner.prepare(np.array([[0, 0, 255, 0]], np.uint8)))
            result = runner.decode(outputs, DecodeOptions(top_k=1))
    assert isinstance(result, Classification)
    assert (result.classes[0].index, result.classes[0].label) == (2, "Käfer")
    assert result.classes[0].score == pytest.approx(np.e / (np.e + 3), abs=0.001)


def test_the_layout_is_part_of_the_format(format_1: Path) -> None:
    """Today's writer makes the same bytes of the same content, or the format needs a new number."""
    if FORMAT == 1:
        assert bundle_bytes(RECIPE) == format_1.read_bytes()


def test_the_documented_manifest_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    manifest = Manifest.from_json(example.encode("utf-8"), "docs/bundle-format.md")
    assert manifest.format == FORMAT
    assert isinstance(manifest.labels, Member)
    assert manifest.models.edgetpu is not None
    assert manifest.golden is not None
    assert example.encode("utf-8") == manifest.to_json()
