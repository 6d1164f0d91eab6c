"""``edgeq build`` from .tflite files: what it leaves, what it says, and that it repeats itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.bundle import open_bundle
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import done, edgeq, files_in, process, refused


def test_json_has_the_keys_that_machines_read(shop: Workshop, tmp_path: Path) -> None:
    bundle, saved = tmp_path / "out.edgeq", tmp_path / "out.tflite"
    options = [*shop.options, "-o", bundle, "--save-model", saved, "--json"]
    document = done(edgeq("build", shop.model, *options)).document
    assert document["schema"] == "edgeq.build/1"
    assert document["bundle"] == str(bundle)
    with open_bundle(bundle) as opened:
        model = bytes(opened.model("cpu"))
    assert document["cpu_model"] == {
        "bytes": len(model),
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    assert saved.read_bytes() == model
    assert document["compiled"] is False
    assert (
        document["compile_skipped"] == "edgetpu_compiler is not installed here (x86-64 Linux only)"
    )
    assert document["engine"] == "litert"
    assert [stage["name"] for stage in document["stages"]][0] == "load"
    assert all(stage["seconds"] >= 0 for stage in document["stages"])
    assert document["bundle_bytes"] == bundle.stat().st_size
    assert document["bundle_sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert document["inputs"][0]["dtype"] == document["outputs"][0]["dtype"] == "uint8"
    assert files_in(tmp_path) == ["out.edgeq", "out.tflite"]


def test_stdout_holds_the_path_alone(shop: Workshop, tmp_path: Path) -> None:
    ended = done(process("build", shop.model, *shop.options, "-o", "out.edgeq", cwd=tmp_path))
    assert ended.stdout == "out.edgeq\n"
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("Built out.edgeq (")
    assert lines[-1] == "Next: edgeq run out.edgeq INPUT"
    assert "folded into the input: scale 0.00392157, zero point 0" in ended.stderr
    assert "Edge TPU     not compiled: edgetpu_compiler is not installed here" in ended.stderr
    assert lines[-2] == "Edge TPU 6 ops (100 %) · CPU 0 ops (0 %), predicted"
    quiet = [*shop.options, "-o", "out.edgeq", "--force", "-q"]
    ended = done(process("build", shop.model, *quiet, cwd=tmp_path))
    assert (ended.stdout, ended.stderr) == ("out.edgeq\n", "")


def test_the_bundle_is_named_after_the_model(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert done(edgeq("build", shop.model, *shop.options)).stdout == "digits.edgeq\n"
    assert files_in(tmp_path) == ["digits.edgeq"]


def test_the_same_inputs_give_the_same_bytes(shop: Workshop, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "elsewhere" / "second"
    for folder in (first, second):
        folder.mkdir(parents=True)
        for path in (shop.model, shop.calibration, shop.labels):
            shutil.copy(path, folder)
    options = ["--preprocess", "[0,1]", "--labels", "labels.txt", "--samples", "50"]
    relative = ["digits.tflite", "--calibration", "calibration.npz", *options]
    done(process("build", *relative, "-o", "one.edgeq", cwd=first))
    done(process("build", *relative, "-o", "another.edgeq", "--threads", "1", cwd=second))
    absolute = [second / "digits.tflite", "--calibration", first / "calibration.npz"]
    labels = ["--labels", second / "labels.txt"]
    done(edgeq("build", *absolute, *options, *labels, "-o", tmp_path / "third.edgeq"))
    made = [first / "one.edgeq", second / "another.edgeq", tmp_path / "third.edgeq"]
    assert len({path.read_bytes() for path in made}) == 1
    other = [*absolute, *options, *labels, "--seed", "7", "-o", tmp_path / "fourth.edgeq"]
    done(edgeq("build", *other))
    assert (tmp_path / "fourth.edgeq").read_bytes() != made[0].read_bytes()


def test_raw_pixels_go_straight_in(shop: Workshop) -> None:
    pixels, labels = models.digits()
    with open_bundle(shop.bundle) as bundle:
        model = load(bytes(bundle.model("cpu")), name="digits")
    (spec,) = model.inputs
    assert (spec.dtype, spec.zero_point) == ("uint8", 0)
    assert spec.scale == pytest.approx(1 / 255)
    test = pixels[models.TRAINED :]
    found = [int(model.run(picture[None])[0].argmax()) for picture in test]
    float_model = load(shop.model.read_bytes(), name="float")
    wanted = [
        int(float_model.run(picture[None].astype(np.float32) / 255)[0].argmax()) for picture in test
    ]
    assert np.mean(np.array(found) == wanted) >= 0.99
    assert np.mean(np.array(found) == labels[models.TRAINED :]) >= 0.84


@pytest.mark.parametrize(
    ("mode", "kinds", "engine", "sentence"),
    [
        ("integer", ("uint8", "uint8"), "litert", "folded into the input: scale"),
        ("float-fallback", ("float32", "float32"), "litert", "takes floats: the device computes"),
        ("float", ("float32", "float32"), "none", "takes floats: the device computes"),
    ],
)
def test_every_mode_that_a_tflite_file_allows(
    shop: Workshop, tmp_path: Path, mode: str, kinds: tuple[str, str], engine: str, sentence: str
) -> None:
    bundle = tmp_path / "out.edgeq"
    options = [*shop.options, "--mode", mode, "-o", bundle, "--json"]
    document = done(edgeq("build", shop.model, *options)).document
    assert (document["inputs"][0]["dtype"], document["outputs"][0]["dtype"]) == kinds
    assert (document["mode"], document["engine"]) == (mode, engine)
    assert sentence in document["inputs"][0]["preprocessing_text"]
    if mode != "integer":
        why = f"edgetpu_compiler takes fully integer models only, this one is {mode}"
        assert document["compile_skipped"] == why
    found = done(edgeq("evaluate", bundle, "--data", shop.test, "--json")).document
    assert found["accuracy"] >= 0.84


def test_dynamic_needs_the_keras_model(shop: Workshop, tmp_path: Path) -> None:
    refused(
        edgeq("build", shop.model, "--mode", "dynamic", "-o", tmp_path / "out.edgeq"),
        f"{shop.model}: TensorFlow's converter cannot start from a .tflite file, so there is no "
        "dynamic conversion of it by tflite-converter",
        "give the Keras model (.keras, .h5), a SavedModel folder or a function",
    )
    options = [*shop.options, "--engine", "tflite-converter", "-o", tmp_path / "out.edgeq"]
    refused(
        edgeq("build", shop.model, *options),
        f"{shop.model}: the tflite-converter engine cannot start from a .tflite",
        "give the Keras model, or use --engine litert",
    )
    assert files_in(tmp_path) == []


def test_an_integer_model_stays_as_it_is(shop: Workshop, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    done(
        edgeq("build", shop.model, *shop.options, "-o", tmp_path / "a.edgeq", "--save-model", model)
    )
    options = ["-o", tmp_path / "b.edgeq", "--json"]
    document = done(edgeq("build", model, *options)).document
    assert document["engine"] == "none"
    assert document["engine_reason"] == "the model is integer already"
    assert document["cpu_model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    done(edgeq("verify", tmp_path / "b.edgeq"))
    refused(
        edgeq("build", model, "--mode", "float", "-o", tmp_path / "c.edgeq"),
        "--mode is 'float', but must be integer: the model computes with integers already",
        "give the float model",
    )


def test_int8_ends_stay_unless_uint8_is_asked_for(tmp_path: Path) -> None:
    model = tmp_path / "int8.tflite"
    model.write_bytes(models.int8_classifier())
    (kept,) = parse_model(model.read_bytes(), "int8").input_specs()
    assert kept.dtype == "int8"
    done(edgeq("build", model, "-o", tmp_path / "kept.edgeq"))
    document = done(edgeq("build", model, "-o", tmp_path / "u.edgeq", "--uint8-ends", "--json"))
    assert [
        end["dtype"] for end in (*document.document["inputs"], *document.document["outputs"])
    ] == [
        "uint8",
        "uint8",
    ]
    with open_bundle(tmp_path / "kept.edgeq") as one, open_bundle(tmp_path / "u.edgeq") as other:
        int8, uint8 = (load(bytes(each.model("cpu")), name="m") for each in (one, other))
    assert (int8.inputs[0].dtype, uint8.inputs[0].dtype) == ("int8", "uint8")
    pixels = models.digits()[0][:50]
    for picture in pixels:
        before = int8.run((picture[None] ^ 0x80).view(np.int8))[0]
        after = uint8.run(picture[None])[0]
        assert np.array_equal(before.astype(int) + 128, after)


def test_several_inputs(shop: Workshop, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    left, right = random.integers(0, 256, (2, 60, 6, 6, 2), np.uint8)
    np.savez(tmp_path / "both.npz", left=left, right=right)
    options = ["--calibration", tmp_path / "both.npz", "-o", tmp_path / "out.edgeq", "--json"]
    declared = ["--preprocess", "[0,1]", "--preprocess", "right:[-1,1]"]
    document = done(edgeq("build", shop.two, *options, *declared)).document
    assert [one["name"] for one in document["inputs"]] == ["left", "right"]
    assert [one["dtype"] for one in document["inputs"]] == ["uint8", "uint8"]
    with open_bundle(tmp_path / "out.edgeq") as bundle:
        first, second = (info.preprocessing for info in bundle.manifest.inputs)
    assert first is not None
    assert second is not None
    assert (first.mean, second.mean) == ((0.0,), (127.5,))
    found = done(edgeq("run", tmp_path / "out.edgeq", tmp_path / "both.npz", "--json"))
    assert len(found.lines) == 60
    assert found.lines[0]["result"]["outputs"][0]["shape"] == [1, 6, 6, 3]


def test_pictures_calibrate_a_model(shop: Workshop, tmp_path: Path) -> None:
    pictures = models.write_pictures(tmp_path / "pictures", 60)
    options = ["--calibration", pictures, "--preprocess", "[0,1]", "-o", tmp_path / "gray.edgeq"]
    ended = done(edgeq("build", shop.model, *options))
    assert "asked for" not in ended.stderr
    found = done(edgeq("evaluate", tmp_path / "gray.edgeq", "--data", shop.test, "--json"))
    assert found.document["accuracy"] >= 0.84
    color = ["--calibration", pictures, "--color", "bgr", "--resize", "letterbox"]
    done(edgeq("build", shop.color, *color, "-o", tmp_path / "color.edgeq", "--samples", "20"))
    manifest = done(edgeq("info", tmp_path / "color.edgeq", "--json")).document["manifest"]
    read = manifest["inputs"][0]["preprocessing"]
    assert (read["color"], read["resize"]) == ("bgr", "letterbox")
    assert manifest["provenance"]["calibration"]["samples"] == 20


def test_labels_go_into_the_bundle(shop: Workshop, tmp_path: Path) -> None:
    out = tmp_path / "out.edgeq"
    done(edgeq("build", shop.model, *shop.options, "--labels", shop.labels, "-o", out))
    np.save(tmp_path / "one.npy", models.digits()[0][models.TRAINED])
    (line,) = done(edgeq("run", out, tmp_path / "one.npy", "--json", "--top-k", "1")).lines
    wanted = int(models.digits()[1][models.TRAINED])
    assert line["result"]["classes"][0]["index"] == wanted
    assert line["result"]["classes"][0]["label"] == f"digit {wanted}"


@pytest.mark.parametrize(
    ("count", "doubt"),
    [
        (9, "9 labels for 10 classes: is class 0 'background'?"),
        (4, "4 labels for 10 classes: do they belong to this model?"),
    ],
)
def test_fewer_labels_than_classes_are_a_warning(
    shop: Workshop, tmp_path: Path, count: int, doubt: str
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"name {number}\n" for number in range(count)))
    out = tmp_path / "out.edgeq"
    ended = done(edgeq("build", shop.model, *shop.options, "--labels", labels, "-o", out, "-q"))
    assert ended.stderr == f"warning: {doubt}\n"


def test_scores_are_probabilities_with_and_without_a_softmax(
    shop: Workshop, tmp_path: Path
) -> None:
    out = tmp_path / "out.edgeq"
    done(edgeq("build", shop.softmax, *shop.options, "-o", out))
    assert done(edgeq("info", out, "--json")).document["manifest"]["activation"] == "none"
    manifest = done(edgeq("info", shop.bundle, "--json")).document["manifest"]
    assert manifest["activation"] == "softmax"
    np.save(tmp_path / "one.npy", models.digits()[0][models.TRAINED])
    for bundle in (out, shop.bundle):
        (line,) = done(edgeq("run", bundle, tmp_path / "one.npy", "--json", "--top-k", "10")).lines
        scores = [one["score"] for one in line["result"]["classes"]]
        assert sum(scores) == pytest.approx(1, abs=0.02)
        assert scores == sorted(scores, reverse=True)


def test_edgeq_toml_stands_for_options_and_options_win(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(shop.model, project)
    shutil.copy(shop.calibration, project)
    (project / "edgeq.toml").write_text(
        '[build]\nmodel = "digits.tflite"\ncalibration = "calibration.npz"\n'
        'preprocess = "[0,1]"\nsamples = 60\noutput = "from-file.edgeq"\n'
    )
    monkeypatch.chdir(project)
    assert done(edgeq("build")).stdout == "from-file.edgeq\n"
    assert done(edgeq("build", "-o", "mine.edgeq", "--samples", "70")).stdout == "mine.edgeq\n"
    monkeypatch.chdir(tmp_path)
    named = ["--config", project / "edgeq.toml", "--force", "--json"]
    document = done(edgeq("build", *named)).document
    assert Path(document["bundle"]) == project / "from-file.edgeq"
    counts = {}
    for name in ("from-file", "mine"):
        with open_bundle(project / f"{name}.edgeq") as bundle:
            counts[name] = bundle.manifest.provenance["calibration"]["samples"]
    assert counts == {"from-file": 60, "mine": 70}


def test_force_replaces_what_exists(shop: Workshop, tmp_path: Path) -> None:
    out, saved = tmp_path / "out.edgeq", tmp_path / "out.tflite"
    out.write_text("mine")
    refused(
        edgeq("build", shop.model, *shop.options, "-o", out),
        f"--output is '{out}', but must be a file that does not exist yet",
        "--force overwrites it",
    )
    saved.write_text("mine too")
    new = tmp_path / "new.edgeq"
    refused(
        edgeq("build", shop.model, *shop.options, "-o", new, "--save-model", saved),
        f"--save-model is '{saved}', but must be a file that does not exist yet",
        "--force overwrites it",
    )
    assert (out.read_text(), saved.read_text(), new.exists()) == ("mine", "mine too", False)
    done(edgeq("build", shop.model, *shop.options, "-o", out, "--save-model", saved, "--force"))
    assert out.read_bytes() == shop.bundle.read_bytes()
    assert parse_model(saved.read_bytes(), "saved").input_specs()[0].dtype == "uint8"


def test_what_is_given_to_build_is_named_in_the_bundle(shop: Workshop) -> None:
    with open_bundle(shop.bundle) as bundle:
        provenance = bundle.manifest.provenance
        text = json.dumps(bundle.manifest.as_dict())
    source = hashlib.sha256(shop.model.read_bytes()).hexdigest()
    assert provenance["source"] == {"kind": "tflite", "sha256": source}
    assert provenance["options"]["preprocess"] == ["[0,1]"]
    assert str(shop.folder) not in text
