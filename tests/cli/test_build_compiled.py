"""``edgeq build`` with an edgetpu_compiler: the stand-in of ``tests/fakes``, and its failures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgeq.compiler import run
from edgeq_device.bundle import open_bundle
from tests.cli.conftest import Workshop
from tests.cli.models import TRAINED, write_pictures
from tests.cli.processes import is_gone
from tests.cli.running import done, edgeq, files_in, refused
from tests.device.factories import custom_op_model

STAND_IN = Path(__file__).resolve().parent.parent / "fakes" / "edgetpu_compiler"

RECORDER = """#!/bin/sh
for word in "$@"; do case "$word" in *.tflite) cp "$word" "$EDGEQ_SEEN";; esac; done
exec {stand_in} "$@"
"""


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    path = tmp_path / "twin.bin"
    path.write_bytes(custom_op_model())
    return path


def test_a_compiled_bundle(shop: Workshop, tmp_path: Path, twin: Path) -> None:
    recorder, seen, out = tmp_path / "compiler", tmp_path / "seen", tmp_path / "out.edgeq"
    recorder.write_text(RECORDER.format(stand_in=STAND_IN))
    recorder.chmod(0o755)
    env = {"EDGEQ_FAKE_TWIN": str(twin), "EDGEQ_SEEN": str(seen)}
    options = ["--compiler", recorder, "--require-compiled", "-o", out, "--json"]
    document = done(edgeq("build", shop.model, *shop.options, *options, env=env)).document
    assert document["compiled"] is True
    assert document["compile_skipped"] is None
    assert document["compiler_version"] == "16.0.384591198"
    assert "compile" in [stage["name"] for stage in document["stages"]]
    assert document["cpu_model"]["sha256"] == hashlib.sha256(seen.read_bytes()).hexdigest()
    with open_bundle(out) as bundle:
        assert bytes(bundle.model("cpu")) == seen.read_bytes()
        assert bytes(bundle.model("edgetpu")) == twin.read_bytes()
        bundle.verify_digests()
    done(edgeq("verify", out))
    result = done(edgeq("evaluate", out, "--data", shop.test, "--json")).document
    assert result["accuracy"] >= 0.84


def test_the_summary_counts_operators(shop: Workshop, tmp_path: Path, twin: Path) -> None:
    env = {"EDGEQ_COMPILER": str(STAND_IN), "EDGEQ_FAKE_TWIN": str(twin)}
    out = tmp_path / "out.edgeq"
    ended = done(edgeq("build", shop.model, *shop.options, "-o", out, env=env))
    assert "  Edge TPU     6 ops (100%), CPU 0 ops (0%), compiler 16.0.384591198" in ended.stderr
    assert ended.stderr.splitlines()[-2] == "Edge TPU 6 ops (100 %) · CPU 0 ops (0 %)"
    again = done(edgeq("build", shop.model, *shop.options, "-o", tmp_path / "again.edgeq", env=env))
    assert again.code == 0
    assert (tmp_path / "again.edgeq").read_bytes() == out.read_bytes()


def test_a_run_says_why_a_compiled_bundle_falls_back(
    shop: Workshop, tmp_path: Path, twin: Path
) -> None:
    env = {"EDGEQ_COMPILER": str(STAND_IN), "EDGEQ_FAKE_TWIN": str(twin)}
    out = tmp_path / "out.edgeq"
    done(edgeq("build", shop.model, *shop.options, "-o", out, env=env))
    (line,) = done(edgeq("run", out, picture_of(tmp_path), "--json")).lines
    assert (line["backend"], line["result"]["task"]) == ("cpu", "classify")
    assert line["fallback_reason"].startswith("no Edge TPU found")
    ended = edgeq("run", out, picture_of(tmp_path), "--backend", "edgetpu")
    assert ended.code == 4
    assert "error: --backend edgetpu cannot be used: no Edge TPU found" in ended.stderr


@pytest.mark.parametrize(
    ("mode", "sentence", "hint"),
    [
        (
            "silent",
            "the compiler gave no reason",
            "LSTM layers with more than about 900 features and large dense layers do this: "
            "make them smaller",
        ),
        (
            "timeout",
            "the compiler's time limit was reached, mostly because of large activations",
            "lower the input resolution, or split the largest layers; or give it more time with "
            "--compile-timeout",
        ),
        (
            "garbage",
            "the compiler ended without an error, but printed nothing that edgeq understands",
            "is it Google's compiler? see --compiler and $EDGEQ_COMPILER",
        ),
        (
            "segfault",
            "the compiler crashed (segmentation fault)",
            "let edgeq quantize the float model again; if it stays, a layer is too large or "
            "unusual",
        ),
        (
            "stub",
            "edgetpu_compiler says that it succeeded, but wrote no compiled model",
            "is it Google's compiler? see --compiler and $EDGEQ_COMPILER",
        ),
    ],
)
def test_a_compiler_that_fails(
    shop: Workshop, tmp_path: Path, twin: Path, mode: str, sentence: str, hint: str
) -> None:
    env = {
        "EDGEQ_COMPILER": str(STAND_IN),
        "EDGEQ_FAKE_COMPILER": mode,
        "EDGEQ_FAKE_TWIN": str(twin),
    }
    out = tmp_path / "out.edgeq"
    refused(
        edgeq("build", shop.model, *shop.options, "-o", out, env=env),
        f"{shop.model}: {sentence}",
        hint,
    )
    assert files_in(tmp_path) == ["twin.bin"]


def test_a_compiler_that_maps_nothing(shop: Workshop, tmp_path: Path) -> None:
    env = {"EDGEQ_COMPILER": str(STAND_IN), "EDGEQ_FAKE_COMPILER": "zero"}
    ended = edgeq("build", shop.model, *shop.options, "-o", tmp_path / "out.edgeq", env=env)
    assert ended.code == 1
    error, hint = ended.stderr.splitlines()
    assert error.startswith(f"error: {shop.model}: nothing mapped to the Edge TPU: QUANTIZE (2): ")
    assert "MAX_POOL_2D (1): Operation is working on an unsupported data type" in error
    assert hint == (
        "hint: the model must be fully integer with fixed sizes, of operators that the Edge TPU "
        "knows"
    )
    assert files_in(tmp_path) == []


def test_a_compiler_that_hangs_is_ended_with_its_children(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_GRACE", 1.0)
    pids = tmp_path / "pids"
    env = {
        "EDGEQ_COMPILER": str(STAND_IN),
        "EDGEQ_FAKE_COMPILER": "hang",
        "EDGEQ_FAKE_PIDS": str(pids),
    }
    options = [*shop.options, "--compile-timeout", "1", "-o", tmp_path / "out.edgeq"]
    refused(
        edgeq("build", shop.model, *options, env=env),
        f"{shop.model}: edgetpu_compiler did not finish within 2 s",
        "give it more time with --compile-timeout, or make the model smaller",
    )
    assert files_in(tmp_path) == ["pids"]
    assert all(is_gone(int(pid)) for pid in pids.read_text().split())


def test_a_compiler_that_is_required_and_not_there(shop: Workshop, tmp_path: Path) -> None:
    out = tmp_path / "out.edgeq"
    refused(
        edgeq("build", shop.model, *shop.options, "--require-compiled", "-o", out),
        "edgetpu_compiler: is not installed here, and --require-compiled asks for it",
        "install it on x86-64 Debian or Ubuntu from Google's package source "
        "coral-edgetpu-stable, or name it with --compiler or $EDGEQ_COMPILER",
        code=4,
    )
    options = ["--require-compiled", "--mode", "float", "-o", out]
    refused(
        edgeq("build", shop.model, *options),
        "--mode is 'float', but must be integer where --require-compiled is given",
        "leave one of the two out: edgetpu_compiler takes fully integer models only",
    )
    ended = edgeq("build", shop.model, *shop.options, "--compiler", tmp_path / "none", "-o", out)
    assert ended.code == 4
    assert f"error: edgetpu_compiler: {tmp_path / 'none'} does not exist" in ended.stderr
    assert "hint: see --compiler; or install it on x86-64 Debian" in ended.stderr
    assert files_in(tmp_path) == []


@pytest.mark.conformance
def test_a_real_model_with_its_real_twin(coral: Path, tmp_path: Path) -> None:
    model = coral / "models/test_data/mobilenet_v1_0.25_128_quant.tflite"
    out = tmp_path / "out.edgeq"
    env = {"EDGEQ_COMPILER": str(STAND_IN), "EDGEQ_CONFORMANCE": str(coral)}
    document = done(edgeq("build", model, "-o", out, "--json", env=env)).document
    assert document["compiled"] is True
    assert document["cpu_model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    with open_bundle(out) as bundle:
        twin = model.with_name("mobilenet_v1_0.25_128_quant_edgetpu.tflite")
        assert bytes(bundle.model("edgetpu")) == twin.read_bytes()
    labels = coral / "media/imagenet_labels.txt"
    picture = coral / "media/cat.bmp"
    options = ["--labels", labels, "--top-k", "1", "--json"]
    ended = done(edgeq("run", out, picture, *options))
    best = ended.lines[0]["result"]["classes"][0]
    assert best["index"] == 283
    assert best["score"] == pytest.approx(0.27, abs=0.01)
    refused(
        edgeq("build", twin, "-o", tmp_path / "again.edgeq"),
        f"{twin}: is already compiled for the Edge TPU",
        "give the .tflite that it was compiled from; edgeq run runs this one",
    )
    assert files_in(tmp_path) == ["out.edgeq"]


def picture_of(folder: Path) -> Path:
    """One test digit as a picture."""
    write_pictures(folder / "pictures", 1, start=TRAINED)
    return folder / "pictures" / f"digit_{TRAINED:04d}.png"
