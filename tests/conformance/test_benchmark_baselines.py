"""The plain scripts that edgeq is measured against classify a real picture rightly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import runner_overhead
from benchmarks.runner_overhead import whole as decoded
from benchmarks.same_predictions import plain_classes, run_classes
from PIL import Image

from edgeq_device.runner import Runner, RunnerOptions, open_deployment

pytestmark = pytest.mark.conformance

BASELINES = Path(__file__).resolve().parents[2] / "benchmarks" / "baselines"
MODEL = "models/test_data/mobilenet_v1_0.25_128_quant.tflite"


def output(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, str(BASELINES / script), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_plain_run_and_bare_picture_know_the_cat(coral: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("cat.bmp", "parrot.jpg"):
        with Image.open(coral / "media" / name) as photo:
            photo.save((folder / name).with_suffix(".jpg"), quality=100, subsampling=0)
    lines = output("plain_run.py", coral / MODEL, folder).splitlines()
    assert [line.split()[:2] for line in lines] == [["cat.jpg", "283"], ["parrot.jpg", "89"]]
    assert float(lines[0].split()[2]) == pytest.approx(0.27, abs=0.03)

    with Image.open(coral / "media" / "cat.bmp") as photo:
        pixels = np.asarray(photo.resize((128, 128), Image.Resampling.LANCZOS))
    np.save(tmp_path / "cat.npy", pixels)
    for given in (coral / "media" / "cat.bmp", tmp_path / "cat.npy"):
        assert output("bare_picture.py", coral / MODEL, given) == "283\n"


def test_both_sides_classify_the_same_pictures_alike(coral: Path, tmp_path: Path) -> None:
    for name in ("bird.bmp", "cat.bmp", "parrot.jpg"):
        with Image.open(coral / "media" / name) as photo:
            photo.convert("RGB").save((tmp_path / name).with_suffix(".jpg"), quality=95)
    ours = run_classes(coral / MODEL, tmp_path)
    assert ours == plain_classes(coral / MODEL, tmp_path)
    assert (len(ours), ours["parrot.jpg"]) == (3, 89)


def test_the_runner_is_timed_doing_what_the_plain_calls_do(coral: Path) -> None:
    with open_deployment(coral / MODEL) as deployment:
        runner = Runner(deployment, RunnerOptions(backend="cpu", threads=1))
        with Image.open(coral / "media" / "cat.bmp") as photo:
            pixels = np.asarray(photo.resize((128, 128), Image.Resampling.LANCZOS))
        bare, ours, whole = (
            make(runner, (pixels,))()
            for make in (runner_overhead.bare_calls, runner_overhead.runner_calls, decoded)
        )
    assert [array.tobytes() for array in bare] == [array.tobytes() for array in ours]
    assert whole.classes[0].index == 283


def test_the_guides_loop_counts_right_answers(coral: Path, tmp_path: Path) -> None:
    with Image.open(coral / "media" / "mnist_nine.bmp") as digit:
        nine = np.asarray(digit)
    data, found = tmp_path / "digits.npz", tmp_path / "found.npy"
    np.savez(data, x=np.stack([nine, nine]), y=np.array([9, 1]))
    model = coral / "models" / "test_data" / "keras_lstm_mnist_ptq.tflite"
    printed = output("guide_evaluate.py", model, data, "--predictions", found)
    assert printed == "accuracy 0.5000 on 2 samples\n"
    assert np.load(found).tolist() == [9, 9]
