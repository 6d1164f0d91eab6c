"""The declared preprocessing and the activations left to the user."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq_device.errors import ConfigError
from edgeq_device.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    activate,
    sigmoid,
    softmax,
)

PIXELS = np.array([[[0, 128, 255]], [[10, 20, 30]]], np.uint8)


def test_one_mean_and_std_for_all_channels() -> None:
    found = Preprocessing((127.5,), (127.5,)).apply(PIXELS)
    assert found.dtype == np.float32
    assert found.shape == PIXELS.shape
    np.testing.assert_allclose(found[0, 0], [-1.0, 0.5 / 127.5, 1.0], rtol=1e-6)


def test_a_mean_and_std_for_each_channel() -> None:
    found = Preprocessing((1.0, 2.0, 3.0), (2.0, -4.0, 8.0)).apply(PIXELS)
    np.testing.assert_allclose(found[1, 0], [4.5, -4.5, 3.375], rtol=1e-6)


def test_imagenet_is_torchvisions_in_pixel_units() -> None:
    expected = (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = Preprocessing(IMAGENET_MEAN, IMAGENET_STD).apply(PIXELS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_which_maps_are_one_for_all_channels() -> None:
    assert Preprocessing().is_identity
    assert Preprocessing((0.0, 0.0, 0.0), (1.0,)).is_identity
    assert not Preprocessing((0.0,), (255.0,)).is_identity
    assert Preprocessing((5.0, 5.0, 5.0), (2.0,)).is_affine_for_all
    assert not Preprocessing((5.0, 5.0, 6.0), (2.0,)).is_affine_for_all
    assert not Preprocessing((5.0,), (2.0, 2.0, 3.0)).is_affine_for_all


def test_the_range_of_values() -> None:
    assert Preprocessing((127.5,), (127.5,)).value_range == (-1.0, 1.0)
    assert Preprocessing((255.0,), (-255.0,)).value_range == (0.0, 1.0)
    low, high = Preprocessing((0.0, 100.0), (255.0, -10.0)).value_range
    assert (low, high) == (-15.5, 10.0)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"resize": "pad"},
            "preprocess resize is 'pad', but must be one of stretch, letterbox, crop",
        ),
        (
            {"resample": "cubic"},
            "preprocess resample is 'cubic', but must be one of lanczos, bicubic, bilinear, "
            "hamming, box, nearest",
        ),
        ({"color": "RGB"}, "preprocess color is 'RGB', but must be one of rgb, bgr, gray"),
        (
            {"mean": ()},
            "preprocess mean and std is ((), (1.0,)), but must be numbers",
        ),
        (
            {"std": (0.0,)},
            "preprocess mean and std is ((0.0,), (0.0,)), but must be finite, std not 0",
        ),
        (
            {"mean": (float("inf"),)},
            "preprocess mean and std is ((inf,), (1.0,)), but must be finite, std not 0",
        ),
        (
            {"mean": (1.0, 2.0), "std": (1.0, 2.0, 3.0)},
            "preprocess mean and std is ((1.0, 2.0), (1.0, 2.0, 3.0)), but must be as many means "
            "as stds, or one of either",
        ),
    ],
)
def test_what_is_not_allowed(wrong: dict, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Preprocessing(**wrong)
    assert str(caught.value) == sentence


def test_the_plain_form_holds_everything() -> None:
    declared = Preprocessing((1.0, 2.0), (3.0,), "crop", "box", "bgr")
    assert declared.as_dict() == {
        "mean": [1.0, 2.0],
        "std": [3.0],
        "resize": "crop",
        "resample": "box",
        "color": "bgr",
    }


def test_softmax() -> None:
    found = softmax(np.array([[0.0, np.log(3.0)], [1000.0, 1000.0]]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    wide = softmax(np.array([-1e4, 0.0, 1e4], np.float32))
    assert wide.tolist() == [0.0, 0.0, 1.0]


def test_sigmoid() -> None:
    found = sigmoid(np.array([0.0, np.log(3.0), -1e4, 1e4]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0.5, 0.75, 0.0, 1.0], rtol=1e-6)


def test_the_activation_by_name() -> None:
    logits = np.array([[0.0, 1.0]], np.float32)
    assert activate(logits, "none") is logits
    assert np.array_equal(activate(logits, "softmax"), softmax(logits))
    assert np.array_equal(activate(logits, "sigmoid"), sigmoid(logits))
