"""What a build warns of though it did as it was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq import pipeline
from edgeq.config import BuildSpec
from edgeq.judging import JudgeSpec, judge
from edgeq_device.errors import CalibrationError
from tests.toolkit.float_models import classifier, conv_same


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(conv_same())
    return path


def warnings_of(model: Path, data: np.ndarray, **options: object) -> tuple[str, ...]:
    samples = model.with_name("samples.npy")
    np.save(samples, data)
    spec = BuildSpec(
        model=str(model),
        calibration=str(samples),
        output=model.with_suffix(".edgeq"),
        force=True,
        **options,  # type: ignore[arg-type]
    )
    return pipeline.build(spec).warnings


def pixels(model: Path, count: int = 60) -> np.ndarray:
    from edgeq_device.tflite import read_model

    shape = read_model(model).input_specs()[0].shape[1:]
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def test_pixels_without_declared_preprocessing_are_pointed_out(model: Path) -> None:
    found = [text for text in warnings_of(model, pixels(model)) if "no --preprocess" in text]
    assert len(found) == 1
    assert "0 to 255" in found[0]
    assert '"[0,255]"' in found[0]


@pytest.mark.parametrize("declared", ["[0,255]", "[0,1]"])
def test_declared_preprocessing_is_believed(model: Path, declared: str) -> None:
    found = warnings_of(model, pixels(model), preprocess=(declared,))
    assert not [text for text in found if "no --preprocess" in text]


def test_float_samples_need_no_declaration(model: Path) -> None:
    found = warnings_of(model, pixels(model).astype(np.float32) / 255)
    assert not [text for text in found if "no --preprocess" in text]


def test_one_class_for_all_samples_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "classifier.tflite"
    path.write_bytes(classifier())
    same = np.repeat(pixels(path, 1), 20, axis=0)
    found = warnings_of(path, same, preprocess=("[0,1]",))
    assert "the float model gives all 20 compared samples the same class" in " ".join(found)


def test_labels_without_classes_are_pointed_out(model: Path) -> None:
    labels = model.with_name("labels.txt")
    labels.write_text("a\nb\n", "utf-8")
    found = warnings_of(model, pixels(model), preprocess=("[0,1]",), labels=labels, task="raw")
    assert "--labels has no effect: the outputs are given as numbers (task raw)" in found


def test_fewer_folders_than_classes_are_refused_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "classifier.tflite"
    path.write_bytes(classifier())
    for name in ("cat", "dog"):
        folder = tmp_path / "test" / name
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "one.png")
    with pytest.raises(CalibrationError) as caught:
        judge(JudgeSpec(path, str(tmp_path / "test"), preprocess=("[0,1]",)))
    assert "2 class folders, but the model has 10 classes" in caught.value.sentence
    assert "--labels" in caught.value.hint
