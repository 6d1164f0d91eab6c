"""Models in TensorFlow 2.5.3, whose interpreter is as old as the frozen compiler's.

``scripts/old-runtime`` makes the environment. Without it these tests are skipped with a reason,
or fail when ``EDGEQ_REQUIRE_LANES=1``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.networks.photos import CALIBRATION_PHOTOS

from edgeq import contract, model, pipeline
from edgeq.config import BuildSpec
from edgeq.demo.digits import shipped_digits, train
from edgeq.legalize.dense import one_scale_dense
from edgeq.legalize.ends import uint8_ends
from edgeq.ops import MAX_VERSION, MIN_VERSION, version_is_known
from edgeq_device.tflite import parse_model
from edgeq_device.tflite.opcodes import BUILTIN_NAMES
from tests.conformance.old_runtime import Case, photo_samples, run_old
from tests.conftest import ROOT
from tests.device.factories import (
    RESHAPE_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    quantize_model,
)

pytestmark = pytest.mark.conformance

STATIC_ONLY = (
    "Attempting to use a delegate that only supports static-sized tensors with a graph that has "
    "dynamic-sized tensors."
)
"""What edgetpu_compiler 16.0 prints for such a graph, word for word."""


# -- what the old runtime knows -----------------------------------------------------------------


def test_the_table_of_versions_is_the_old_runtime_s_own(old_python: Path, tmp_path: Path) -> None:
    """The highest version of each operator is read, the next one and unknown operators are not."""
    expected = {}
    cases = []
    for op in BUILTIN_NAMES:
        if op in ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"):
            continue
        lowest, highest = MIN_VERSION.get(op, 1), MAX_VERSION.get(op, 0)
        for version in sorted({lowest - 1, lowest, highest, highest + 1} - {0}):
            edited = model.read(quantize_model())
            model.operator_code(edited, op, version)
            name = f"{op}.{version}"
            cases.append(Case(name, model.write(edited)))
            expected[name + ".tflite"] = version_is_known(op, version)
    found = run_old(old_python, tmp_path, *cases)
    seen = {Path(each["model"]).name: each["loads"] for each in found.values()}
    assert seen == expected
    assert sum(expected.values()) > 200
    assert len(expected) - sum(expected.values()) > 150


def resized(shape: Any, signature: tuple[int, ...] = ()) -> bytes:
    """uint8 (1, 4) -> RESHAPE to (2, 2), the shape a constant or computed."""
    tensors = (
        TensorDef("x", (1, 4), "uint8", 1 / 128, shape_signature=signature),
        TensorDef("shape", (2,), "int32", data=shape),
        TensorDef("y", (1, 4) if shape is None else (2, 2), "uint8", 1 / 128),
    )
    reshape = OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS)
    measure = OpDef("SHAPE", (0,), (1,), (55, {0: ("b", 2)}))
    operators = (measure, reshape) if shape is None else (reshape,)
    return build(ModelDef((GraphDef(tensors, operators, (0,), (2,)),)))


def test_the_contract_s_word_on_sizes_is_that_of_a_static_delegate(
    old_python: Path, tmp_path: Path
) -> None:
    fixed = np.array([2, 2], np.int32)
    cases = {
        "fixed": resized(fixed),
        "open_batch": resized(fixed, (-1, 4)),
        "computed": resized(None),
    }
    found = run_old(old_python, tmp_path, *(Case(name, data) for name, data in cases.items()))
    for name, data in cases.items():
        assert found[name]["loads"], found[name]["error"]
        report = contract.check(parse_model(data, name), mode="integer")
        assert report.is_kept == found[name]["static"] == (name != "computed")
    assert found["computed"]["error"] == STATIC_ONLY


# -- Google's models ----------------------------------------------------------------------------

EXACT = (
    "edgetpu/mobilenet_v1_0.25_128_quant",
    "libredgetpu/tracker/templates/bright_16x16",
    "libredgetpu/tracker/templates/color_blue_64x64",
    "test_data/mobilenet_v1_0.5_160_quant",
    "test_data/mobilenet_v1_1.0_224_quant_embedding_extractor",
    "test_data/tools/split_concat",
)
"""Models for which today's plain kernels and the old runtime agree in every bit."""


