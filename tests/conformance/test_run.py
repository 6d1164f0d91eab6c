"""Real models packed into bundles, run on real pictures by the command line."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edgeq.pack import BundleParts, CompiledPart, GoldenPart, pack
from edgeq_device.bundle import InputInfo, RuntimeInfo
from edgeq_device.cli import app
from edgeq_device.runtime import RUNTIMES, LoadOptions, load
from edgeq_device.sources import read_picture
from edgeq_device.tasks import guess_task, read_labels
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import read_model
from edgeq_device.transforms import Preprocessing

pytestmark = pytest.mark.conformance

MODELS = (
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v1_0.5_160_quant",
    "mobilenet_v1_1.0_224_quant_embedding_extractor",
    "keras_lstm_mnist_ptq",
    "movenet_single_pose_lightning_ptq",
    "deeplabv3_mnv2_dm05_pascal_quant",
    "tools/split_concat",
)


def pixels_for(coral: Path, shape: tuple[int, ...], name: str) -> Any:
    """A picture of the media folder in the shape of a model's input."""
    height, width = shape[1:3]
    channels = shape[3] if len(shape) == 4 else 1
    picture = read_picture(coral / "media" / name, height, width, min(channels, 3))
    return np.resize(picture, shape)


def declared(spec: TensorSpec) -> InputInfo:
    """The preprocessing that the input's own scale and zero point stand for."""
    if not spec.is_quantized:
        return InputInfo(spec)
    return InputInfo(spec, Preprocessing((float(spec.zero_point),), (1 / spec.scale,)), "model")


def packed(coral: Path, folder: Path, name: str, runtime: str | None = None) -> Path:
    """The model ``name`` with its compiled twin, labels and golden vectors in a bundle."""
    model = read_model(coral / "models" / "test_data" / f"{name}.tflite")
    twin = coral / "models" / "test_data" / f"{name}_edgetpu.tflite"
    loaded = load(bytes(model.data), name=name, options=LoadOptions(runtime=runtime))
    rows = [
        tuple(pixels_for(coral, spec.shape, picture) for spec in loaded.inputs)
        for picture in ("cat.bmp", "grace_hopper.bmp")
    ]
    outputs = zip(*(loaded.run(*row) for row in rows))
    made_by = RuntimeInfo(loaded.runtime.name, loaded.runtime.version, platform.machine())
    guess = guess_task(model)
    parts = BundleParts(
        name=Path(name).name,
        cpu_model=bytes(model.data),
        inputs=tuple(declared(spec) for spec in model.input_specs()),
        outputs=model.output_specs(),
        task=guess.task,
        activation=guess.activation,
        compiled=CompiledPart(twin.read_bytes(), "16.0"),
        labels=read_labels(coral / "media" / "imagenet_labels.txt")
        if model.output_specs()[0].shape == (1, 1001)
        else (),
        golden=GoldenPart(
            tuple(np.stack(each) for each in zip(*rows)),
            tuple(np.stack(each) for each in outputs),
            made_by,
            16,
        ),
    )
    path = folder / f"{Path(name).name}.edgeq"
    pack(parts, path)
    return path


def edgeq(*arguments: object) -> Any:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    return done


def best(path: Path, picture: Path, *options: str) -> dict[str, Any]:
    done = edgeq("run", path, picture, "--json", "--backend", "cpu", *options)
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)["result"]["classes"][0]
    return found


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("name", "index", "score", "label"),
    [
        ("mobilenet_v1_0.25_128_quant", 283, 0.27, "tiger cat"),
        ("mobilenet_v1_0.5_160_quant", 286, 0.59, "Egyptian cat"),
    ],
)
def test_the_cat(
    coral: Path, tmp_path: Path, name: str, index: int, score: float, label: str, runtime: str
) -> None:
    path = packed(coral, tmp_path, name)
    found = best(path, coral / "media" / "cat.bmp", "--runtime", runtime)
    assert found["index"] == index
    assert found["label"] == label
    assert found["score"] == pytest.approx(score, abs=0.012)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_nine(coral: Path, tmp_path: Path, runtime: str) -> None:
    path = packed(coral, tmp_path, "keras_lstm_mnist_ptq")
    found = best(path, coral / "media" / "mnist_nine.bmp", "--runtime", runtime)
    assert found["index"] == 9
    assert found["score"] >= 0.7


def test_a_bare_model_says_the_same(coral: Path) -> None:
    model = coral / "models" / "test_data" / "mobilenet_v1_0.5_160_quant.tflite"
    labels = str(coral / "media" / "imagenet_labels.txt")
    found = best(model, coral / "media" / "cat.bmp", "--labels", labels)
    assert found == {"index": 286, "label": "Egyptian cat", "score": pytest.approx(0.59, abs=0.01)}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", MODELS)
def test_golden_vectors_come_out(coral: Path, tmp_path: Path, name: str, runtime: str) -> None:
    """Bit for bit on the runtime that made them, within tolerance on the other."""
    path = packed(coral, tmp_path, name, RUNTIMES[0])
    report = json.loads(edgeq("verify", path, "--json", "--runtime", runtime).stdout)
    assert report["bit_for_bit_wanted"] == (runtime == RUNTIMES[0])
    if runtime == RUNTIMES[0]:
        assert report["bit_for_bit"]
    assert all(output["cosine"] > 0.98 for output in report["outputs"])


def test_another_model_is_noticed(coral: Path, tmp_path: Path) -> None:
    """The twin whose weights differ by a step here and there is not the model that was packed."""
    near = coral / "models" / "edgetpu" / "mobilenet_v1_0.25_128_quant.tflite"
    path = packed(coral, tmp_path, "mobilenet_v1_0.25_128_quant")
    original = coral / "models" / "test_data" / "mobilenet_v1_0.25_128_quant.tflite"
    assert near.read_bytes() != original.read_bytes()
    data = path.read_bytes()
    start = data.index(original.read_bytes()[:4096])
    twin = near.read_bytes()[: original.stat().st_size]
    path.write_bytes(data[:start] + twin + data[start + len(twin) :])
    done = CliRunner().invoke(app, ["verify", str(path)])
    assert done.exit_code == 5
    assert "models/cpu.tflite does not match its SHA-256" in done.output


def test_annotated_pictures_of_real_photos(coral: Path, tmp_path: Path) -> None:
    from PIL import Image

    path = packed(coral, tmp_path, "mobilenet_v1_0.5_160_quant")
    pictures = [coral / "media" / name for name in ("cat.bmp", "owl.jpg", "mnist_nine.bmp")]
    edgeq("run", path, *pictures, "--save-dir", tmp_path / "out", "--backend", "cpu")
    sizes = {}
    for saved in sorted((tmp_path / "out").iterdir()):
        with Image.open(saved) as picture:
            sizes[saved.name] = picture.size
    assert set(sizes) == {"cat.png", "owl.png", "mnist_nine.png"}
    assert all(width >= 360 and height > 300 for width, height in sizes.values())
