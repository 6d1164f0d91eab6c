"""Options that are no good: one sentence, one hint, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Workshop
from tests.cli.running import edgeq, files_in, process, refused

PREPROCESS = '"[0,1]", "[-1,1]", "[0,255]", "imagenet" or "mean=M,std=S" (pixel units)'
PREPROCESS_HINT = 'most networks for pictures were trained with "[0,1]", "[-1,1]" or "imagenet"'


@pytest.mark.parametrize(
    ("option", "sentence", "hint"),
    [
        ("--threads 0", "--threads is 0, but must be at least 1", "left out, it is all cores"),
        ("--samples 0", "--samples is 0, but must be at least 1", "100 to 200 are enough"),
        ("--seed -1", "--seed is -1, but must be at least 0", "any whole number will do"),
        (
            "--compile-timeout 0",
            "--compile-timeout is 0, but must be at least 1",
            "180 seconds are usual",
        ),
        (
            "--mode int8",
            "--mode is 'int8', but must be one of integer, float-fallback, dynamic, float",
            "left out, it is integer",
        ),
        (
            "--engine toco",
            "--engine is 'toco', but must be one of auto, litert, tflite-converter",
            "left out, it is auto",
        ),
        (
            "--task detect",
            "--task is 'detect', but must be one of auto, classify, raw",
            "left out, it is auto",
        ),
        (
            "--activation relu",
            "--activation is 'relu', but must be one of auto, none, softmax, sigmoid",
            "left out, it is auto",
        ),
        (
            "--resize zoom",
            "--resize is 'zoom', but must be one of stretch, letterbox, crop",
            "left out, it is stretch",
        ),
        (
            "--resample cubic",
            "--resample is 'cubic', but must be one of lanczos, bicubic, bilinear, hamming, box, "
            "nearest",
            "left out, it is lanczos",
        ),
        (
            "--color cmyk",
            "--color is 'cmyk', but must be one of rgb, bgr, gray",
            "left out, it is rgb",
        ),
        (
            "--preprocess whiten",
            f"--preprocess is 'whiten', but must be {PREPROCESS}",
            PREPROCESS_HINT,
        ),
        (
            "--preprocess mean=0.5,std=0.5",
            "--preprocess is 'mean=0.5,std=0.5', but must be in pixel units, 0 to 255",
            "multiply means and stds that are meant for values of 0 to 1 by 255",
        ),
        (
            "--preprocess mean=127,std=0",
            "std in --preprocess is 0, but must be a number other than 0",
            "mean=127.5,std=127.5 makes pixels -1 to 1",
        ),
        (
            "--preprocess mean=1,2,3,std=1,2",
            "--preprocess is 'mean=1,2,3,std=1,2', but must be as many means as stds, or one of "
            "either",
            "a number each, or one for all",
        ),
        (
            "--preprocess other:[0,1]",
            "--preprocess is 'other:[0,1]', but must be for an input of the model: image",
            "leave INPUT: out where it is for all inputs",
        ),
        (
            "--preprocess mean=1,2,3,std=9",
            "--preprocess is '3 means or stds', but must be one number, or one for each channel "
            "of input 'image', whose shape is [1, 28, 28]",
            "declare one mean and one std, or the right INPUT:...",
        ),
    ],
)
def test_build_refuses(
    shop: Workshop, tmp_path: Path, option: str, sentence: str, hint: str
) -> None:
    options = ["--calibration", shop.calibration, "-o", tmp_path / "out.edgeq", *option.split()]
    refused(edgeq("build", shop.model, *options), sentence, hint)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (
            "run --threads 0",
            "--threads is 0, but must be from 1 to 1024",
            "left out, it is all cores",
        ),
        (
            "verify --threads 0",
            "--threads is 0, but must be from 1 to 1024",
            "left out, it is all cores",
        ),
        ("run --top-k 0", "--top-k is 0, but must be at least 1", "left out, it is 5"),
        (
            "run --task pose",
            "--task is 'pose', but must be classify or raw",
            "left out, it is the bundle's own",
        ),
        ("benchmark --runs 0", "--runs is 0, but must be at least 1", "left out, it is 200"),
        ("benchmark --warmup -1", "--warmup is -1, but must be 0 or more", "left out, it is 20"),
        (
            "run --backend gpu",
            "--backend is 'gpu', but must be auto, cpu, edgetpu",
            "auto takes the Edge TPU where there is one, else the CPU",
        ),
        (
            "benchmark --runtime tf.lite",
            "--runtime is 'tf.lite', but must be ai-edge-litert or tflite-runtime",
            "left out, it is the first of them that is installed",
        ),
    ],
)
def test_the_boards_commands_refuse(shop: Workshop, words: str, sentence: str, hint: str) -> None:
    verb, *options = words.split()
    inputs = [shop.calibration] if verb == "run" else []
    refused(edgeq(verb, shop.bundle, *inputs, *options), sentence, hint)


def test_an_output_that_cannot_be_one(shop: Workshop, tmp_path: Path) -> None:
    def ended(output: object, *options: object):
        return edgeq("build", shop.model, *shop.options, "-o", output, *options)

    refused(
        ended(tmp_path, "--force"),
        f"--output is '{tmp_path}', but must be a file, not a folder",
        "name a file in it",
    )
    missing = tmp_path / "none" / "out.edgeq"
    refused(ended(missing), f"{missing}: its folder does not exist", f"mkdir -p {missing.parent}")
    inside = shop.labels / "out.edgeq"
    refused(ended(inside), f"{inside}: {shop.labels} is no folder", "write elsewhere")
    refused(
        ended("/dev/null", "--force"),
        "--output is '/dev/null', but must be a file, not a device or a pipe",
        "write to a file",
    )
    refused(
        ended(tmp_path / "out.edgeq", "--save-model", tmp_path),
        f"--save-model is '{tmp_path}', but must be a file, not a folder",
        "name a file in it",
    )
    assert files_in(tmp_path) == []


def test_labels_that_do_not_fit(shop: Workshop, tmp_path: Path) -> None:
    labels, out = tmp_path / "labels.txt", tmp_path / "out.edgeq"

    def ended():
        return edgeq("build", shop.model, *shop.options, "--labels", labels, "-o", out)

    refused(
        ended(),
        f"{labels}: cannot be read: No such file or directory",
        "give a text file with one label per line",
    )
    for count, hint in [
        (11, "remove the first one if it is 'background'"),
        (12, "give the labels of this model"),
    ]:
        labels.write_text("".join(f"name {number}\n" for number in range(count)))
        refused(
            ended(),
            f"--labels is '{labels} with {count} labels', but must be at most the model's 10 "
            "classes",
            hint,
        )
    labels.write_text("")
    refused(ended(), f"{labels}: holds no labels", "write one label per line")
    labels.write_bytes(b"\xff\xfe\x00")
    refused(ended(), f"{labels}: is not UTF-8 text", "save it as UTF-8")
    labels.write_text("0 zero\n0 nought\n")
    refused(ended(), f"{labels}: names class 0 twice", "write each class once, as: 0 background")
    assert files_in(tmp_path) == ["labels.txt"]


def test_a_config_that_is_no_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "edgeq.toml"
    refused(
        edgeq("build", "--config", config),
        f"{config}: no such file",
        "name an edgeq.toml with --config",
    )
    config.write_text("[build\n")
    ended = edgeq("build")
    assert ended.code == 1
    assert ended.stderr.startswith("error: edgeq.toml is ")
    assert "but must be valid TOML" in ended.stderr
    config.write_text("[build]\nmodle = 'x.tflite'\n")
    ended = edgeq("build")
    assert ended.code == 1
    error, hint = ended.stderr.splitlines()
    assert error == "error: edgeq.toml: there is no key build.modle"
    assert hint.startswith("hint: known keys: model, calibration, output, mode")
    config.write_text("[build]\nmodel = 'x.tflite'\nsamples = 'many'\n")
    ended = edgeq("build")
    assert ended.code == 1
    assert "edgeq.toml: build.samples is 'many', but must be a whole number" in ended.stderr
    assert files_in(tmp_path) == ["edgeq.toml"]


def test_a_demo_folder_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused(
        process("demo", "-o", tmp_path),
        f"--output is '{tmp_path}', but must be a folder that is empty or new",
        "--force writes into it",
    )
    refused(
        process("demo", "-o", tmp_path / "mine.txt"),
        f"--output is '{tmp_path / 'mine.txt'}', but must be a folder",
        "name a folder that is empty or new",
    )
    assert files_in(tmp_path) == ["mine.txt"]