def google_cases(coral: Path, names: Sequence[str], plain: bool) -> list[Case]:
    cases = []
    for name in names:
        data = (coral / "models" / f"{name}.tflite").read_bytes()
        cases.append(Case(Path(name).name, data, photo_samples(coral, data), plain=plain))
    return cases


def test_google_s_models_answer_as_they_did(old_python: Path, coral: Path, tmp_path: Path) -> None:
    found = run_old(old_python, tmp_path, *google_cases(coral, EXACT, plain=True))
    assert len(found) == len(EXACT)
    for name, seen in found.items():
        assert seen["static"], seen["error"]
        assert seen["samples"] == 8
        assert seen["max_steps"] == 0, name


def test_xnnpack_rounds_google_s_models_a_little_otherwise(
    old_python: Path, coral: Path, tmp_path: Path
) -> None:
    found = run_old(old_python, tmp_path, *google_cases(coral, EXACT, plain=False))
    for name, seen in found.items():
        assert seen["max_steps"] <= 12, name
        assert seen["mean_steps"] < 1.5, name
        assert seen["moved"] == 0, name


def test_a_scale_per_row_gives_rubbish_there_and_a_convolution_does_not(
    old_python: Path, coral: Path, tmp_path: Path
) -> None:
    data = (coral / "models/libredgetpu/templates/dense_256.tflite").read_bytes()
    rewritten, _ = one_scale_dense(data)
    samples = photo_samples(coral, data)
    found = run_old(
        old_python,
        tmp_path,
        Case("per_row", data, samples),
        Case("convolution", rewritten, samples, reference=data),
    )
    assert found["per_row"]["loads"]
    assert found["per_row"]["max_steps"] > 30
    assert found["convolution"]["static"]
    assert found["convolution"]["max_steps"] <= 1


def test_new_uint8_ends_work_there_too(old_python: Path, coral: Path, tmp_path: Path) -> None:
    path = coral / "models/libredgetpu/tracker/templates/color_blue_64x64.tflite"
    data = uint8_ends(path.read_bytes())
    (found,) = run_old(
        old_python, tmp_path, Case("ends", data, photo_samples(coral, data))
    ).values()
    assert found["static"]
    assert found["max_steps"] <= 1


# -- what edgeq builds --------------------------------------------------------------------------


def built(source: Path | str, calibration: Path, folder: Path, preprocess: str) -> bytes:
    spec = BuildSpec(
        model=str(source),
        calibration=str(calibration),
        output=folder / "built.edgeq",
        preprocess=(preprocess,),
        samples=100,
        save_model=folder / "built.tflite",
    )
    pipeline.build(spec)
    return (folder / "built.tflite").read_bytes()


@pytest.mark.tensorflow
@pytest.mark.slow
def test_the_digits_answer_the_same_there(old_python: Path, tmp_path: Path) -> None:
    digits = shipped_digits()
    train(digits, tmp_path / "digits.keras", 2)
    np.savez(tmp_path / "calibration.npz", x=digits.train_x[:200])
    data = built(tmp_path / "digits.keras", tmp_path / "calibration.npz", tmp_path, "[0,1]")
    samples = [(image[np.newaxis],) for image in digits.test_x[:300]]
    (found,) = run_old(old_python, tmp_path, Case("digits", data, samples)).values()
    assert found["static"], found["error"]
    assert found["samples"] == 300
    assert found["max_steps"] <= 1


@pytest.mark.tensorflow
@pytest.mark.slow
def test_efficientnet_lite0_gives_the_same_classes_there(
    old_python: Path, coral: Path, tmp_path: Path
) -> None:
    keras = tmp_path / "network.keras"
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.networks.save"),
            *("efficientnet_lite0", "--keras", str(keras)),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    calibration = tmp_path / "photos"
    calibration.mkdir()
    for number, photo in enumerate(CALIBRATION_PHOTOS):
        (calibration / f"{number}{Path(photo).suffix}").symlink_to(coral / "media" / photo)
    data = built(keras, calibration, tmp_path, "mean=127,std=128")
    (found,) = run_old(
        old_python, tmp_path, Case("network", data, photo_samples(coral, data))
    ).values()
    assert found["static"], found["error"]
    # Each int8 kernel may round one step otherwise; over 60 layers that comes to a few.
    assert found["max_steps"] <= 8
    assert found["mean_steps"] <= 1
    assert found["moved"] == 0
