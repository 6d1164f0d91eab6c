"""What a build is told: every text, every key, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeq.config import BuildSpec, build_spec, parse_preprocess, read_config
from edgeq_device.errors import ConfigError, InputError
from edgeq_device.transforms import IMAGENET_MEAN, IMAGENET_STD, Preprocessing

TEXTS = '"[0,1]", "[-1,1]", "[0,255]", "imagenet" or "mean=M,std=S" (pixel units)'


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("[0,1]", (0.0,), (255.0,)),
        (" [ 0, 1 ] ", (0.0,), (255.0,)),
        ("[-1,1]", (127.5,), (127.5,)),
        ("[0,255]", (0.0,), (1.0,)),
        ("imagenet", IMAGENET_MEAN, IMAGENET_STD),
        ("ImageNet", IMAGENET_MEAN, IMAGENET_STD),
        ("mean=127,std=128", (127.0,), (128.0,)),
        ("mean=1e2, std=-1.5", (100.0,), (-1.5,)),
        ("mean=1,2,3,std=4,5,6", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        ("mean=1,2,3,std=4", (1.0, 2.0, 3.0), (4.0,)),
        ("mean=1,std=4,5,6", (1.0,), (4.0, 5.0, 6.0)),
        ("mean=0,std=1", (0.0,), (1.0,)),
    ],
)
def test_declared_preprocessing(text: str, mean: Any, std: Any) -> None:
    assert parse_preprocess(text) == Preprocessing(mean=mean, std=std)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[0,2]", "mean=1", "std=1", "mean=,std=2", "mean=1,std=2,", "mean=.,std=2"),
        *("mean=nan,std=2", "mean=inf,std=2", "std=2,mean=1", "mean=1;std=2", "torch"),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_preprocess(text)
    assert str(caught.value) == f"--preprocess is {text!r}, but must be {TEXTS}"


def test_nothing_is_divided_by_0() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_preprocess("mean=128,std=9,0,9")
    assert str(caught.value) == "std in --preprocess is 0, but must be a number other than 0"


@pytest.mark.parametrize("text", ["mean=0.5,std=0.5", "mean=0.485,std=1"])
def test_numbers_for_values_of_0_to_1_are_told_apart(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_preprocess(text)
    assert str(caught.value) == f"--preprocess is {text!r}, but must be in pixel units, 0 to 255"
    assert caught.value.hint == (
        "multiply means and stds that are meant for values of 0 to 1 by 255"
    )


def test_means_and_stds_must_go_together() -> None:
    with pytest.raises(ConfigError, match="as many means as stds, or one of either"):
        parse_preprocess("mean=1,2,std=3,4,5")


def test_an_input_takes_its_own_declaration_else_the_one_for_all() -> None:
    spec = BuildSpec(
        "m", preprocess=("[0,1]", "serving_default_x:0:[-1,1]"), resize="crop", color="bgr"
    )
    own = spec.preprocessing_of("serving_default_x:0")
    assert own == Preprocessing((127.5,), (127.5,), resize="crop", color="bgr")
    other = spec.preprocessing_of("y")
    assert other == Preprocessing((0.0,), (255.0,), resize="crop", color="bgr")
    only = BuildSpec("m", preprocess=("x:[0,1]",))
    assert only.preprocessing_of("y") is None
    assert spec.picture_only == Preprocessing(resize="crop", color="bgr")


def test_an_input_may_be_called_by_any_of_its_names() -> None:
    inputs = [("serving_default_x:0", "x", "image"), ("y",)]
    spec = BuildSpec("m", preprocess=("image:[0,1]", "y:imagenet", "[-1,1]")).for_inputs(inputs)
    assert spec.preprocess == ("serving_default_x:0:[0,1]", "y:imagenet", "[-1,1]")
    # A tensor's own name comes before another one's alias.
    clash = BuildSpec("m", preprocess=("y:[0,1]",)).for_inputs([("a", "y"), ("y",)])
    assert clash.preprocess == ("y:[0,1]",)
    with pytest.raises(ConfigError) as caught:
        BuildSpec("m", preprocess=("z:[0,1]",)).for_inputs(inputs)
    assert str(caught.value) == (
        "--preprocess is 'z:[0,1]', but must be for an input of the model: serving_default_x:0, y"
    )


@pytest.mark.parametrize("texts", [("[0,1]", "imagenet"), ("x:[0,1]", "y:[0,1]", "x:[0,1]")])
def test_an_input_is_declared_once(texts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="but must be given once for an input"):
        BuildSpec("m", preprocess=texts)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"mode": "int8"},
            "--mode is 'int8', but must be one of integer, float-fallback, dynamic, float",
        ),
        (
            {"engine": "toco"},
            "--engine is 'toco', but must be one of auto, litert, tflite-converter",
        ),
        ({"task": "detect"}, "--task is 'detect', but must be one of auto, classify, raw"),
        (
            {"activation": "relu"},
            "--activation is 'relu', but must be one of auto, none, softmax, sigmoid",
        ),
        ({"samples": 0}, "--samples is 0, but must be at least 1"),
        ({"seed": -1}, "--seed is -1, but must be at least 0"),
        ({"threads": 0}, "--threads is 0, but must be at least 1"),
        ({"compile_timeout": 0}, "--compile-timeout is 0, but must be at least 1"),
        (
            {"resize": "squash"},
            "--resize is 'squash', but must be one of stretch, letterbox, crop",
        ),
        ({"color": "cmyk"}, "--color is 'cmyk', but must be one of rgb, bgr, gray"),
        ({"preprocess": ("x:[2,3]",)}, f"--preprocess is '[2,3]', but must be {TEXTS}"),
    ],
)
def test_a_value_that_is_not_allowed_names_those_that_are(options: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BuildSpec("m", **options)
    assert str(caught.value) == sentence


def toml(folder: Path, text: str) -> Path:
    path = folder / "edgeq.toml"
    path.write_text(text, "utf-8")
    return path


def test_options_go_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        '[build]\nmodel = "m.keras"\nmode = "float"\nsamples = 50\nrequire-compiled = true\n',
    )
    spec = build_spec({"samples": 7, "mode": None}, path)
    assert (spec.model, spec.mode, spec.samples) == ("m.keras", "float", 7)
    assert (spec.require_compiled, spec.engine, spec.seed) == (True, "auto", 0)
    assert build_spec({"seed": 0, "model": "n"}, toml(tmp_path, "[build]\nseed = 5")).seed == 0


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").touch()
    (tmp_path / "photos").mkdir()
    path = toml(
        tmp_path,
        '[build]\nmodel = "m.tflite"\ncalibration = "photos"\noutput = "out.edgeq"\n'
        'labels = "/etc/labels.txt"\nsave-model = "m/int.tflite"\ncompiler = "edgetpu_compiler"\n',
    )
    spec = build_spec({}, path)
    assert spec.model == str(tmp_path / "m.tflite")
    assert spec.calibration == str(tmp_path / "photos")
    assert spec.output == tmp_path / "out.edgeq"
    assert spec.labels == Path("/etc/labels.txt")
    assert spec.save_model == tmp_path / "m" / "int.tflite"
    assert spec.compiler == "edgetpu_compiler"
    functions = toml(tmp_path, '[build]\nmodel = "nets:small"\ncalibration = "data:digits"\n')
    spec = build_spec({}, functions)
    assert (spec.model, spec.calibration) == ("nets:small", "data:digits")


def test_a_file_in_the_folder_is_read_where_no_model_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        build_spec({}, None)
    assert str(caught.value) == "MODEL is not given, but must be a model"
    assert caught.value.hint == "edgeq build MODEL ..., or model = ... in edgeq.toml"
    toml(tmp_path, '[build]\nmodel = "here"\nseed = 3\n')
    assert build_spec({}, None).seed == 3
    assert build_spec({"model": "there"}, None).seed == 0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('samples = "50"', "build.samples is '50', but must be a whole number"),
        ("samples = true", "build.samples is True, but must be a whole number"),
        ("samples = 1.5", "build.samples is 1.5, but must be a whole number"),
        ("force = 1", "build.force is 1, but must be true or false"),
        ("model = 3", "build.model is 3, but must be text"),
        ("output = false", "build.output is False, but must be text"),
        ("threads = []", "build.threads is [], but must be a whole number"),
        ("preprocess = [1]", "build.preprocess is [1], but must be text or a list of texts"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(
    tmp_path: Path, line: str, sentence: str
) -> None:
    path = toml(tmp_path, f"[build]\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value) == f"{path}: {sentence}"


def test_preprocessing_is_one_text_or_a_list(tmp_path: Path) -> None:
    one = read_config(toml(tmp_path, '[build]\npreprocess = "[0,1]"\n'))
    assert one == {"preprocess": ("[0,1]",)}
    two = read_config(toml(tmp_path, '[build]\npreprocess = ["x:[0,1]", "y:imagenet"]\n'))
    assert two == {"preprocess": ("x:[0,1]", "y:imagenet")}


def test_an_unknown_key_names_the_known_ones(tmp_path: Path) -> None:
    path = toml(tmp_path, "[build]\nsample = 3\n")
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(caught.value) == f"{path}: there is no key build.sample"
    assert caught.value.hint.startswith("known keys: model, calibration, output, mode, engine, ")
    assert "compile-timeout" in caught.value.hint


def test_a_file_that_is_missing_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_config(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: no such file"
    assert caught.value.hint == "name an edgeq.toml with --config"
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_config(binary)
    with pytest.raises(ConfigError, match="but must be valid TOML"):
        read_config(toml(tmp_path, "[build\n"))
    with pytest.raises(ConfigError, match=r"build is 3, but must be a table: \[build\]"):
        read_config(toml(tmp_path, "build = 3\n"))
    assert read_config(toml(tmp_path, "")) == {}
