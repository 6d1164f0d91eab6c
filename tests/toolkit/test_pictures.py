"""The pictures of a comparison and of a confusion matrix, looked at by their colors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeq.comparison import Comparison, Row, SampleAnswer
from edgeq.evaluate import Evaluation
from edgeq.report import drawing
from edgeq.report.pictures import GREEN, RED, comparison_picture, confusion_picture, draw_bars
from edgeq_device.errors import OutputError

MODES = ("float", "dynamic", "float-fallback", "integer")


def rgb(path: Path) -> Any:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def count(pixels: Any, color: str) -> int:
    wanted = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return int((pixels == wanted).all(axis=-1).sum())


def comparison(answers: Sequence[str] = (), label: str = "6") -> Comparison:
    rows = tuple(
        Row(mode, bytes=size, accuracy=accuracy)
        for mode, size, accuracy in zip(MODES, (80_000, 20_000, 20_100, 20_200), (0.91,) * 4)
    )
    digit = np.zeros((28, 28), np.uint8)
    digit[4:24, 12:16] = 255
    named = tuple((mode, answer, 0.5) for mode, answer in zip(MODES, answers))
    return Comparison("m", 1000, "y", rows, SampleAnswer(digit, label, named) if named else None)


def test_wrong_answers_are_red(tmp_path: Path) -> None:
    drawn = {}
    for name, answers in (("right", "6666"), ("one wrong", "6626"), ("wrong", "2222")):
        comparison_picture(comparison(answers), tmp_path / f"{name}.png")
        drawn[name] = rgb(tmp_path / f"{name}.png")
    red = {name: count(pixels, RED) for name, pixels in drawn.items()}
    assert red["right"] == 0 < red["one wrong"] < red["wrong"]
    # The integer model's bars are green in each.
    assert min(count(pixels, GREEN) for pixels in drawn.values()) > 10_000


def test_bars_keep_to_their_proportions(tmp_path: Path) -> None:
    comparison_picture(comparison(), tmp_path / "picture.png")
    pixels = rgb(tmp_path / "picture.png")
    green = (pixels == [int(GREEN[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=-1)
    blue = (pixels == [0x3E, 0x7C, 0xB1]).all(axis=-1)
    middle = pixels.shape[1] * 2 // 3
    accuracy, size = (int(half.any(axis=0).sum()) for half in np.split(green, [middle], axis=1))
    largest = int(blue[:, middle:].any(axis=0).sum())
    assert size / largest == pytest.approx(20_200 / 80_000, abs=0.02)
    assert accuracy == pytest.approx(int(blue[:, :middle].any(axis=0).sum()), abs=2)


def test_the_axis_of_accuracy_ends_at_100() -> None:
    pyplot = drawing.load_pyplot()
    for values, most, bounds in (([100.0, 96.5], 100, (0, 100)), ([40.0, 30.0], 100, None)):
        figure, axes = pyplot.subplots()
        draw_bars(axes, ["float", "integer"], values, "accuracy", "{:.2f}", most)
        assert max(tick for tick in axes.get_xticks() if tick <= axes.get_xlim()[1]) <= 100
        assert axes.get_xlim() == pytest.approx((0, 1.2 * values[0]))  # room for the numbers
        assert axes.spines["bottom"].get_bounds() == bounds
        pyplot.close(figure)


def test_a_long_label_leaves_the_bars_their_room(tmp_path: Path) -> None:
    for name, label in (("short", "tabby"), ("long", "Egyptian cat, seen from above " * 5)):
        comparison_picture(comparison([label] * 4, label), tmp_path / f"{name}.png")
    short, long = (count(rgb(tmp_path / f"{name}.png"), GREEN) for name in ("short", "long"))
    assert long == pytest.approx(short, rel=0.1)


def evaluation(classes: int) -> Evaluation:
    confusion = np.eye(classes, dtype=np.int64) * 9
    confusion[0, 1] = 1
    samples = int(confusion.sum())
    return Evaluation(
        samples, (samples - 1) / samples, 1, 1.0, confusion, np.zeros(samples, np.int64), 0.1
    )


@pytest.mark.parametrize("classes", [2, 10, 60])
def test_a_confusion_matrix_is_dark_on_its_diagonal(tmp_path: Path, classes: int) -> None:
    confusion_picture(evaluation(classes), ("cat", "dog"), tmp_path / "confusion.png")
    pixels = rgb(tmp_path / "confusion.png")
    dark = (pixels[..., 2] > 80) & (pixels[..., 0] < 20)  # the darkest of the blues
    rows, columns = np.nonzero(dark[:, : pixels.shape[1] * 3 // 4])
    assert np.corrcoef(rows, columns)[0, 1] > (0.7 if classes == 2 else 0.9)


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        comparison_picture(comparison("6626"), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder.png"
    target.mkdir()
    with pytest.raises(OutputError, match=r"folder\.png: cannot be written"):
        confusion_picture(evaluation(2), (), target)
    assert list(tmp_path.iterdir()) == [target]
    assert not drawing.load_pyplot().get_fignums()
