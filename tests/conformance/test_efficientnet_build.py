"""A real network on real photos: EfficientNet-Lite0 is built, run, and follows its float model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.agreement import Model, agreement, read_pixels
from benchmarks.efficientnet_table import KNOWN
from benchmarks.networks.efficientnet_lite0 import preprocess
from benchmarks.networks.photos import KINDS, write

from edgeq_device.bundle import open_bundle
from edgeq_device.tflite import parse_model
from tests.cli.running import Ended, done, process
from tests.conformance.conftest import SavedNetwork
from tests.conftest import ROOT

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.tensorflow]

LEAST_AGREEMENT, LEAST_DECIBELS = 0.90, 18.0


@dataclass(frozen=True)
class Work:
    """What the builds are given: photos to calibrate on, crops of other photos, labels."""

    calibration: Path
    crops: Path
    labels: Path
    pixels: tuple[Any, ...]
    """The crops' pixels, in the order of their names."""


@dataclass(frozen=True)
class Built:
    """A bundle and the document of its build."""

    path: Path
    document: dict[str, Any]


@pytest.fixture(scope="module")
def work(coral: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    for kind in ("calibration", "test"):
        write(KINDS[kind], folder / kind, coral / "media")
    # The label file begins with "background", which these 1000 classes lack.
    names = (coral / "media" / "imagenet_labels.txt").read_text("utf-8").splitlines()[1:]
    (folder / "labels.txt").write_text("\n".join(names) + "\n", "utf-8")
    pixels = read_pixels(sorted((folder / "test").iterdir()), (224, 224))
    return Work(folder / "calibration", folder / "test", folder / "labels.txt", tuple(pixels))


@pytest.fixture(scope="module")
def real(efficientnet: SavedNetwork, work: Work) -> Any:
    """The float model's logits on the crops, [200, 1000]."""
    model = Model(efficientnet.tflite)
    return np.stack([model.of_values(preprocess(pixels)) for pixels in work.pixels])


@pytest.fixture(scope="module", params=["keras", "tflite"])
def built(
    request: pytest.FixtureRequest,
    efficientnet: SavedNetwork,
    work: Work,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    path = tmp_path_factory.mktemp("built") / "lite0.edgeq"
    source = getattr(efficientnet, request.param)
    options = ["--preprocess", "mean=127,std=128", "--labels", work.labels, "--samples", 100]
    ended = process(
        "build", source, "--calibration", work.calibration, *options, "-o", path, "--json"
    )
    return Built(path, done(ended).document)


def ran(*arguments: object) -> Ended:
    return done(process("run", *arguments, "--json", "-q"))


def test_the_bundle_follows_the_float_model_on_other_photos(
    built: Built, work: Work, real: Any
) -> None:
    lines = ran(built.path, work.crops, "--task", "raw").lines
    assert [Path(line["input"]).name for line in lines] == sorted(
        path.name for path in work.crops.iterdir()
    )
    raw = np.array([line["result"]["outputs"][0]["data"] for line in lines]).reshape(real.shape)
    with open_bundle(built.path) as bundle:
        (spec,) = bundle.manifest.outputs
    found = agreement(real, spec.dequantize(raw))
    assert found.share >= LEAST_AGREEMENT
    assert found.sqnr_db >= LEAST_DECIBELS
    told = re.search(r"\| integer, litert \|.*\| ([\d.]+)% \| ([\d.]+) dB \|", page())
    assert told is not None
    assert 100 * found.share == pytest.approx(float(told[1]), abs=1.0)
    assert found.sqnr_db == pytest.approx(float(told[2]), abs=0.3)


def page() -> str:
    return (ROOT / "docs" / "efficientnet-lite0.md").read_text("utf-8")


def test_it_is_an_integer_model_that_takes_pixels(built: Built) -> None:
    assert built.document["engine"] == "litert"
    (image,) = built.document["inputs"]
    assert (image["dtype"], image["scale"], image["zero_point"]) == ("uint8", 1 / 128, 127)
    assert (image["preprocessing"], image["preprocessing_error"]) == ("scale", 0.0)
    assert built.document["allowances"] == []
    with open_bundle(built.path) as bundle:
        model = parse_model(bytes(bundle.model("cpu")), "lite0")
    assert {tensor.dtype for tensor in model.main.tensors} == {"uint8", "int8", "int32"}
    dense = [op for op in model.main.operators if op.op == "FULLY_CONNECTED"]
    assert [len(model.main.tensors[op.inputs[1]].quantization.scales) for op in dense] == [1]


def test_known_photos_get_their_labels(built: Built, coral: Path) -> None:
    photos = [coral / "media" / name for name in KNOWN]
    classes = [line["result"]["classes"][0] for line in ran(built.path, *photos).lines]
    for (name, word), best in zip(KNOWN.items(), classes, strict=True):
        assert word in best["label"], name
        assert best["score"] > 0.25, name


def test_its_golden_vectors_come_out(built: Built) -> None:
    report = done(process("verify", built.path, "--json")).document
    assert report["bit_for_bit"] is True
