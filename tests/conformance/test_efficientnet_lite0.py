"""The rebuilt EfficientNet-Lite0 knows real photos; the benchmark's crops are what they claim."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from benchmarks.networks.efficientnet_lite0 import INPUT_SIDE, preprocess
from benchmarks.networks.photos import CALIBRATION_PHOTOS, KINDS, TEST_PHOTOS, crops
from PIL import Image

from tests.conformance.conftest import SavedNetwork

pytestmark = pytest.mark.conformance

# Photo, a word of its label, the least probability.
KNOWN = (
    ("bird.bmp", "chickadee", 0.85),
    ("cat.bmp", "Egyptian cat", 0.4),
    ("dragonfly.bmp", "dragonfly", 0.8),
    ("grace_hopper.bmp", "military uniform", 0.45),
    ("hot_dog.jpg", "hotdog", 0.95),
    ("kite_and_cold.jpg", "seashore", 0.65),
    ("missvickie_potato_chips.bmp", "packet", 0.85),
    ("parrot.jpg", "macaw", 0.8),
)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_known_photos_get_their_labels(efficientnet: SavedNetwork, coral: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(efficientnet.tflite))
    interpreter.allocate_tensors()
    (image,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert list(image["shape"]) == [1, 224, 224, 3]
    assert list(scores["shape"]) == [1, 1000]
    # The label file begins with "background", which these 1000 classes lack.
    labels = (coral / "media" / "imagenet_labels.txt").read_text().splitlines()[1:]
    for name, label, least in KNOWN:
        with Image.open(coral / "media" / name) as photo:
            side = (INPUT_SIDE, INPUT_SIDE)
            pixels = np.asarray(photo.convert("RGB").resize(side, Image.Resampling.LANCZOS))
        interpreter.set_tensor(image["index"], preprocess(pixels)[np.newaxis])
        interpreter.invoke()
        logits = interpreter.get_tensor(scores["index"])[0]
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        assert label in labels[int(chances.argmax())], name
        assert chances.max() >= least, name


def test_calibration_and_test_crops_share_no_photo() -> None:
    assert not set(CALIBRATION_PHOTOS) & set(TEST_PHOTOS)
    cats = {"cat.bmp", "cat_720p.jpg"}  # two pictures of one scene
    assert cats <= set(CALIBRATION_PHOTOS) or cats <= set(TEST_PHOTOS)


@pytest.mark.parametrize(
    ("kind", "count", "size"),
    [("calibration", 100, (224, 224)), ("test", 200, (224, 224)), ("jpegs", 500, (1280, 720))],
)
def test_crops_are_the_same_each_time_and_show_something(
    coral: Path, kind: str, count: int, size: tuple[int, int]
) -> None:
    assert KINDS[kind].count == count
    first, again = (list(islice(crops(KINDS[kind], coral / "media"), 24)) for _ in range(2))
    assert [name for name, _ in first] == [name for name, _ in again]
    assert len({crop.tobytes() for _, crop in first}) == 24
    for (name, crop), (_, same) in zip(first, again, strict=True):
        assert crop.size == size
        assert crop.mode == "RGB"
        assert crop.tobytes() == same.tobytes(), name
        assert np.asarray(crop).std() > 10, name
