"""Real pictures through `edgeq_device.sources`, against pillow and the known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.calibration import CalibrationOptions, load_calibration
from edgeq_device import runtime
from edgeq_device.sources import Wanted, list_pictures, read_inputs, read_picture
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import read_model

pytestmark = pytest.mark.conformance


def test_every_picture_is_stretched_as_pillow_does(coral: Path) -> None:
    spec = TensorSpec("image", (1, 160, 224, 3), "uint8", 1 / 128, 128)
    found = list(read_inputs([coral / "media"], Wanted((spec,)), threads=2))
    paths = list_pictures(coral / "media")
    assert len(paths) == 18
    for each, path in zip(found, paths, strict=True):
        with Image.open(path) as picture:
            rgb = picture.convert("RGB").resize((224, 160), Image.Resampling.LANCZOS)
            assert each.picture_size == picture.size
        assert each.picture == path
        np.testing.assert_array_equal(each.arrays[0][0], np.asarray(rgb), err_msg=path.name)


@pytest.mark.parametrize(
    ("model", "top", "score"),
    [
        ("mobilenet_v1_0.25_128_quant", 283, 0.27),
        ("mobilenet_v1_0.5_160_quant", 286, 0.59),
    ],
)
def test_the_cat_is_a_cat(coral: Path, model: str, top: int, score: float) -> None:
    path = coral / "models" / "test_data" / f"{model}.tflite"
    (spec,) = read_model(path).input_specs()
    (cat,) = read_inputs([coral / "media" / "cat.bmp"], Wanted((spec,)))
    loaded = runtime.load(path.read_bytes(), name=path.name)
    scores = loaded.outputs[0].dequantize(loaded.run(*cat.arrays)[0])[0]
    assert int(scores.argmax()) == top
    assert float(scores.max()) == pytest.approx(score, abs=0.01)


def test_the_handwritten_nine_is_a_nine(coral: Path) -> None:
    path = coral / "models" / "test_data" / "keras_lstm_mnist_ptq.tflite"
    (spec,) = read_model(path).input_specs()
    assert spec.shape == (1, 28, 28)
    (nine,) = read_inputs([coral / "media" / "mnist_nine.bmp"], Wanted((spec,)))
    loaded = runtime.load(path.read_bytes(), name=path.name)
    values = spec.quantize(nine.arrays[0] / np.float32(255))
    scores = loaded.outputs[0].dequantize(loaded.run(values)[0])[0]
    assert int(scores.argmax()) == 9
    assert scores[9] >= 0.7


def test_the_segmentation_photo_is_read_whole(coral: Path) -> None:
    pixels = read_picture(coral / "media" / "bird_segmentation.bmp", 513, 513, 3)
    with Image.open(coral / "media" / "bird_segmentation.bmp") as picture:
        np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))


def test_real_pictures_calibrate_without_a_doubt_but_their_number(coral: Path) -> None:
    spec = TensorSpec("image", (1, 224, 224, 3), "float32")
    found = load_calibration(coral / "media", (spec,), CalibrationOptions(samples=18))
    nine = coral / "media" / "mnist_nine.bmp"
    assert found.warnings == (
        "1 of 18 pictures are less than half as large as the model's input of 224x224 "
        f"(the first is {nine}, 28x28)",
        "18 samples; 100 to 200 give steadier ranges",
    )
