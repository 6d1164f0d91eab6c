"""Outputs into results, labels, guesses and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.errors import InputError
from edgeq_device.tasks import (
    Classification,
    ClassScore,
    Guess,
    annotate,
    classify,
    guess_task,
    raw,
    read_labels,
)
from edgeq_device.tasks.classify import ClassifyOptions
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import parse_model
from tests.device.factories import (
    conv_classifier,
    custom_op_model,
    dense_model,
    quantize_model,
)

SCORES = TensorSpec("scores", (1, 4), "uint8", 1 / 256, 0)
LOGITS = TensorSpec("logits", (1, 4), "int8", 0.5, -10)


def test_a_score_is_the_dequantized_probability() -> None:
    output = np.array([[0, 64, 128, 64]], np.uint8)
    result = classify(output, SCORES, ClassifyOptions(labels=("a", "b"), top_k=3))
    assert result.classes == (
        ClassScore(2, "2", 0.5),
        ClassScore(1, "b", 0.25),  # equal scores: the lower index first
        ClassScore(3, "3", 0.25),
    )


def test_logits_become_probabilities() -> None:
    output = np.array([[-10, -6, 0, 127]], np.int8)  # real: 0, 2, 5, 68.5
    result = classify(output, LOGITS, ClassifyOptions("softmax", top_k=4))
    assert [each.index for each in result.classes] == [3, 2, 1, 0]
    assert result.classes[0].score == pytest.approx(1.0)
    assert sum(each.score for each in result.classes) == pytest.approx(1.0)
    ratio = result.classes[1].score / result.classes[2].score
    assert ratio == pytest.approx(np.exp(3.0), rel=1e-5)


def test_sigmoid_scores_stand_for_themselves() -> None:
    output = np.array([[-10, -6, 0, -14]], np.int8)  # real: 0, 2, 5, -2
    result = classify(output, LOGITS, ClassifyOptions("sigmoid", top_k=4))
    by_index = {each.index: each.score for each in result.classes}
    assert by_index[0] == pytest.approx(0.5)
    assert by_index[1] == pytest.approx(0.880797, abs=1e-6)
    assert by_index[1] + by_index[3] == pytest.approx(1.0)


def test_the_form_for_machines() -> None:
    result = Classification((ClassScore(9, "9", 0.98765432),))
    assert json.loads(json.dumps(result.as_dict())) == {
        "task": "classify",
        "classes": [{"index": 9, "label": "9", "score": 0.987654}],
    }


def test_a_float_model_that_gives_nan() -> None:
    from PIL import Image

    output = np.array([[0.25, np.nan, 0.75]], np.float32)
    spec = TensorSpec("y", (1, 3), "float32")
    result = classify(output, spec, ClassifyOptions(top_k=3))
    assert [each.index for each in result.classes] == [2, 0, 1]
    assert [each["score"] for each in result.as_dict()["classes"]] == [0.75, 0.25, None]
    assert annotate(Image.new("L", (400, 30)), result).size[0] == 400


def test_raw_outputs_keep_dtype_shape_and_numbers() -> None:
    first = np.array([[1, 255]], np.uint8)
    second = np.array([[[0.5], [np.nan]]], np.float32)
    specs = (TensorSpec("a", (1, 2), "uint8", 0.1, 0), TensorSpec("b", (1, 2, 1), "float32"))
    assert json.loads(json.dumps(raw((first, second), specs).as_dict(), allow_nan=False)) == {
        "task": "raw",
        "outputs": [
            {"name": "a", "dtype": "uint8", "shape": [1, 2], "data": [[1, 255]]},
            {"name": "b", "dtype": "float32", "shape": [1, 2, 1], "data": [[["0.5"], ["nan"]]]},
        ],
    }


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("ant\nbee\n", ("ant", "bee")),
        ("ant\r\nbee, of honey", ("ant", "bee, of honey")),
        ("0  background\n1  tench, Tinca tinca\n", ("background", "tench, Tinca tinca")),
        ("0: a\n2: c\n", ("a", "1", "c")),
        ("1 b\n0 a\n", ("a", "b")),
        ("0\n1\n2\n", ("0", "1", "2")),
        ("3 wheels\nant", ("3 wheels", "ant")),
        ("\ufeffant\nbee", ("ant", "bee")),
        ("a\n\nc\n", ("a", "", "c")),
    ],
)
def test_label_files(tmp_path: Path, text: str, labels: tuple[str, ...]) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode("utf-8"))
    assert read_labels(path) == labels


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "holds no labels"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"0 a\n0 b\n", "names class 0 twice"),
        (b"0 a\n99999999999 b\n", "names class 99999999999, and there may be 1000000"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_label_files_that_cannot_be_used(tmp_path: Path, data: bytes | None, problem: str) -> None:
    path = tmp_path / "labels.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert caught.value.sentence == f"{path}: {problem}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("model", "guess"),
    [
        (conv_classifier(), Guess("classify", "none")),
        (dense_model(), Guess("classify", "softmax")),
        (custom_op_model(), Guess("classify", "none")),
        (quantize_model(shape=(1, 8, 8, 3)), Guess("raw", "none")),
        (quantize_model(shape=(1, 1)), Guess("raw", "none")),
        (quantize_model(shape=(3, 4)), Guess("raw", "none")),
    ],
)
def test_what_a_model_is_for(model: bytes, guess: Guess) -> None:
    assert guess_task(parse_model(model, "m")) == guess


RESULT = Classification(
    (
        ClassScore(1, "a very long label that cannot fit into its column at any size", 0.75),
        ClassScore(2, "b", 0.0),
    )
)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((28, 28), (364, 364)),  # enlarged by a whole factor
        ((640, 480), (640, 480)),
        ((3200, 1200), (1600, 600)),
        ((10, 3000), (5, 1600)),
        ((1, 1), (360, 360)),
    ],
)
def test_pictures_of_any_size(size: tuple[int, int], shown: tuple[int, int]) -> None:
    from PIL import Image

    picture = Image.new("RGB", size, (200, 30, 30))
    drawn = annotate(picture, RESULT, "model · CPU")
    assert drawn.size[0] == max(shown[0], 360)
    assert drawn.size[1] > shown[1] + 40
    middle = drawn.getpixel((drawn.size[0] // 2, shown[1] // 2))
    assert middle == (200, 30, 30)
    assert picture.size == size


def test_the_bars_are_as_long_as_the_scores() -> None:
    from PIL import Image

    drawn = np.asarray(annotate(Image.new("L", (640, 10), 0), RESULT))
    strip = drawn[10:]
    green = (strip == (79, 193, 138)).all(axis=-1)
    track = (strip == (52, 56, 66)).all(axis=-1)
    row = int(green.sum(axis=1).argmax())
    filled, empty = green[row].sum(), track[row].sum()
    assert filled / (filled + empty) == pytest.approx(0.75, abs=0.02)
    assert not (strip == (112, 132, 168)).all(axis=-1).any()  # a score of 0 draws no bar


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "I;16"])
def test_pictures_of_any_kind(mode: str) -> None:
    from PIL import Image

    assert annotate(Image.new(mode, (400, 30)), RESULT).mode == "RGB"
