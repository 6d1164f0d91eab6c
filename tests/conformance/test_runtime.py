"""Real models through the door to interpreters."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq_device.runtime import (
    RUNTIMES,
    LoadedModel,
    LoadOptions,
    Probe,
    find_runtime,
    load,
    probe,
)

pytestmark = pytest.mark.conformance


HERE = [name for name in RUNTIMES if importlib.util.find_spec(name.replace("-", "_"))]


@pytest.fixture(params=HERE)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_model(coral: Path, name: str, runtime: str) -> LoadedModel:
    path = coral / "models" / name
    return load(path.read_bytes(), name=str(path), options=LoadOptions(runtime=runtime))


def picture(coral: Path, name: str, model: LoadedModel) -> np.ndarray:
    """The picture stretched to the model's input, as its array."""
    _, height, width = model.inputs[0].shape[:3]
    mode = "RGB" if len(model.inputs[0].shape) == 4 else "L"
    with Image.open(coral / "media" / name) as image:
        stretched = image.convert(mode).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(stretched, np.uint8)[None]


@pytest.mark.parametrize(
    ("name", "index", "score"),
    [("mobilenet_v1_0.25_128_quant", 283, 0.27), ("mobilenet_v1_0.5_160_quant", 286, 0.59)],
)
def test_cat(coral: Path, runtime: str, name: str, index: int, score: float) -> None:
    model = open_model(coral, f"test_data/{name}.tflite", runtime)
    (scores,) = model.run(picture(coral, "cat.bmp", model))
    assert scores.argmax() == index
    assert model.outputs[0].dequantize(scores).max() == pytest.approx(score, abs=0.02)


def test_recurrent_model_forgets_the_inputs_before(coral: Path, runtime: str) -> None:
    model = open_model(coral, "test_data/keras_lstm_mnist_ptq.tflite", runtime)
    nine = picture(coral, "mnist_nine.bmp", model)
    (first,) = model.run(nine)
    assert first.argmax() == 9
    assert model.outputs[0].dequantize(first)[0, 9] >= 0.7
    model.run(np.zeros_like(nine))
    (again,) = model.run(nine)
    assert again.tolist() == first.tolist()


def test_decoder_of_posenet_is_an_answer(coral: Path, runtime: str) -> None:
    name = "test_data/posenet/posenet_mobilenet_v1_075_353_481_16_quant_decoder"
    assert probe(coral / "models" / f"{name}.tflite", runtime=runtime) == Probe(
        False,
        "the custom operator PosenetDecoderOp cannot run on a CPU: "
        f"{find_runtime(runtime)} does not have it",
    )
    assert probe(coral / "models" / f"{name}_edgetpu.tflite", runtime=runtime) == Probe(
        False, "compiled for the Edge TPU; it runs only through libedgetpu on one"
    )


def test_all_others_run_in_silence_and_repeat_themselves(
    coral: Path, runtime: str, capfd: pytest.CaptureFixture[str]
) -> None:
    random = np.random.RandomState(5)
    count = 0
    for path in sorted((coral / "models").rglob("*.tflite")):
        if path.stem.endswith("_edgetpu") or "posenet" in path.name or "invalid" in path.parts:
            continue
        model = open_model(coral, str(path.relative_to(coral / "models")), runtime)
        arrays = [random.randint(0, 256, spec.shape).astype(spec.dtype) for spec in model.inputs]
        first, second = model.run(*arrays), model.run(*arrays)
        assert len(first) == len(model.outputs), path
        for one, two, spec in zip(first, second, model.outputs, strict=True):
            assert (one.shape, str(one.dtype)) == (spec.shape, spec.dtype), path
            assert np.array_equal(one, two), path
        count += 1
    assert count == 12
    assert capfd.readouterr().err == ""


def test_pose_as_google_measured_it(coral: Path, runtime: str) -> None:
    model = open_model(coral, "test_data/movenet_single_pose_lightning_ptq.tflite", runtime)
    (points,) = model.run(picture(coral, "squat.bmp", model))
    reference = coral / "media" / "movenet_single_pose_lightning_ptq_reference.csv"
    with reference.open() as lines:
        rows = list(csv.DictReader(lines))
    expected = [[float(row[f"keypoint_{axis}"]) for axis in ("y", "x")] for row in rows]
    assert np.abs(points.reshape(17, 3)[:, :2] - expected).max() < 0.03
